{#-
  What the tables of experiments were built from, written in the transaction that builds them (models/state.yml has
  every column). The view experiment_changes compares it with what is there.
-#}

{#- After experiment_units. -#}
{% macro record_experiments() %}
    delete from {{ source('state', 'built_experiment_day') }};
    insert into {{ source('state', 'built_experiment_day') }} (datestamp, build_id, rolled_back_build_id)
    select built_day.datestamp, built_day.build_id, rolled_back_day.build_id
    from {{ source('state', 'built_day') }} as built_day
    left join {{ source('state', 'rolled_back_day') }} as rolled_back_day on built_day.datestamp = rolled_back_day.datestamp
    where built_day.datestamp is not null;
    delete from {{ source('state', 'built_experiment') }};
    insert into {{ source('state', 'built_experiment') }} (experiment_id, start_date, pre_period_days, last_day, build_id)
    select experiment_id, start_date, pre_period_days, last_day, '{{ invocation_id }}'
    from {{ ref('dim_experiment') }}
    where start_date <= last_day
{% endmacro %}


{#- After a table that is made of experiment_units: which build of them. -#}
{% macro record_units(table) %}
    {%- set built = source('state', 'built_' ~ table) -%}
    delete from {{ built }};
    insert into {{ built }} (build_id)
    select max(build_id) from {{ source('state', 'built_experiment') }}
{% endmacro %}


{#- After experiment_statistics: what its sums are sums of. The file, or the seed, may be newer. -#}
{% macro record_metrics() %}
    delete from {{ source('state', 'built_metric') }};
    insert into {{ source('state', 'built_metric') }}
        (metric_id, kind, numerator, denominator, cap, direction, role, minimum_effect)
    select metric_id, kind, numerator, denominator, cap, direction, role, minimum_effect
    from {{ ref('metrics') }}
{% endmacro %}


{#- Whether a build of experiment_units keeps what is there of experiments that did not change. -#}
{% macro keeps_experiments() %}
    {{- return(
        execute and not should_full_refresh() and adapter.get_relation(this.database, this.schema, this.identifier) is not none
    ) -}}
{% endmacro %}


{% macro before_all_days() -%}
    cast('1000-01-01' as date)
{%- endmacro %}


{#- Relations that no model builds, of a database that an older version of the project built. -#}
{% macro drop_retired() %}
    {%- if _build_state_exists('experiment_metric_days') %}
    drop view if exists {{ build_state('experiment_metric_days') }};
    {%- endif %}
    {%- set sums = ['daily_sums', 'capped_sums', 'reconciliation'] %}
    {%- set retired = [] %}
    {%- for name in sums %}{% do retired.append('experiment_' ~ name) %}{% endfor %}
    {%- for name in sums + ['units'] %}
        {%- do retired.extend(['built_experiment_' ~ name, 'built_experiment_' ~ name ~ '_day']) %}
    {%- endfor %}
    {%- for name in retired if _build_state_exists(name) %}
    drop table if exists {{ build_state(name) }};
    {%- endfor %}
{% endmacro %}
