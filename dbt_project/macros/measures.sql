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


{#- The names of all sums: what experiment_daily_sums has beside its keys. -#}
{% macro sums_of_measures() %}
    {%- set names = ['users'] -%}
    {%- for measure in measures() -%}
        {%- do names.extend([measure, 'pre_' ~ measure, 'has_' ~ measure, 'had_' ~ measure, 'has_and_had_' ~ measure]) -%}
    {%- endfor -%}
    {%- for one, other in pairs_of_measures() -%}
        {%- do names.extend([one ~ '_x_' ~ other, 'pre_' ~ one ~ '_x_pre_' ~ other]) -%}
    {%- endfor -%}
    {%- for one in measures() -%}
        {%- for other in measures() -%}{%- do names.append(one ~ '_x_pre_' ~ other) -%}{%- endfor -%}
    {%- endfor -%}
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
