{#-
  Incremental strategy: what the window covers is replaced, whole. A day that was emptied upstream ends empty,
  and the same window twice gives the same rows. dbt runs all of it in one transaction.
  `meta.also_replaces` names further rows that the model builds again.
-#}
{% macro get_incremental_replace_window_sql(arg_dict) %}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    {%- set also_replaces = config.get('meta', {}).get('also_replaces') -%}
    delete from {{ target }}
    where {{ in_window('datestamp', 'date') }};
    {% if also_replaces %}
    delete from {{ target }}
    where {{ also_replaces }};
    {% endif %}
    insert into {{ target }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}
