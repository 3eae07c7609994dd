{#-
  What an experiment's tables were built from, written in the transaction that builds them. Each model has its own:

  - built_MODEL: each experiment with what defines it, the last day it was built for, and the users it was built from;
  - built_MODEL_day: each day of the daily table, with the build it was read from.

  Comparing them with what is there gives the experiments to build again, and from which day on. An experiment that
  starts over has a day before all others there.
-#}

{#- As a hook before the model it also opens the transaction. Its result is the temporary table stale_experiment. -#}
{% macro find_stale_experiments(units=none, caps=none, sums=none) %}
    {%- set built = build_state('built_' ~ this.identifier) -%}
    {%- set built_days = build_state('built_' ~ this.identifier ~ '_day') -%}
    {% if not keeps_experiments() %}
    drop table if exists {{ built }};
    drop table if exists {{ built_days }};
    {% endif %}
    create table if not exists {{ built }} (
        experiment_id varchar(64), definition varchar(1024), last_day date, signature varchar(64)
    ) {{ table_attributes('all') }};
    create table if not exists {{ built_days }} (
        datestamp date, build varchar(80)
    ) {{ table_attributes('all', 'datestamp') }};
    {% if execute and units is not none -%}
        {%- do _refuse_older(units) -%}
        {%- if sums is not none -%}{%- do _refuse_older(sums, units) -%}{%- endif -%}
    {%- endif %}
    drop table if exists stale_experiment;
    create temporary table stale_experiment {{ table_attributes('all') }} as
    {{ _stale_experiments(this, units, caps) }}
{% endmacro %}


{#-
  A model that is built after the daily table, but without what it is made of, would note the days as read, with the
  totals of before: what it is made of comes later, and changes no day.
-#}
{% macro _refuse_older(model, units=none) %}
    {%- if run_query(_stale_experiments(model, units) ~ ' limit 1').rows | length > 0 -%}
        {%- do exceptions.raise_compiler_error(
            this.identifier ~ " is made of " ~ model.identifier ~ ", which is itself older than what it is made of."
            ~ " Nothing was changed. Build them together: --select group:experiments, in Dagster with --partition."
        ) -%}
    {%- endif -%}
{% endmacro %}


{#- Each experiment whose rows of a model are not those of what is there now, with the first day that differs. -#}
{% macro _stale_experiments(model, units, caps=none) %}
    {%- set built = build_state('built_' ~ model.identifier) -%}
    with
    now_there as ({{ _builds_of_days() }}),
    then_there as (select datestamp, build from {{ build_state('built_' ~ model.identifier ~ '_day') }}),
    differences as ({{ rows_that_differ('now_there', 'then_there') }}),
    changed_days as (select distinct datestamp from differences),
    experiments as ({{ _definitions(caps) }}),
    signatures as ({{ _signatures_of_units(units, built) }}),
    compared as (
        select
            coalesce(experiments.experiment_id, built.experiment_id) as experiment_id,
            case
                when
                    built.definition = experiments.definition
                    and built.signature = coalesce(signatures.signature, '')
                    and not exists (
                        select 1 from changed_days
                        where
                            changed_days.datestamp >= experiments.start_date - experiments.pre_period_days
                            and changed_days.datestamp < experiments.start_date
                    )
                    then least(
                        (
                            select min(changed_days.datestamp) from changed_days
                            where
                                changed_days.datestamp >= experiments.start_date
                                and changed_days.datestamp <= experiments.end_date
                        ),
                        case when built.last_day <> experiments.last_day then least(built.last_day, experiments.last_day) + 1 end
                    )
                else {{ before_all_days() }}
            end as from_day
        from experiments
        full outer join {{ built }} as built on experiments.experiment_id = built.experiment_id
        left join signatures on experiments.experiment_id = signatures.experiment_id
    )
    select experiment_id, from_day from compared
    where from_day is not null
{% endmacro %}


{#- After the model. The signature is that of the users who were assigned by the last day: later ones change nothing. -#}
{% macro record_experiments(units=none, caps=none) %}
    {%- set built = build_state('built_' ~ this.identifier) -%}
    {%- set built_days = build_state('built_' ~ this.identifier ~ '_day') -%}
    delete from {{ built_days }};
    insert into {{ built_days }} (datestamp, build)
    {{ _builds_of_days() }};
    delete from {{ built }}
    where experiment_id in (select experiment_id from stale_experiment);
    insert into {{ built }} (experiment_id, definition, last_day, signature)
    with experiments as ({{ _definitions(caps) }}),
    signatures as ({{ _signatures_of_units(units, 'experiments') }})
    select experiments.experiment_id, experiments.definition, experiments.last_day, coalesce(signatures.signature, '')
    from experiments
    left join signatures on experiments.experiment_id = signatures.experiment_id
    where experiments.experiment_id in (select experiment_id from stale_experiment)
{% endmacro %}


{#- Whether a build keeps what is there of experiments that are not stale. -#}
{% macro keeps_experiments() %}
    {{- return(
        execute and not should_full_refresh() and adapter.get_relation(this.database, this.schema, this.identifier) is not none
    ) -}}
{% endmacro %}


{% macro before_all_days() -%}
    cast('1000-01-01' as date)
{%- endmacro %}


{#- A rollback changes a day's rows, and no build does. -#}
{% macro _builds_of_days() -%}
    select built_day.datestamp, built_day.build_id || coalesce(' -' || rolled_back_day.build_id, '') as build
    from {{ build_state('built_day') }} as built_day
    left join {{ build_state('rolled_back_day') }} as rolled_back_day on built_day.datestamp = rolled_back_day.datestamp
    where built_day.datestamp is not null
{%- endmacro %}


{#- The last day moves with the data, so it is no part of the definition. -#}
{% macro _definitions(caps) -%}
    select
        experiment_id,
        start_date,
        end_date,
        last_day,
        pre_period_days,
        cast(start_date as varchar) || ' ' || cast(pre_period_days as varchar)
        {%- if caps is not none %} || ' ' || (
            select {{ signature(['metric_id', 'numerator', 'cap']) }} from {{ caps }} where cap is not null
        ) {%- endif %} as definition
    from {{ ref('dim_experiment') }}
    where start_date <= last_day
{%- endmacro %}


{% macro _signatures_of_units(units, last_days) -%}
    {%- if units is none -%}
    select experiment_id, '' as signature from {{ last_days }} as built
    {%- else -%}
    select units.experiment_id, {{ signature(['units.user_id', 'units.variant_id', 'units.first_day', 'units.age', 'units.gender', 'units.exclusion']) }} as signature
    from {{ units }} as units
    inner join {{ last_days }} as built on units.experiment_id = built.experiment_id
    where units.first_day <= built.last_day
    group by units.experiment_id
    {%- endif -%}
{%- endmacro %}
