with source as (

    select * from {{ source('raw_data', 'user_event') }}

),

renamed as (

    select
        user_id,
        cast(datestamp as date) as datestamp,
        datestamp as occurred_at,
        item_id,
        clicked,
        purchased,
        paidamount
    from source

)

select * from renamed
