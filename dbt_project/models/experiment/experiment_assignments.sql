{{ config(materialized='table') }}

with units as (

    select * from {{ ref('experiment_units') }}
    where first_day <= last_day

),

final as (

    select
        experiment_id,
        variant_id,
        first_day,
        assigned_on is not null as is_day_known,
        age,
        gender,
        activity,
        cast(sum(case when exclusion = 'several_variants' then 0 else 1 end) as bigint) as users,
        cast(sum(case when exclusion is null then 1 else 0 end) as bigint) as counted_users,
        cast(sum(case when exclusion = 'no_metadata' then 1 else 0 end) as bigint) as users_without_metadata,
        cast(
            sum(case when exclusion = 'several_variants' then 1.0 / num_of_variants else 0.0 end) as double precision
        ) as users_in_several_variants
    from units
    group by experiment_id, variant_id, first_day, assigned_on is not null, age, gender, activity

)

select * from final
