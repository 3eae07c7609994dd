{#-
  The measures of a user-day, and the sums that are kept of them. Each user has a total of every measure since the
  assignment and before it (`pre_`). All metrics are made of these few sums, so that one pass serves any number.
-#}

{% macro measures() %}
    {{- return(['num_of_items', 'num_of_clicks', 'num_of_purchases', 'revenue']) -}}
{% endmacro %}


{#- Every unordered pair, squares included, of totals since the assignment. -#}
{% macro pairs_of_measures() %}
    {%- set pairs = [] -%}
    {%- for one in measures() -%}
        {%- for other in measures()[loop.index0:] -%}{%- do pairs.append((one, other)) -%}{%- endfor -%}
    {%- endfor -%}
    {{ return(pairs) }}
{% endmacro %}


{#- The sums that a user adds to on entering, and those on each day with a row. experiment_daily_sums has both. -#}
{% macro sums_of_entries() %}
    {%- set names = ['users'] -%}
    {%- for measure in measures() -%}{%- do names.extend(['pre_' ~ measure, 'had_' ~ measure]) -%}{%- endfor -%}
    {%- for one, other in pairs_of_measures() -%}{%- do names.append('pre_' ~ one ~ '_x_pre_' ~ other) -%}{%- endfor -%}
    {{ return(names) }}
{% endmacro %}


{% macro sums_of_days() %}
    {%- set names = [] -%}
    {%- for one in measures() -%}
        {%- do names.extend([one, 'has_' ~ one, 'has_and_had_' ~ one]) -%}
        {%- for other in measures() -%}{%- do names.append(one ~ '_x_pre_' ~ other) -%}{%- endfor -%}
    {%- endfor -%}
    {%- for one, other in pairs_of_measures() -%}{%- do names.append(one ~ '_x_' ~ other) -%}{%- endfor -%}
    {{ return(names) }}
{% endmacro %}


{#- The sum of the product of two totals, by the name of the metric's numerator or denominator. -#}
{% macro product_of(one_side, one_prefix, other_side, other_prefix) -%}
    case
        {%- for one in measures() %}
        {%- for other in measures() %}
        when {{ one_side }} = '{{ one }}' and {{ other_side }} = '{{ other }}' then {{ _product(one_prefix, one, other_prefix, other) }}
        {%- endfor %}
        {%- endfor %}
    end
{%- endmacro %}


{% macro _product(one_prefix, one, other_prefix, other) %}
    {%- if one_prefix == other_prefix and measures().index(one) > measures().index(other) -%}
        {{ return(other_prefix ~ other ~ '_x_' ~ one_prefix ~ one) }}
    {%- endif -%}
    {{ return(one_prefix ~ one ~ '_x_' ~ other_prefix ~ other) }}
{% endmacro %}


{#- One of the sums, by the name of the metric's numerator or denominator. -#}
{% macro sum_of(side, prefix) -%}
    case {{ side }}
        {%- for measure in measures() %}
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
