{{ config(materialized='view') }}

with assignments as (

    select * from {{ ref('dim_user_variant') }}

),

metadata as (

    select * from {{ ref('dim_user_metadata') }}

),

final as (

    select
        assignments.user_id,
        assignments.variant_id,
        assignments.assigned_at,
        assignments.num_of_assignments,
        metadata.age,
        metadata.gender,
        metadata.user_id is not null as has_metadata
    from assignments
    left join metadata on assignments.user_id = metadata.user_id

)

select * from final
