{#- The columns of a user-day that metrics are made of. Each user has a total of every one since the assignment and
    before it (`pre_`). -#}
{% macro measures() %}
    {{- return(['num_of_items', 'num_of_clicks', 'num_of_purchases', 'revenue']) -}}
{% endmacro %}
