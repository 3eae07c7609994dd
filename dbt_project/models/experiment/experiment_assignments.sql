{{ config(materialized='table', post_hook="{{ record_units('experiment_assignments') }}") }}

with cells as (

    select
        experiment_id,
        variant_id,
        first_day,
        several_from,
        assigned_on is not null as is_day_known,
        age,
        gender,
        activity,
        count(*) as users,
        sum(case when has_metadata then 0 else 1 end) as users_without_metadata,
        sum(case when several_from is not null and is_first_variant then 1 else 0 end) as users_in_several_variants
    from {{ ref('experiment_units') }}
    where first_day <= last_day
    group by experiment_id, variant_id, first_day, several_from, assigned_on is not null, age, gender, activity

),

dimensions as (

    {{ dimensions() }}

),

final as (

    select
        cells.experiment_id,
        cells.variant_id,
        {{ segment_of('cells.') }} as segment,
        cells.first_day,
        cells.several_from,
        cells.is_day_known,
        cast(sum(cells.users) as bigint) as users,
        cast(sum(cells.users_without_metadata) as bigint) as users_without_metadata,
        cast(sum(cells.users_in_several_variants) as bigint) as users_in_several_variants
    from cells
    cross join dimensions
    group by
        cells.experiment_id,
        cells.variant_id,
        {{ segment_of('cells.') }},
        cells.first_day,
        cells.several_from,
        cells.is_day_known

)

select * from final
