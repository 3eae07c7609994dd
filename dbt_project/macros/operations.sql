{#- What Redshift's operators see and may be asked for; DuckDB has nobody to tell or to grant to. -#}

{#- Ahead of every statement: which run of Dagster, which invocation of dbt (the build_id of built_day), which node. -#}
{% macro query_comment(node) %}
    {%- set comment = {'app': 'ab_pipeline', 'run': env_var('DAGSTER_RUN_ID', ''), 'build': invocation_id} -%}
    {%- do comment.update({'node': node.unique_id} if node else {}) -%}
    {{ return(tojson(comment)) }}
{% endmacro %}


{#- A text with the comment before each of its statements but the first: dbt-redshift sends them one by one, and comments
    on the first only. -#}
{% macro commented(sql, node=none) %}
    {%- if target.type == 'redshift' -%}
        {%- set comment = '/* ' ~ query_comment(node) ~ ' */' -%}
        {#- a text that goes on in another line after its semicolon -#}
        {%- set sql = modules.re.sub('(?<=;)[ ]*\n\\s*(?=[^\\s;])', '\n' ~ comment.replace('\\', '\\\\') ~ '\n', sql) -%}
    {%- endif -%}
    {{ return(sql) }}
{% endmacro %}


{#- dbt's own, with the comment before every statement of a text. -#}
{% macro statement(name=none, fetch_result=false, auto_begin=true, language='sql') %}
    {%- if execute -%}
        {%- set sql = commented(caller(), model if model is defined else none) -%}
        {%- call dbt.statement(name, fetch_result, auto_begin, language) -%}
            {{- sql -}}
        {%- endcall -%}
    {%- endif -%}
{% endmacro %}


{#- `+grants` in dbt_project.yml lets readers select; without this they could not reach the schema. -#}
{% macro grant_usage() %}
    {%- set readers = env_var('AB_PIPELINE_REDSHIFT_READERS', '').split(',') | map('trim') | select | list -%}
    {%- if readers and target.type == 'redshift' -%}
        grant usage on schema {{ target.schema }} to {{ readers | join(', ') | replace('user:', '') | replace(':', ' ') }}
    {%- endif -%}
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
