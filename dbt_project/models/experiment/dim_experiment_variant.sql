{{ config(materialized='table', dist='all') }}

with declared as (

    select * from {{ ref('experiment_variants') }}

),

assignments as (

    select * from {{ ref('dim_user_variant') }}

),

undeclared as (

    select
        assignments.variant_id,
        case when lower(assignments.variant_id) like '%control%' then 1 else 0 end as is_called_control,
        count(*) as num_of_users
    from assignments
    left join declared on assignments.variant_id = declared.variant_id
    where declared.variant_id is null and assignments.variant_id is not null
    group by assignments.variant_id

),

likely_control_first as (

    select
        variant_id,
        num_of_users,
        row_number() over (order by is_called_control desc, num_of_users desc, variant_id asc) as place
    from undeclared

),

declared_and_inferred as (

    select
        experiment_id,
        variant_id,
        is_control,
        expected_weight,
        false as is_inferred
    from declared
    union all
    select
        'inferred' as experiment_id,
        variant_id,
        place = 1 as is_control,
        -- nobody said what to expect: what there is
        num_of_users as expected_weight,
        true as is_inferred
    from likely_control_first

),

final as (

    select
        cast(experiment_id as varchar(64)) as experiment_id,
        cast(variant_id as varchar(32)) as variant_id,
        is_control,
        cast(expected_weight as double precision) as expected_weight,
        is_inferred
    from declared_and_inferred

)

select * from final
