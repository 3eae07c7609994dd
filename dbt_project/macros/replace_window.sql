{#-
  Incremental strategy: what the window covers is replaced, whole. A day that was emptied upstream ends empty,
  and the same window twice gives the same rows. dbt runs all of it in one transaction.
  `meta.also_replaces` names further rows that the model builds again; `meta.keeps_changes` has the rows that differ
  logged, and leaves days outside the window alone that are rolled back.
-#}
{% macro get_incremental_replace_window_sql(arg_dict) %}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    {%- set meta = config.get('meta', {}) -%}
    {%- set also_replaces = meta.get('also_replaces') if rewrites_changed_users() else none -%}
    {%- if meta.get('keeps_changes') -%}
        {%- set also_replaces = also_replaces ~ ' and ' ~ not_rolled_back() if also_replaces else none -%}
        {%- set names = arg_dict['dest_columns'] | map(attribute='quoted') | list -%}
        {{ log_changes(target, arg_dict['temp_relation'], names, also_replaces) }}
    {%- endif %}
    delete from {{ target }}
    where {{ in_window('datestamp', 'date') }};
    {% if also_replaces %}
    delete from {{ target }}
    where {{ outside_window('datestamp', 'date') }} and {{ also_replaces }};
    {% endif %}
    insert into {{ target }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}
