{{ config(materialized='view') }}

with cumulative as (

    select * from {{ ref('experiment_statistics') }}
    where segment = 'all' and cap is null

),

final as (

    select
        experiment_id,
        metric_id,
        variant_id,
        as_of as datestamp,
        users,
        y - coalesce(lag(y) over (partition by experiment_id, metric_id, variant_id order by as_of), 0) as numerator,
        d - coalesce(lag(d) over (partition by experiment_id, metric_id, variant_id order by as_of), 0) as denominator,
        y as cumulative_numerator,
        d as cumulative_denominator
    from cumulative

)

select * from final
