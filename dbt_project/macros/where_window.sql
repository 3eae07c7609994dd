{#- `where: __window__` on a data test: only the window that this run replaces, everything if it has none. -#}
{% macro default__get_where_subquery(relation) %}
    {%- set where = config.get('where', '') -%}
    {%- if where == '__window__' -%}
        {%- set where = in_window('datestamp', 'timestamp' if relation.schema != target.schema else 'date') -%}
    {%- endif -%}
    {%- if not where or where == 'true' -%}
        {{ return(relation) }}
    {%- endif -%}
    {{ return("(select * from " ~ relation ~ " where " ~ where ~ ") dbt_subquery") }}
{% endmacro %}
