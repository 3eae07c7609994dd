with source as (

    select * from {{ source('raw_data', 'user_variant') }}

),

renamed as (

    select
        user_id,
        variant_id,
        {{ optional_column(source('raw_data', 'user_variant'), 'assigned_at', 'timestamp') }} as assigned_at
    from source

)

select * from renamed
