{{ config(materialized='view') }}

{%- set segments = {
    'all': "'all'",
    'age': "'age:' || coalesce(age, 'unknown')",
    'gender': "'gender:' || coalesce(gender, 'unknown')",
    'activity': "'activity:' || activity",
} %}

with metrics as (

    select * from {{ ref('metrics') }}

),

daily_sums as (

    select * from {{ ref('experiment_daily_sums') }}

),

capped_sums as (

    select * from {{ ref('experiment_capped_sums') }}

),

days as (

    select distinct
        experiment_id,
        datestamp
    from daily_sums

),

segmented as (

    {% for segment in segments.values() -%}
    select
        daily_sums.*,
        {{ segment }} as segment
    from daily_sums
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

segment_days as (

    select
        experiment_id,
        variant_id,
        segment,
        {% for name in sums_of_entries() + sums_of_days() -%}
        sum({{ name }}) as {{ name }},
        {% endfor -%}
        datestamp
    from segmented
    group by experiment_id, variant_id, segment, datestamp

),

-- a segment has a row on every day from its first on, whether anybody was there or not
sums as (

    select
        days.experiment_id,
        segment_days.variant_id,
        segment_days.segment,
        {% for name in sums_of_entries() + sums_of_days() -%}
        cast(sum(segment_days.{{ name }}) as double precision) as {{ name }},
        {% endfor -%}
        days.datestamp as as_of
    from days
    inner join segment_days
        on days.experiment_id = segment_days.experiment_id and days.datestamp >= segment_days.datestamp
    group by days.experiment_id, segment_days.variant_id, segment_days.segment, days.datestamp

),

capped_segmented as (

    {% for segment in segments.values() -%}
    select
        capped_sums.*,
        {{ segment }} as segment
    from capped_sums
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

capped as (

    select
        experiment_id,
        metric_id,
        variant_id,
        segment,
        datestamp as as_of,
        max(cap) as cap,
        cast(sum(total) as double precision) as y,
        cast(sum(pre_total) as double precision) as x,
        cast(sum(total_x_total) as double precision) as yy,
        cast(sum(pre_total_x_pre_total) as double precision) as xx,
        cast(sum(total_x_pre_total) as double precision) as yx
    from capped_segmented
    group by experiment_id, metric_id, variant_id, segment, datestamp

),

ratios as (

    select
        sums.experiment_id,
        metrics.metric_id,
        sums.variant_id,
        sums.segment,
        sums.as_of,
        cast(null as double precision) as cap,
        sums.users,
        {{ sum_of('metrics.numerator', 'sums.') }} as y,
        {{ sum_of('metrics.denominator', 'sums.') }} as d,
        {{ sum_of('metrics.numerator', 'sums.pre_') }} as x,
        {{ sum_of('metrics.denominator', 'sums.pre_') }} as z,
        {{ product_of('metrics.numerator', '', 'metrics.numerator', '') }} as yy,
        {{ product_of('metrics.denominator', '', 'metrics.denominator', '') }} as dd,
        {{ product_of('metrics.numerator', 'pre_', 'metrics.numerator', 'pre_') }} as xx,
        {{ product_of('metrics.denominator', 'pre_', 'metrics.denominator', 'pre_') }} as zz,
        {{ product_of('metrics.numerator', '', 'metrics.denominator', '') }} as yd,
        {{ product_of('metrics.numerator', '', 'metrics.numerator', 'pre_') }} as yx,
        {{ product_of('metrics.numerator', '', 'metrics.denominator', 'pre_') }} as yz,
        {{ product_of('metrics.denominator', '', 'metrics.numerator', 'pre_') }} as dx,
        {{ product_of('metrics.denominator', '', 'metrics.denominator', 'pre_') }} as dz,
        {{ product_of('metrics.numerator', 'pre_', 'metrics.denominator', 'pre_') }} as xz
    from sums
    cross join metrics
    where metrics.kind = 'ratio'

),

per_user as (

    select
        sums.experiment_id,
        metrics.metric_id,
        sums.variant_id,
        sums.segment,
        sums.as_of,
        cast(null as double precision) as cap,
        sums.users,
        {{ sum_of('metrics.numerator', 'sums.') }} as y,
        {{ sum_of('metrics.numerator', 'sums.pre_') }} as x,
        {{ product_of('metrics.numerator', '', 'metrics.numerator', '') }} as yy,
        {{ product_of('metrics.numerator', 'pre_', 'metrics.numerator', 'pre_') }} as xx,
        {{ product_of('metrics.numerator', '', 'metrics.numerator', 'pre_') }} as yx
    from sums
    cross join metrics
    where metrics.kind in ('mean', 'count')
    union all
    select
        sums.experiment_id,
        metrics.metric_id,
        sums.variant_id,
        sums.segment,
        sums.as_of,
        cast(null as double precision) as cap,
        sums.users,
        {{ sum_of('metrics.numerator', 'sums.has_') }} as y,
        {{ sum_of('metrics.numerator', 'sums.had_') }} as x,
        {{ sum_of('metrics.numerator', 'sums.has_') }} as yy,
        {{ sum_of('metrics.numerator', 'sums.had_') }} as xx,
        {{ sum_of('metrics.numerator', 'sums.has_and_had_') }} as yx
    from sums
    cross join metrics
    where metrics.kind = 'proportion'
    union all
    -- a variant whose totals are all zero has no row of capped sums
    select
        sums.experiment_id,
        metrics.metric_id,
        sums.variant_id,
        sums.segment,
        sums.as_of,
        coalesce(capped.cap, 0) as cap,
        sums.users,
        coalesce(capped.y, 0) as y,
        coalesce(capped.x, 0) as x,
        coalesce(capped.yy, 0) as yy,
        coalesce(capped.xx, 0) as xx,
        coalesce(capped.yx, 0) as yx
    from sums
    cross join metrics
    left join capped
        on
            sums.experiment_id = capped.experiment_id
            and metrics.metric_id = capped.metric_id
            and sums.variant_id = capped.variant_id
            and sums.segment = capped.segment
            and sums.as_of = capped.as_of
    where metrics.cap is not null

),

final as (

    select * from ratios
    union all
    -- the denominator of every user is 1
    select
        experiment_id,
        metric_id,
        variant_id,
        segment,
        as_of,
        cap,
        users,
        y,
        users as d,
        x,
        users as z,
        yy,
        users as dd,
        xx,
        users as zz,
        y as yd,
        yx,
        y as yz,
        x as dx,
        users as dz,
        x as xz
    from per_user

)

select * from final
