{#-
  What a read-out needs of units, by one GROUP BY: here is what a segment, a sum and a cap are, and nowhere else.
  dbt renders it as of the newest day, ab_pipeline/readouts/statistics.py as of any other: no macro here may ask for
  anything of dbt's.
-#}

{% macro dimensions(only_all_users=false) -%}
    select 'all' as dimension
    {%- for name in ([] if only_all_users else ['age', 'gender', 'activity']) %}
    union all
    select '{{ name }}' as dimension
    {%- endfor %}
{%- endmacro %}


{% macro segment_of(row) -%}
    cast(
        case dimensions.dimension
            when 'age' then 'age:' || coalesce({{ row }}age, 'unknown')
            when 'gender' then 'gender:' || coalesce({{ row }}gender, 'unknown')
            when 'activity' then 'activity:' || {{ row }}activity
            else 'all'
        end as varchar(32)
    )
{%- endmacro %}


{#- A user's total, by the name of a metric's numerator or denominator. -#}
{% macro total_of(side, prefix, measures) -%}
    case {{ side }}
        {%- for measure in measures %}
        when '{{ measure }}' then {{ prefix }}{{ measure }}
        {%- endfor %}
    end
{%- endmacro %}


{#- A repeated assignment multiplies purchases and revenue in the daily table (not what counts distinct items): the
    user paid once. -#}
{% macro once(prefix, measure, unit) -%}
    {{ prefix }}{{ measure }}
    {%- if measure not in ('num_of_items', 'num_of_clicks') %} / {{ unit }}num_of_assignments{% endif %}
{%- endmacro %}


{#- `yx` is the sum of y times x: decimals, so that no order of adding changes a sum and none is too large; a
    product of two with 18 digits would have 18 on DuckDB. Third powers, which tell the skewness, have room in doubles. -#}
{% macro sums_of(products) -%}
    {%- for product in products %}
        {%- set type = 'double precision' if product | length == 3 else 'decimal(19, 0)' %}
        sum({% for factor in product %}cast({{ factor }} as {{ type }}){{ ' * ' if not loop.last }}{% endfor %}) as {{ product }}
        {{- ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{#- The units that count as of the day that they are built for. -#}
{% macro newest_units(units, measures) -%}
    select
        experiment_id,
        variant_id,
        age,
        gender,
        activity,
        {% for measure in measures -%}
        {{ measure }},
        pre_{{ measure }},
        {% endfor -%}
        last_day as as_of
    from {{ units }}
    where exclusion is null and first_day <= last_day
{%- endmacro %}


{#- The same as of any day, with their totals up to it. -#}
{% macro units_as_of(day, units, user_days, experiments, measures) -%}
    select
        units.experiment_id,
        units.variant_id,
        units.age,
        units.gender,
        units.activity,
        {% for measure in measures -%}
        cast(coalesce({{ once('totals.', measure, 'units.') }}, 0) as bigint) as {{ measure }},
        units.pre_{{ measure }},
        {% endfor -%}
        {{ day }} as as_of
    from {{ units }} as units
    left join (
        select
            {% for measure in measures -%}
            sum(user_days.{{ measure }}) as {{ measure }},
            {% endfor -%}
            units.variant_id,
            units.user_id
        from {{ user_days }} as user_days
        inner join {{ units }} as units on user_days.user_id = units.user_id and user_days.variant_id = units.variant_id
        where
            units.experiment_id in ({{ experiments }})
            and user_days.datestamp >= units.first_day
            and user_days.datestamp <= {{ day }}
        group by units.variant_id, units.user_id
    ) as totals on units.user_id = totals.user_id and units.variant_id = totals.variant_id
    where
        units.experiment_id in ({{ experiments }})
        and units.has_metadata
        and units.first_day <= {{ day }}
        and (units.several_from is null or units.several_from > {{ day }})
{%- endmacro %}


{#- Of every unit, y over d of each metric that the condition picks; x over z are those of the pre-period. -#}
{% macro totals_of_users(metrics, condition, measures) -%}
    select
        units.experiment_id,
        units.variant_id,
        units.age,
        units.gender,
        units.activity,
        units.as_of,
        metrics.metric_id,
        metrics.kind,
        metrics.cap as quantile,
        {{ total_of('metrics.numerator', 'units.', measures) }} as y,
        {{ total_of('metrics.denominator', 'units.', measures) }} as d,
        {{ total_of('metrics.numerator', 'units.pre_', measures) }} as x,
        {{ total_of('metrics.denominator', 'units.pre_', measures) }} as z
    from units
    cross join {{ metrics }} as metrics
    where {{ condition }}
{%- endmacro %}


{#-
  A row per experiment, metric, variant, segment and day, and one more with totals that are cut where the metric has a
  cap: the smallest total that a share `cap` of the experiment's non-zero totals does not exceed. Without any non-zero
  total there is none to cut at.
-#}
{% macro statistics_of(units, metrics, measures, only_all_users=false) -%}
{%- set cell = 'experiment_id, variant_id, age, gender, activity, as_of, metric_id' -%}
{%- set per_user = ['y', 'x', 'yy', 'xx', 'yx', 'yyy', 'yyx', 'yxx', 'xxx'] -%}
{%- set thirds = ['yyy', 'yyd', 'ydd', 'ddd', 'yyx', 'yxx', 'xxx'] -%}
{%- set moments = ['y', 'd', 'x', 'z', 'yy', 'dd', 'xx', 'zz', 'yd', 'yx', 'yz', 'dx', 'dz', 'xz'] + thirds -%}
with units as (

    {{ units }}

),

totals as (

    {{ totals_of_users(metrics, "metrics.kind <> 'ratio'", measures) }}

),

to_cut as (

    {{ totals_of_users(metrics, 'metrics.cap is not null', measures) }}

),

fractions as (

    {{ totals_of_users(metrics, "metrics.kind = 'ratio'", measures) }}

),

ranked as (

    select
        experiment_id,
        metric_id,
        y,
        quantile,
        row_number() over (partition by experiment_id, metric_id order by y asc) as place,
        count(*) over (partition by experiment_id, metric_id) as num_of_totals
    from to_cut
    where y <> 0

),

caps as (

    select
        experiment_id,
        metric_id,
        min(y) as cap
    from ranked
    where place >= quantile * num_of_totals
    group by experiment_id, metric_id

),

raw_and_cut as (

    select
        {{ cell }},
        false as is_capped,
        cast(null as bigint) as cap,
        case when kind = 'proportion' then cast(y > 0 as integer) else y end as y,
        case when kind = 'proportion' then cast(x > 0 as integer) else x end as x
    from totals
    union all
    select
        to_cut.{{ cell | replace(', ', ', to_cut.') }},
        true as is_capped,
        caps.cap,
        least(to_cut.y, caps.cap) as y,
        least(to_cut.x, caps.cap) as x
    from to_cut
    left join caps on to_cut.experiment_id = caps.experiment_id and to_cut.metric_id = caps.metric_id

),

per_user as (

    select
        {{ cell }},
        is_capped,
        cap,
        count(*) as users,
        {{- sums_of(per_user) }}
    from raw_and_cut
    group by {{ cell }}, is_capped, cap

),

cells as (

    select
        {{ cell }},
        false as is_capped,
        cast(null as bigint) as cap,
        count(*) as users,
        {{- sums_of(moments) }}
    from fractions
    group by {{ cell }}
    union all
    -- the denominator of every user is 1
    select
        {{ cell }},
        is_capped,
        cap,
        users,
        {% for moment in moments -%}
        {%- set factors = moment | replace('d', '') | replace('z', '') -%}
        {{ factors or 'users' }} as {{ moment }}{{ ',' if not loop.last }}
        {% endfor %}
    from per_user

),

dimensions as (

    {{ dimensions(only_all_users) }}

)

select
    cells.experiment_id,
    cells.metric_id,
    cells.variant_id,
    {{ segment_of('cells.') }} as segment,
    cells.as_of,
    cells.is_capped,
    cast(cells.cap as double precision) as cap,
    cast(sum(cells.users) as double precision) as users
    {%- for moment in moments %},
    cast(sum(cells.{{ moment }}) as double precision) as {{ moment }}
    {%- endfor %}
from cells
cross join dimensions
group by
    cells.experiment_id,
    cells.metric_id,
    cells.variant_id,
    {{ segment_of('cells.') }},
    cells.as_of,
    cells.is_capped,
    cells.cap
{%- endmacro %}
