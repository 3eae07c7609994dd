{{ config(pre_hook='{{ open_build() }}', post_hook="{{ record_dimension('user_variant') }}") }}

with assignments as (

    select * from {{ ref('src_user_variant') }}

),

one_row_per_user_and_variant as (

    select
        user_id,
        variant_id,
        min(assigned_at) as assigned_at,
        count(*) as num_of_assignments
    from assignments
    where user_id is not null
    group by user_id, variant_id

),

final as (

    select
        cast(user_id as integer) as user_id,
        cast(variant_id as varchar(32)) as variant_id,
        cast(assigned_at as timestamp) as assigned_at,
        cast(num_of_assignments as bigint) as num_of_assignments
    from one_row_per_user_and_variant

)

select * from final
