{#-
  What the newest change of each day of analytics_variant_user_daily was, written in the transaction that changes it
  (`ab-pipeline diff` and `rollback` read it):

  - analytics_variant_user_daily_changes: the rows that the change removed and added. A day's entries make way for its
    next change, so the log is never larger than the table was before and after;
  - rolled_back_day: the days that hold the build before their newest one, until their window is built again.
-#}

{#- A hook before the model. A table that is built whole has no build before it. -#}
{% macro prepare_change_log() %}
    {%- if not is_incremental() -%}
    drop table if exists {{ _change_log() }};
    delete from {{ build_state('rolled_back_day') }};
    {%- endif %}
    create table if not exists {{ _change_log() }} (
        {% for column in model.columns.values() -%}
        {{ column.name }} {{ column.data_type }},
        {% endfor -%}
        build_id varchar(36), built_at timestamp, change varchar(7)
    ) {{ table_attributes('user_id', ['datestamp', 'user_id']) }}
{% endmacro %}


{#- Before the rows are replaced. Only what really differs is logged, nulls being equal; rows without a day are not,
    since they belong to every window and no day can take them back: a null is `in` nothing. Days are compared by
    signature first, which costs a fifth of comparing their rows. -#}
{% macro log_changes(target, replacement, columns, also_replaces) %}
    {%- set names = columns | join(', ') -%}
    {%- set replaced -%}
        (
            select {{ names }} from {{ target }}
            where {{ in_window('datestamp', 'date') }}
            {%- if also_replaces %}
            union all
            select {{ names }} from {{ target }}
            where {{ outside_window('datestamp', 'date') }} and {{ also_replaces }}
            {%- endif %}
        ) as replaced
    {%- endset -%}
    create temporary table changed_day {{ table_attributes('all') }} as
    with
    days_before as (
        select datestamp, {{ signature(columns) }} as signature from {{ replaced }}
        group by datestamp
    ),
    days_after as (
        select datestamp, {{ signature(columns) }} as signature from {{ replacement }}
        group by datestamp
    ),
    changed as ({{ rows_that_differ('days_before', 'days_after') }})
    select distinct datestamp from changed;
    delete from {{ _change_log() }}
    where datestamp in (
        select datestamp from changed_day
        union all
        select datestamp from {{ build_state('rolled_back_day') }}
        where {{ in_window('datestamp', 'date') }}
    );
    insert into {{ _change_log() }} ({{ names }}, build_id, built_at, change)
    with sides as (
        select {{ names }}, -1 as side from {{ replaced }}
        where datestamp in (select datestamp from changed_day)
        union all
        select {{ names }}, 1 as side from {{ replacement }}
        where datestamp in (select datestamp from changed_day)
    )
    select
        {{ names }},
        '{{ invocation_id }}',
        cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}' as timestamp),
        case when sum(side) > 0 then 'added' else 'removed' end
    from sides
    group by {{ names }}
    having sum(side) <> 0;
    drop table changed_day;
    delete from {{ build_state('rolled_back_day') }}
    where {{ in_window('datestamp', 'date') }};
{% endmacro %}


{#- The rows of a changed user would come from the newer build that a rollback took back. They wait for the day. -#}
{% macro not_rolled_back() -%}
    datestamp not in (select datestamp from {{ build_state('rolled_back_day') }})
{%- endmacro %}


{% macro _change_log() %}
    {{- return(build_state('analytics_variant_user_daily_changes')) -}}
{% endmacro %}
