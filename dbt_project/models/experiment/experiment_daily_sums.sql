{{ config(
    materialized='incremental',
    incremental_strategy='replace_stale',
    on_schema_change='fail',
    pre_hook="{{ find_stale_experiments(ref('experiment_units')) }}",
    post_hook="{{ record_experiments(ref('experiment_units')) }}",
) }}

{%- set cell = ['experiment_id', 'variant_id', 'age', 'gender', 'activity'] %}

with units as (

    select
        every_unit.*,
        {% if is_incremental() -%}
        stale_experiment.from_day
        {%- else -%}
        every_unit.first_day as from_day
        {%- endif %}
    from {{ ref('experiment_units') }} as every_unit
    {% if is_incremental() -%}
    inner join stale_experiment on every_unit.experiment_id = stale_experiment.experiment_id
    {%- endif %}
    where every_unit.exclusion is null and every_unit.first_day <= every_unit.last_day

),

oldest as (

    select min(greatest(from_day, first_day)) as datestamp from units

),

user_days as (

    select * from {{ ref('analytics_variant_user_daily') }}

),

unit_days as (

    select
        units.*,
        {% for measure in measures() -%}
        cast(coalesce({{ once('user_days.', measure, 'units.') }}, 0) as bigint) as {{ measure }}_of_day,
        {% endfor -%}
        user_days.datestamp
    from user_days
    inner join units on user_days.user_id = units.user_id and user_days.variant_id = units.variant_id
    where
        user_days.datestamp >= units.first_day
        and user_days.datestamp >= units.from_day
        and user_days.datestamp <= units.last_day
        and user_days.datestamp >= (select oldest.datestamp from oldest)

),

-- from the total of all days back to that of the morning before each: on the newest day alone that takes no window
steps as (

    select
        {{ cell | join(', ') }},
        {% for measure in measures() -%}
        cast({{ measure }} - {{ measure }}_of_day as decimal(18, 0)) as before_{{ measure }},
        cast({{ measure }}_of_day as decimal(18, 0)) as {{ measure }}_of_day,
        cast(pre_{{ measure }} as decimal(18, 0)) as pre_{{ measure }},
        {% endfor -%}
        datestamp
    from unit_days
    where from_day >= last_day
    union all
    select
        {{ cell | join(', ') }},
        {% for measure in measures() -%}
        cast(
            {{ measure }} - sum({{ measure }}_of_day) over (
                partition by user_id, experiment_id order by datestamp desc
                rows between unbounded preceding and current row
            ) as decimal(18, 0)
        ) as before_{{ measure }},
        cast({{ measure }}_of_day as decimal(18, 0)) as {{ measure }}_of_day,
        cast(pre_{{ measure }} as decimal(18, 0)) as pre_{{ measure }},
        {% endfor -%}
        datestamp
    from unit_days
    where from_day < last_day

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
