{{ config(materialized='table', dist='user_id', post_hook='{{ record_experiments() }}') }}
{%- set keeps = keeps_experiments() %}

with user_days as (

    select * from {{ ref('analytics_variant_user_daily') }}

),

exposures as (

    select * from {{ ref('experiment_exposures') }}

),

-- with what is there of units whose totals only lack the days after the last one they were built for
units as (

    select
        exposures.*,
        {% for measure in measures() -%}
        {{ 'kept.' ~ measure if keeps else 0 }} as kept_{{ measure }},
        {{ 'kept.pre_' ~ measure if keeps else 0 }} as kept_pre_{{ measure }},
        {% endfor -%}
        {{ 'kept.pre_days' if keeps else 0 }} as kept_pre_days,
        {{ 'coalesce(kept.last_day + 1, ' if keeps }}exposures.first_day - exposures.pre_period_days{{ ')' if keeps }}
            as from_day
    from exposures
    {% if keeps -%}
    left join {{ ref('experiment_changes') }} as changes on exposures.experiment_id = changes.experiment_id
    left join {{ this }} as kept
        on
            exposures.experiment_id = kept.experiment_id
            and exposures.user_id = kept.user_id
            and exposures.variant_id = kept.variant_id
            and exposures.first_day = kept.first_day
            and exposures.num_of_assignments = kept.num_of_assignments
            and exposures.has_metadata = kept.has_metadata
            -- an experiment that has not begun has no state: its pre-period is read each time
            and kept.first_day <= kept.last_day
            and (changes.from_day is null or changes.from_day > kept.last_day)
    {%- else -%}
    -- depends_on: {{ ref('experiment_changes') }}
    {%- endif %}

),

oldest as (

    select min(from_day) as from_day from units
    where from_day <= last_day

),

totals as (

    select
        units.variant_id,
        units.user_id,
        {% for measure in measures() -%}
        sum(case when user_days.datestamp >= units.first_day then user_days.{{ measure }} else 0 end) as {{ measure }},
        sum(case when user_days.datestamp < units.first_day then user_days.{{ measure }} else 0 end)
            as pre_{{ measure }},
        {% endfor -%}
        sum(case when user_days.datestamp < units.first_day then 1 else 0 end) as pre_days
    from user_days
    inner join units on user_days.user_id = units.user_id and user_days.variant_id = units.variant_id
    where
        user_days.datestamp >= units.from_day
        and user_days.datestamp <= units.last_day
        -- so that days that nobody asks for are not joined
        and user_days.datestamp >= (select oldest.from_day from oldest)
    group by units.variant_id, units.user_id

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
        units.several_from,
        units.is_first_variant,
        case
            when units.several_from <= units.last_day then 'several_variants'
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
    left join totals on units.variant_id = totals.variant_id and units.user_id = totals.user_id

)

select * from final
