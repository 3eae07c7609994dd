{{ config(
    severity='warn',
    meta={
        'description': 'A variant that experiment_variants.csv does not name has no experiment to be read out in.',
        'dagster': {'ref': {'name': 'dim_user_variant'}},
    },
) }}

with assignments as (

    select * from {{ ref('dim_user_variant') }}

),

declared as (

    select * from {{ ref('experiment_variants') }}

),

undeclared as (

    select
        assignments.variant_id,
        count(*) as num_of_users
    from assignments
    left join declared on assignments.variant_id = declared.variant_id
    where declared.variant_id is null
    group by assignments.variant_id

)

select * from undeclared
