{#- What Redshift's operators see and may be asked for; DuckDB has nobody to tell or to grant to. -#}

{#- Ahead of every statement: which run of Dagster, which invocation of dbt (the build_id of built_day), which node. -#}
{% macro query_comment(node) %}
    {%- set comment = {'app': 'ab_pipeline', 'run': env_var('DAGSTER_RUN_ID', ''), 'build': invocation_id} -%}
    {%- do comment.update({'node': node.unique_id} if node else {}) -%}
    {{ return(tojson(comment)) }}
{% endmacro %}


{#- `+grants` in dbt_project.yml lets readers select; without this they could not reach the schema. -#}
{% macro grant_usage() %}
    {%- for reader in env_var('AB_PIPELINE_REDSHIFT_READERS', '').split(',') if reader | trim and target.type == 'redshift' -%}
        grant usage on schema {{ target.schema }} to {{ reader.replace('user:', '').replace(':', ' ') | trim }};
    {%- endfor -%}
{% endmacro %}


{#- How Redshift spreads and sorts a table that no model builds: with the rows that it is joined to, or on every node. -#}
{% macro table_attributes(dist, sort=none) %}
    {{- return(adapter.dispatch('table_attributes', 'ab_pipeline')(dist, sort)) -}}
{% endmacro %}

{% macro default__table_attributes(dist_, sort_) -%}
{%- endmacro %}

{% macro redshift__table_attributes(dist_, sort_) -%}
    {{ dist(dist_) }} {{ sort('compound', sort_) }}
{%- endmacro %}
