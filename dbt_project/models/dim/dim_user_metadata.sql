{{ config(pre_hook='{{ open_build() }}', post_hook="{{ record_dimension('user_metadata') }}") }}

with metadata as (

    select * from {{ ref('src_user_metadata') }}

),

newest_first as (

    select
        user_id,
        age,
        gender,
        updated_at,
        row_number() over (
            partition by user_id
            order by updated_at desc nulls last, age asc nulls last, gender asc nulls last
        ) as recency
    from metadata
    where user_id is not null

),

final as (

    select
        cast(user_id as integer) as user_id,
        cast(age as varchar(16)) as age,
        cast(gender as varchar(16)) as gender,
        cast(updated_at as timestamp) as updated_at
    from newest_first
    where recency = 1

)

select * from final
