{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    on_schema_change='fail',
    pre_hook='{{ unsettle_days() }}',
) }}

with events as (

    select * from {{ ref('src_user_event') }}
    where {{ in_window('occurred_at', 'timestamp') }}

),

final as (

    select
        cast(user_id as integer) as user_id,
        cast(datestamp as date) as datestamp,
        cast(occurred_at as timestamp) as occurred_at,
        cast(item_id as integer) as item_id,
        cast(clicked as integer) as clicked,
        cast(purchased as integer) as purchased,
        cast(paidamount as integer) as paidamount
    from events

)

select * from final
