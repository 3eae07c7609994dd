{{ config(materialized='table', dist='all') }}

with experiments as (

    select * from {{ ref('experiments') }}

),

variants as (

    select * from {{ ref('dim_experiment_variant') }}

),

assignments as (

    select * from {{ ref('dim_user_variant') }}

),

user_days as (

    select datestamp from {{ ref('analytics_variant_user_daily') }}
    where datestamp <= cast('{{ today() }}' as date)

),

calendar as (

    select
        min(datestamp) as oldest_day,
        max(datestamp) as newest_day
    from user_days

),

inferred as (

    select
        variants.experiment_id,
        cast(min(assignments.assigned_at) as date) as first_assigned_on
    from variants
    inner join assignments on variants.variant_id = assignments.variant_id
    where variants.is_inferred
    group by variants.experiment_id

),

declared_and_inferred as (

    select
        experiment_id,
        name,
        hypothesis,
        owner,
        start_date,
        end_date,
        pre_period_days,
        allocation,
        is_aa,
        false as is_inferred
    from experiments
    union all
    select
        inferred.experiment_id,
        'Variants that nobody declared' as name,
        '' as hypothesis,
        '' as owner,
        coalesce(inferred.first_assigned_on, calendar.oldest_day) as start_date,
        calendar.newest_day as end_date,
        0 as pre_period_days,
        1.0 as allocation,
        false as is_aa,
        true as is_inferred
    from inferred
    cross join calendar

),

final as (

    select
        cast(declared_and_inferred.experiment_id as varchar(64)) as experiment_id,
        cast(declared_and_inferred.name as varchar(128)) as name,
        cast(declared_and_inferred.hypothesis as varchar(512)) as hypothesis,
        cast(declared_and_inferred.owner as varchar(128)) as owner,
        cast(declared_and_inferred.start_date as date) as start_date,
        cast(declared_and_inferred.end_date as date) as end_date,
        cast(declared_and_inferred.pre_period_days as integer) as pre_period_days,
        cast(declared_and_inferred.allocation as double precision) as allocation,
        declared_and_inferred.is_aa,
        declared_and_inferred.is_inferred,
        cast(least(declared_and_inferred.end_date, calendar.newest_day) as date) as last_day
    from declared_and_inferred
    cross join calendar

)

select * from final
