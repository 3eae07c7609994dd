{{ config(materialized='view') }}

with assigned as (

    select
        variants.experiment_id,
        users.variant_id,
        users.user_id,
        users.age,
        users.gender,
        users.has_metadata,
        users.num_of_assignments,
        cast(users.assigned_at as date) as assigned_on,
        -- the daily table has whole days, so the day of the assignment counts whole
        greatest(cast(users.assigned_at as date), experiments.start_date) as first_day,
        experiments.end_date,
        experiments.last_day,
        experiments.pre_period_days
    from {{ ref('dim_user') }} as users
    inner join {{ ref('dim_experiment_variant') }} as variants on users.variant_id = variants.variant_id
    inner join {{ ref('dim_experiment') }} as experiments on variants.experiment_id = experiments.experiment_id

),

-- who gets the winner after the end was in one variant while it ran
in_several_variants as (

    select
        experiment_id,
        user_id
    from assigned
    where first_day <= end_date
    group by experiment_id, user_id
    having count(*) > 1

),

places as (

    select
        assigned.experiment_id,
        assigned.user_id,
        assigned.variant_id,
        assigned.first_day,
        row_number() over (
            partition by assigned.experiment_id, assigned.user_id
            order by assigned.first_day asc, assigned.variant_id asc
        ) as place
    from assigned
    inner join in_several_variants
        on
            assigned.experiment_id = in_several_variants.experiment_id
            and assigned.user_id = in_several_variants.user_id
    where assigned.first_day <= assigned.end_date

),

final as (

    select
        assigned.*,
        seconds.first_day as several_from,
        coalesce(places.place = 1, true) as is_first_variant
    from assigned
    left join places
        on
            assigned.experiment_id = places.experiment_id
            and assigned.user_id = places.user_id
            and assigned.variant_id = places.variant_id
    left join places as seconds
        on
            assigned.experiment_id = seconds.experiment_id
            and assigned.user_id = seconds.user_id
            and seconds.place = 2

)

select * from final
