{#- By day, of the days this run replaced. A warning, since rows may land in the raw table while a run is going. -#}
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fact_user_event'}}}) }}

with raw_days as (

    select
        cast(datestamp as date) as datestamp,
        count(*) as num_of_events,
        {{ event_signature('datestamp') }} as signature
    from {{ source('raw_data', 'user_event') }}
    where {{ in_window('datestamp', 'timestamp') }}
    group by 1

),

fact_days as (

    select
        datestamp,
        count(*) as num_of_events,
        {{ event_signature('occurred_at') }} as signature
    from {{ ref('fact_user_event') }}
    where {{ in_window('datestamp', 'date') }}
    group by 1

),

differences as (

    {{ rows_that_differ('raw_days', 'fact_days') }}

)

select * from differences
