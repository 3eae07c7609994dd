{{ config(
    materialized='table',
    dist='user_id',
    pre_hook='{{ find_stale_experiments() }}',
    post_hook='{{ record_experiments() }}',
) }}

with experiments as (

    select * from {{ ref('dim_experiment') }}

),

variants as (

    select * from {{ ref('dim_experiment_variant') }}

),

users as (

    select * from {{ ref('dim_user') }}

),

user_days as (

    select * from {{ ref('analytics_variant_user_daily') }}

),

assigned as (

    select
        variants.experiment_id,
        users.variant_id,
        users.user_id,
        users.age,
        users.gender,
        users.has_metadata,
        users.num_of_assignments,
        cast(users.assigned_at as date) as assigned_on,
        -- the daily table has whole days, so the day of the assignment counts whole
        greatest(cast(users.assigned_at as date), experiments.start_date) as first_day,
        experiments.end_date,
        experiments.last_day,
        experiments.pre_period_days
    from users
    inner join variants on users.variant_id = variants.variant_id
    inner join experiments on variants.experiment_id = experiments.experiment_id

),

in_several_variants as (

    select
        variants.experiment_id,
        users.user_id,
        count(*) as num_of_variants
    from users
    inner join variants on users.variant_id = variants.variant_id
    group by variants.experiment_id, users.user_id
    having count(*) > 1

),

{% if keeps_experiments() -%}
-- units whose totals only lack the days after the last one they were built for
kept as (

    select before.*
    from {{ this }} as before
    left join stale_experiment on before.experiment_id = stale_experiment.experiment_id
    where
        -- an experiment that has not begun has no state: its pre-period is read each time
        before.first_day <= before.last_day
        and (stale_experiment.from_day is null or stale_experiment.from_day > before.last_day)

),

units as (

    select
        assigned.*,
        {% for measure in measures() -%}
        kept.{{ measure }} as kept_{{ measure }},
        kept.pre_{{ measure }} as kept_pre_{{ measure }},
        {% endfor -%}
        kept.pre_days as kept_pre_days,
        coalesce(kept.last_day + 1, assigned.first_day - assigned.pre_period_days) as from_day
    from assigned
    left join kept
        on
            assigned.experiment_id = kept.experiment_id
            and assigned.user_id = kept.user_id
            and assigned.variant_id = kept.variant_id
            and assigned.first_day = kept.first_day
            and assigned.num_of_assignments = kept.num_of_assignments
            and assigned.has_metadata = kept.has_metadata

),
{%- else -%}
units as (

    select
        assigned.*,
        {% for measure in measures() -%}
        0 as kept_{{ measure }},
        0 as kept_pre_{{ measure }},
        {% endfor -%}
        0 as kept_pre_days,
        assigned.first_day - assigned.pre_period_days as from_day
    from assigned

),
{%- endif %}

unread as (

    select
        variant_id,
        user_id,
        first_day,
        from_day,
        last_day
    from units
    where from_day <= last_day

),

oldest as (

    select min(from_day) as datestamp from unread

),

totals as (

    select
        unread.variant_id,
        unread.user_id,
        {% for measure in measures() -%}
        sum(case when user_days.datestamp >= unread.first_day then user_days.{{ measure }} else 0 end) as {{ measure }},
        sum(
            case when user_days.datestamp < unread.first_day then user_days.{{ measure }} else 0 end
        ) as pre_{{ measure }},
        {% endfor -%}
        sum(case when user_days.datestamp < unread.first_day then 1 else 0 end) as pre_days
    from user_days
    inner join unread on user_days.user_id = unread.user_id and user_days.variant_id = unread.variant_id
    where
        user_days.datestamp >= unread.from_day
        and user_days.datestamp <= unread.last_day
        -- so that days that nobody asks for are not joined
        and user_days.datestamp >= (select oldest.datestamp from oldest)
    group by unread.variant_id, unread.user_id

),

final as (

    select
        units.experiment_id,
        units.variant_id,
        units.user_id,
        units.assigned_on,
        units.first_day,
        units.last_day,
        units.age,
        units.gender,
        case
            when coalesce(units.kept_pre_days, 0) + coalesce(totals.pre_days, 0) > 0 then 'returning'
            else 'new'
        end as activity,
        units.has_metadata,
        units.num_of_assignments,
        cast(coalesce(in_several_variants.num_of_variants, 1) as bigint) as num_of_variants,
        case
            when in_several_variants.user_id is not null then 'several_variants'
            when units.first_day > units.end_date then 'assigned_after_end'
            when not units.has_metadata then 'no_metadata'
        end as exclusion,
        {% for measure in measures() -%}
        cast(
            coalesce(units.kept_{{ measure }}, 0) + coalesce({{ once('totals.', measure, 'units.') }}, 0) as bigint
        ) as {{ measure }},
        cast(
            coalesce(units.kept_pre_{{ measure }}, 0)
            + coalesce({{ once('totals.pre_', measure, 'units.') }}, 0) as bigint
        ) as pre_{{ measure }},
        {% endfor -%}
        cast(coalesce(units.kept_pre_days, 0) + coalesce(totals.pre_days, 0) as bigint) as pre_days
    from units
    left join in_several_variants
        on units.experiment_id = in_several_variants.experiment_id and units.user_id = in_several_variants.user_id
    left join totals
        on units.variant_id = totals.variant_id and units.user_id = totals.user_id

)

select * from final
