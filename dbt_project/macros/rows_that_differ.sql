{#- The rows that are in one of two CTEs only; nulls are equal. -#}
{% macro rows_that_differ(one, other) -%}
    (select * from {{ one }} except select * from {{ other }})
    union all
    (select * from {{ other }} except select * from {{ one }})
{%- endmacro %}
