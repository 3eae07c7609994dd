{{ config(
    materialized='incremental',
    incremental_strategy='replace_stale',
    on_schema_change='fail',
    pre_hook="{{ find_stale_experiments(ref('experiment_units')) }}",
    post_hook="{{ record_experiments(ref('experiment_units')) }}",
) }}

{%- set cell = ['experiment_id', 'variant_id', 'age', 'gender', 'activity'] %}

with experiments as (

    select * from {{ ref('dim_experiment') }}

),

-- those whose days are read, from the first that is not there: the number is what the window is partitioned by
variants as (

    select
        every_variant.variant_id,
        cast(row_number() over (order by every_variant.variant_id asc) as integer) as variant_no,
        {% if is_incremental() -%}
        greatest(stale_experiment.from_day, experiments.start_date) as from_day,
        {%- else -%}
        experiments.start_date as from_day,
        {%- endif %}
        experiments.last_day
    from {{ ref('dim_experiment_variant') }} as every_variant
    inner join experiments on every_variant.experiment_id = experiments.experiment_id
    {% if is_incremental() -%}
    inner join stale_experiment on every_variant.experiment_id = stale_experiment.experiment_id
    {%- endif %}

),

oldest as (

    select min(from_day) as datestamp from variants

),

units as (

    select
        every_unit.*,
        variants.variant_no,
        variants.from_day
    from {{ ref('experiment_units') }} as every_unit
    inner join variants on every_unit.variant_id = variants.variant_id
    where every_unit.exclusion is null and every_unit.first_day <= every_unit.last_day

),

user_days as (

    select
        every_day.*,
        variants.variant_no,
        variants.from_day < variants.last_day as has_later_days
    from {{ ref('analytics_variant_user_daily') }} as every_day
    inner join variants on every_day.variant_id = variants.variant_id
    where
        every_day.datestamp >= variants.from_day
        and every_day.datestamp <= variants.last_day
        -- so that days that nobody asks for are not joined
        and every_day.datestamp >= (select oldest.datestamp from oldest)

),

-- each day with what came from it to the last one: on the newest day alone that takes no window. What describes the
-- user is joined later, since a window sorts all that it is given.
remaining as (

    select
        user_id,
        variant_no,
        {% for measure in measures() -%}
        {{ measure }},
        {{ measure }} as remaining_{{ measure }},
        {% endfor -%}
        datestamp
    from user_days
    where not has_later_days
    union all
    select
        user_id,
        variant_no,
        {% for measure in measures() -%}
        {{ measure }},
        sum({{ measure }}) over (
            partition by user_id, variant_no order by datestamp desc
            rows between unbounded preceding and current row
        ) as remaining_{{ measure }},
        {% endfor -%}
        datestamp
    from user_days
    where has_later_days

),

-- from the total of all days back to that of the morning before each
steps as (

    select
        {% for name in cell -%}
        units.{{ name }},
        {% endfor -%}
        {% for measure in measures() -%}
        cast(
            units.{{ measure }} - coalesce({{ once('remaining.remaining_', measure, 'units.') }}, 0) as decimal(18, 0)
        ) as before_{{ measure }},
        cast(coalesce({{ once('remaining.', measure, 'units.') }}, 0) as decimal(18, 0)) as {{ measure }}_of_day,
        cast(units.pre_{{ measure }} as decimal(18, 0)) as pre_{{ measure }},
        {% endfor -%}
        remaining.datestamp
    from remaining
    inner join units on remaining.user_id = units.user_id and remaining.variant_no = units.variant_no
    where remaining.datestamp >= units.first_day

),

gains as (

    select
        {{ cell | join(', ') }},
        datestamp,
        {%- for measure in measures() %}
        {%- set of_day, before, pre = measure ~ '_of_day', 'before_' ~ measure, 'pre_' ~ measure %}
        {%- set had = 'case when ' ~ pre ~ ' > 0 then 1 else 0 end' %}
        {%- set gains_a_user = (
            'case when ' ~ before ~ ' + ' ~ of_day ~ ' > 0 then 1 else 0 end - case when ' ~ before ~ ' > 0 then 1 else 0 end'
        ) %}
        sum({{ of_day }}) as {{ measure }},
        sum({{ gains_a_user }}) as has_{{ measure }},
        sum(({{ gains_a_user }}) * {{ had }}) as has_and_had_{{ measure }},
        {%- endfor %}
        {%- for one, other in pairs_of_measures() %}
        {#- (b + d)(b' + d') - b b' #}
        sum(
            before_{{ one }} * {{ other }}_of_day + {{ one }}_of_day * (before_{{ other }} + {{ other }}_of_day)
        ) as {{ one }}_x_{{ other }},
        {%- endfor %}
        {%- for one in measures() %}
        {%- for other in measures() %}
        sum({{ one }}_of_day * pre_{{ other }}) as {{ one }}_x_pre_{{ other }},
        {%- endfor %}
        {%- endfor %}
        count(*) as active_users
    from steps
    group by {{ cell | join(', ') }}, datestamp

),

entering as (

    select
        {{ cell | join(', ') }},
        {% for measure in measures() -%}
        cast(pre_{{ measure }} as decimal(18, 0)) as pre_{{ measure }},
        {% endfor -%}
        first_day as datestamp
    from units
    where first_day >= from_day

),

entries as (

    select
        {{ cell | join(', ') }},
        datestamp,
        {%- for measure in measures() %}
        sum(pre_{{ measure }}) as pre_{{ measure }},
        sum(case when pre_{{ measure }} > 0 then 1 else 0 end) as had_{{ measure }},
        {%- endfor %}
        {%- for one, other in pairs_of_measures() %}
        sum(pre_{{ one }} * pre_{{ other }}) as pre_{{ one }}_x_pre_{{ other }},
        {%- endfor %}
        count(*) as users
    from entering
    group by {{ cell | join(', ') }}, datestamp

),

entries_and_gains as (

    select
        {{ cell | join(', ') }},
        {% for name in sums_of_entries() -%}
        {{ name }},
        {% endfor -%}
        {% for name in ['active_users'] + sums_of_days() -%}
        0 as {{ name }},
        {% endfor -%}
        datestamp
    from entries
    union all
    select
        {{ cell | join(', ') }},
        {% for name in sums_of_entries() -%}
        0 as {{ name }},
        {% endfor -%}
        {% for name in ['active_users'] + sums_of_days() -%}
        {{ name }},
        {% endfor -%}
        datestamp
    from gains

),

final as (

    select
        {{ cell | join(', ') }},
        datestamp,
        cast(sum(users) as bigint) as users,
        cast(sum(active_users) as bigint) as active_users,
        {% for name in sums_of_entries()[1:] + sums_of_days() -%}
        cast(sum({{ name }}) as decimal(38, 0)) as {{ name }},
        {% endfor -%}
        cast('{{ invocation_id }}' as varchar(36)) as build_id
    from entries_and_gains
    group by {{ cell | join(', ') }}, datestamp

)

select * from final
