{% test within_calendar(model, column_name) %}
    {#- Days outside have no partition: only a plain dbt build or --full-refresh reaches them. -#}
    select
        cast({{ column_name }} as date) as datestamp,
        count(*) as num_of_rows
    from {{ model }}
    where
        {{ column_name }} < cast('{{ env_var("AB_PIPELINE_START_DATE", "2025-01-01") }}' as timestamp)
        or {{ column_name }} >= cast('{{ today() + modules.datetime.timedelta(days=1) }}' as timestamp)
    group by 1
{% endtest %}
