{{ config(
    severity='warn',
    meta={
        'description': 'The events of each day that the run replaced are those of the raw table. A warning, since rows may land during a run.',
        'dagster': {'ref': {'name': 'fact_user_event'}},
    },
) }}

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
