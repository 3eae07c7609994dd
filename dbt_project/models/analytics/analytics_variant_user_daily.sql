{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    on_schema_change='fail',
    pre_hook=['{{ find_changed_users() }}', '{{ prepare_change_log() }}'],
    post_hook='{{ record_build() }}',
    meta={'also_replaces': 'user_id in (select user_id from changed_user)', 'keeps_changes': true},
) }}

with facts as (

    select * from {{ ref('fact_user_event') }}

),

users as (

    select * from {{ ref('dim_user') }}
    where has_metadata

),

events as (

    select * from facts
    where {{ in_window('datestamp', 'date') }}
    {% if is_incremental() and users_changed() %}
        union all
        select * from facts
        where
            {{ outside_window('datestamp', 'date') }}
            and user_id in (select user_id from changed_user)
            and datestamp in (select datestamp from {{ build_state('built_day') }})
            and {{ not_rolled_back() }}
    {% endif %}

),

-- grouping twice is the same as count(distinct) over the joined rows, at a fifth of the time
items_of_user_day as (

    select
        user_id,
        datestamp,
        item_id,
        max(case when clicked = 1 then 1 end) as is_clicked,
        sum(purchased) as purchased,
        sum(paidamount) as paidamount
    from events
    group by user_id, datestamp, item_id

),

user_days as (

    select
        user_id,
        datestamp,
        count(item_id) as num_of_items,
        count(case when is_clicked = 1 then item_id end) as num_of_clicks,
        sum(purchased) as num_of_purchases,
        sum(paidamount) as revenue
    from items_of_user_day
    group by user_id, datestamp

),

final as (

    select
        users.variant_id,
        user_days.user_id,
        user_days.datestamp,
        users.age,
        users.gender,
        cast(user_days.num_of_items as bigint) as num_of_items,
        cast(user_days.num_of_clicks as bigint) as num_of_clicks,
        cast(user_days.num_of_purchases * users.num_of_assignments as bigint) as num_of_purchases,
        cast(user_days.revenue * users.num_of_assignments as bigint) as revenue
    from user_days
    inner join users on user_days.user_id = users.user_id

)

select * from final
