{{ config(materialized='table', post_hook="{{ record_units('experiment_distribution') }}") }}

with units as (

    select * from {{ ref('experiment_units') }}
    where exclusion is null and first_day <= last_day

),

metrics as (

    select * from {{ ref('metrics') }}
    where kind in ('mean', 'count')

),

totals as (

    select
        units.experiment_id,
        metrics.metric_id,
        units.variant_id,
        {{ total_of('metrics.numerator', 'units.', measures()) }} as total
    from units
    cross join metrics

),

-- each power of ten in eight bins that look equally wide on a logarithmic axis; what is below one is with zero
numbered as (

    select
        experiment_id,
        metric_id,
        variant_id,
        case when total >= 1 then floor(8 * log(cast(total as double precision))) end as bin
    from totals

),

final as (

    select
        experiment_id,
        metric_id,
        variant_id,
        cast(coalesce(power(10.0, bin / 8), 0) as double precision) as low,
        cast(coalesce(power(10.0, (bin + 1) / 8), 0) as double precision) as high,
        cast(count(*) as bigint) as users
    from numbered
    group by experiment_id, metric_id, variant_id, bin

)

select * from final
