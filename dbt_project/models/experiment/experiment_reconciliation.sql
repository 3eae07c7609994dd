{{ config(
    materialized='incremental',
    incremental_strategy='replace_stale',
    on_schema_change='fail',
    pre_hook="{{ find_stale_experiments(ref('experiment_units')) }}",
    post_hook="{{ record_experiments(ref('experiment_units')) }}",
) }}

with units as (

    select
        every_unit.*,
        {% if is_incremental() -%}
        stale_experiment.from_day
        {%- else -%}
        every_unit.first_day as from_day
        {%- endif %}
    from {{ ref('experiment_units') }} as every_unit
    {% if is_incremental() -%}
    inner join stale_experiment on every_unit.experiment_id = stale_experiment.experiment_id
    {%- endif %}
    where every_unit.exclusion is null and every_unit.first_day <= every_unit.last_day

),

oldest as (

    select min(greatest(from_day, first_day)) as datestamp from units

),

events as (

    select * from {{ ref('fact_user_event') }}

),

-- from the events themselves: not the way the daily table and the sums are made
items as (

    select
        units.experiment_id,
        events.datestamp,
        events.user_id,
        events.item_id,
        sum(events.purchased) as num_of_purchases,
        sum(events.paidamount) as revenue
    from events
    inner join units on events.user_id = units.user_id
    where
        events.datestamp >= units.first_day
        and events.datestamp >= units.from_day
        and events.datestamp <= units.last_day
        and events.datestamp >= (select oldest.datestamp from oldest)
    group by units.experiment_id, events.datestamp, events.user_id, events.item_id

),

final as (

    select
        experiment_id,
        datestamp,
        cast(count(item_id) as decimal(38, 0)) as num_of_items,
        cast(coalesce(sum(num_of_purchases), 0) as decimal(38, 0)) as num_of_purchases,
        cast(coalesce(sum(revenue), 0) as decimal(38, 0)) as revenue
    from items
    group by experiment_id, datestamp

)

select * from final
