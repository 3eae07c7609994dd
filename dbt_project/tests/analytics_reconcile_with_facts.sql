{{ config(
    meta={
        'description': 'The sums of each day that the run replaced, computed by joining first: not the way the model does it.',
        'dagster': {'ref': {'name': 'analytics_variant_user_daily'}},
    },
) }}

with facts as (

    select * from {{ ref('fact_user_event') }}
    where {{ in_window('datestamp', 'date') }}

),

users as (

    select
        user_id,
        sum(num_of_assignments) as num_of_assignments
    from {{ ref('dim_user') }}
    where has_metadata
    group by user_id

),

expected as (

    select
        facts.datestamp,
        sum(facts.purchased * users.num_of_assignments) as num_of_purchases,
        sum(facts.paidamount * users.num_of_assignments) as revenue
    from facts
    inner join users on facts.user_id = users.user_id
    group by facts.datestamp

),

built as (

    select
        datestamp,
        sum(num_of_purchases) as num_of_purchases,
        sum(revenue) as revenue
    from {{ ref('analytics_variant_user_daily') }}
    where {{ in_window('datestamp', 'date') }}
    group by datestamp

),

differences as (

    {{ rows_that_differ('expected', 'built') }}

)

select * from differences
