{{ config(
    materialized='incremental',
    incremental_strategy='replace_stale',
    on_schema_change='fail',
    pre_hook="{{ find_stale_experiments(ref('experiment_units'), caps=ref('metrics'), sums=ref('experiment_daily_sums')) }}",
    post_hook="{{ record_experiments(ref('experiment_units'), caps=ref('metrics')) }}",
) }}

with metrics as (

    select
        metric_id,
        numerator,
        cap as quantile,
        cast(row_number() over (order by metric_id asc) as integer) as metric_no
    from {{ ref('metrics') }}
    where cap is not null

),

variants as (

    select
        variant_id,
        cast(row_number() over (order by variant_id asc) as integer) as variant_no
    from {{ ref('dim_experiment_variant') }}

),

days as (

    select distinct
        sums.experiment_id,
        sums.datestamp
    from {{ ref('experiment_daily_sums') }} as sums
    {% if is_incremental() -%}
    inner join stale_experiment on sums.experiment_id = stale_experiment.experiment_id
    where sums.datestamp >= stale_experiment.from_day
    {%- endif %}

),

first_days as (

    select
        experiment_id,
        min(datestamp) as from_day
    from days
    group by experiment_id

),

units as (

    select
        units.*,
        first_days.from_day,
        variants.variant_no,
        metrics.metric_no,
        metrics.metric_id,
        metrics.quantile,
        metrics.numerator,
        {{ sum_of('metrics.numerator', 'units.') }} as total,
        {{ sum_of('metrics.numerator', 'units.pre_') }} as pre_total
    from {{ ref('experiment_units') }} as units
    inner join first_days on units.experiment_id = first_days.experiment_id
    inner join variants on units.variant_id = variants.variant_id
    cross join metrics
    where units.exclusion is null and units.first_day <= units.last_day

),

user_days as (

    select * from {{ ref('analytics_variant_user_daily') }}

),

totals_of_days as (

    select
        units.user_id,
        units.variant_no,
        units.metric_no,
        user_days.datestamp,
        cast(
            case units.numerator
                {% for measure in measures() -%}
                when '{{ measure }}' then {{ once('user_days.', measure, 'units.') }}
                {% endfor %}
            end as bigint
        ) as total_of_day
    from user_days
    inner join units on user_days.user_id = units.user_id and user_days.variant_id = units.variant_id
    where
        user_days.datestamp >= units.first_day
        and user_days.datestamp >= units.from_day
        and user_days.datestamp <= units.last_day
        and user_days.datestamp >= (select min(first_days.from_day) from first_days)

),

-- all others have a total of zero on every day: there are many, and they need no window
not_always_zero as (

    select
        user_id,
        variant_no,
        metric_no
    from units
    where total <> 0 or pre_total <> 0
    union distinct
    select
        user_id,
        variant_no,
        metric_no
    from totals_of_days
    where total_of_day <> 0

),

counted_days as (

    select
        units.user_id,
        units.variant_no,
        units.metric_no,
        days.datestamp
    from units
    inner join not_always_zero
        on
            units.user_id = not_always_zero.user_id
            and units.variant_no = not_always_zero.variant_no
            and units.metric_no = not_always_zero.metric_no
    inner join days on units.experiment_id = days.experiment_id and units.first_day <= days.datestamp

),

-- what comes after each day. What describes the user is joined later, since a window sorts all that it is given.
remaining as (

    select
        counted_days.user_id,
        counted_days.variant_no,
        counted_days.metric_no,
        counted_days.datestamp,
        coalesce(sum(totals_of_days.total_of_day) over (
            partition by counted_days.user_id, counted_days.variant_no, counted_days.metric_no
            order by counted_days.datestamp desc
            rows between unbounded preceding and 1 preceding
        ), 0) as remaining_total
    from counted_days
    left join totals_of_days
        on
            counted_days.user_id = totals_of_days.user_id
            and counted_days.variant_no = totals_of_days.variant_no
            and counted_days.metric_no = totals_of_days.metric_no
            and counted_days.datestamp = totals_of_days.datestamp

),

totals as (

    select
        units.experiment_id,
        units.metric_id,
        units.variant_id,
        units.age,
        units.gender,
        units.activity,
        units.quantile,
        units.pre_total,
        remaining.datestamp,
        units.total - remaining.remaining_total as total
    from remaining
    inner join units
        on
            remaining.user_id = units.user_id
            and remaining.variant_no = units.variant_no
            and remaining.metric_no = units.metric_no

),

ranked as (

    select
        experiment_id,
        metric_id,
        datestamp,
        total,
        quantile,
        row_number() over (partition by experiment_id, metric_id, datestamp order by total asc) as place,
        count(*) over (partition by experiment_id, metric_id, datestamp) as num_of_totals
    from totals
    where total <> 0

),

caps as (

    select
        experiment_id,
        metric_id,
        datestamp,
        min(total) as cap
    from ranked
    where place >= quantile * num_of_totals
    group by experiment_id, metric_id, datestamp

),

capped as (

    select
        totals.experiment_id,
        totals.metric_id,
        totals.variant_id,
        totals.age,
        totals.gender,
        totals.activity,
        totals.datestamp,
        caps.cap,
        cast(least(totals.total, caps.cap) as decimal(19, 0)) as total,
        cast(least(totals.pre_total, caps.cap) as decimal(19, 0)) as pre_total
    from totals
    left join caps
        on
            totals.experiment_id = caps.experiment_id
            and totals.metric_id = caps.metric_id
            and totals.datestamp = caps.datestamp
    -- so that a day does not show what came after it
    where totals.total <> 0 or totals.pre_total <> 0

),

final as (

    select
        experiment_id,
        metric_id,
        variant_id,
        age,
        gender,
        activity,
        datestamp,
        cast(max(cap) as bigint) as cap,
        cast(sum(total) as decimal(38, 0)) as total,
        cast(sum(pre_total) as decimal(38, 0)) as pre_total,
        cast(sum(total * total) as decimal(38, 0)) as total_x_total,
        cast(sum(pre_total * pre_total) as decimal(38, 0)) as pre_total_x_pre_total,
        cast(sum(total * pre_total) as decimal(38, 0)) as total_x_pre_total,
        cast('{{ invocation_id }}' as varchar(36)) as build_id
    from capped
    group by experiment_id, metric_id, variant_id, age, gender, activity, datestamp

)

select * from final
