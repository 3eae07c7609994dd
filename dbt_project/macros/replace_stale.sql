{#-
  Incremental strategy of experiment models: of each stale experiment the rows from a day on are replaced, whatever the
  window of the build. dbt runs all of it in one transaction.
-#}
{% macro get_incremental_replace_stale_sql(arg_dict) %}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    delete from {{ target }}
    using stale_experiment
    where
        {{ target.identifier }}.experiment_id = stale_experiment.experiment_id
        and {{ target.identifier }}.datestamp >= stale_experiment.from_day;
    insert into {{ target }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}
