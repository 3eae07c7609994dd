{#-
  What analytics_variant_user_daily was built from, written in the transaction that builds it:

  - built_day: each day, with the signature of the events it was built from, null once its facts are built again;
  - built_user: each user and variant, with the age and gender the rows carry;
  - built_dimensions: the signatures of the dimensions that built_user was made from, so that nobody has to compare users.

  Comparing them with what is there now gives the days and users to build again. Nothing else remembers.
-#}

{% macro build_state(name) %}
    {{- return(api.Relation.create(database=target.database, schema=target.schema, identifier=name)) -}}
{% endmacro %}


{#- Before a run: every table of models/state.yml that is not there yet, which dbt knows from its look at the schema; most
    runs do nothing here. It commits, since dbt takes back what a hook does in a transaction that a query has opened;
    without a query, there may be no connection. -#}
{% macro prepare_state() %}
    {%- if execute and flags.WHICH in ('run', 'build', 'snapshot') -%}
        {%- set sql %}
        {%- for table in graph.sources.values() if table.source_name == 'state' and not _build_state_exists(table.name) %}
            {%- set keys = table.config.meta %}
            create table if not exists {{ build_state(table.name) }} (
                {%- for column in table.columns.values() %}
                {{ column.name }} {{ column.data_type }}{{ ',' if not loop.last }}
                {%- endfor %}
            ) {{ table_attributes(keys.get('dist', 'all'), keys.get('sort')) }};
        {%- endfor %}
        {{ drop_retired() }}
        {%- endset -%}
        {%- if sql.strip() -%}
            {%- do run_query('select 1') -%}
            {{ commented(sql ~ '\ncommit') }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{% macro _build_state_exists(name) %}
    {{- return(adapter.get_relation(target.database, target.schema, name) is not none) -}}
{% endmacro %}


{#- A hook of fact_user_event. If the daily table is not built from the new facts, and the raw table goes back to what
    it was, the old signature would fit again; but rows of changed users may have been built from those facts. -#}
{% macro unsettle_days() %}
    {%- if _build_state_exists('built_day') -%}
        update {{ build_state('built_day') }} set signature = null
        where {% if is_incremental() %}{{ in_window('datestamp', 'date') }}{% else %}true{% endif %}
    {%- endif -%}
{% endmacro %}


{#- Whether any user's rows are stale, asked when the model is compiled. Where none are, its SQL does not name
    changed_user, and no statement looks for their rows: Redshift would read the whole history to find none. -#}
{% macro users_changed() %}
    {%- if not execute or not _build_state_exists('built_user') -%}{{ return(true) }}{%- endif -%}
    {{ return(run_query(_changed_users() ~ ' limit 1').rows | length > 0) }}
{% endmacro %}


{% macro rewrites_changed_users() %}
    {{ return('changed_user' in (model.compiled_code or '')) }}
{% endmacro %}


{#- As a hook before the model it also opens the transaction, so that the model, the deletes and record_build
    all see the same users. Who changes after the model was compiled without them waits for the next build. -#}
{% macro find_changed_users() %}
    {% if not is_incremental() %}
    delete from {{ build_state('built_day') }};
    delete from {{ build_state('built_user') }};
    delete from {{ build_state('built_dimensions') }};
    {% endif %}
    drop table if exists changed_user;
    create temporary table changed_user {{ table_attributes('user_id', 'user_id') }} as
    {{ _changed_users() }}
    {%- if is_incremental() and not rewrites_changed_users() %}
    limit 0
    {%- endif %}
{% endmacro %}


{% macro _changed_users() %}
    {%- set users -%}
        select user_id, variant_id, age, gender, num_of_assignments
    {%- endset -%}
    with
    now_there as ({{ users }} from {{ ref('dim_user') }} where has_metadata),
    built as ({{ users }} from {{ build_state('built_user') }}),
    changed as ({{ rows_that_differ('now_there', 'built') }})
    select distinct user_id from changed
{% endmacro %}


{% macro record_build() %}
    delete from {{ build_state('built_day') }}
    where {{ in_window('datestamp', 'date') }};
    insert into {{ build_state('built_day') }} (datestamp, num_of_events, signature, build_id, built_at)
    select
        datestamp,
        count(*),
        {{ event_signature('occurred_at') }},
        '{{ invocation_id }}',
        cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}' as timestamp)
    from {{ ref('fact_user_event') }}
    where {{ in_window('datestamp', 'date') }}
    group by datestamp;
    delete from {{ build_state('built_user') }}
    where user_id in (select user_id from changed_user);
    insert into {{ build_state('built_user') }} (user_id, variant_id, age, gender, num_of_assignments)
    select user_id, variant_id, age, gender, num_of_assignments
    from {{ ref('dim_user') }}
    where has_metadata and user_id in (select user_id from changed_user);
    delete from {{ build_state('built_dimensions') }};
    insert into {{ build_state('built_dimensions') }} (variant_signature, metadata_signature)
    select variants.signature, metadata.signature
    from {{ build_state('built_dim_user_variant') }} as variants
    cross join {{ build_state('built_dim_user_metadata') }} as metadata
{% endmacro %}


{#- Hooks of a dimension: the first opens the transaction, so that the model and the signature see the same rows.
    Each dimension has a table of its own, since dbt builds them at once and Redshift would see a conflict. -#}
{% macro open_build() %}
    delete from {{ build_state('built_' ~ this.identifier) }}
{% endmacro %}


{% macro record_dimension(raw_table) %}
    insert into {{ build_state('built_' ~ this.identifier) }} (num_of_rows, signature, built_at)
    select
        count(*),
        {{ dimension_signature(raw_table) }},
        cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}' as timestamp)
    from {{ source('raw_data', raw_table) }}
{% endmacro %}


{#- A hook of a snapshot: it is as old as the dimension whose versions it noted. -#}
{% macro record_snapshot(dimension) %}
    delete from {{ build_state('built_' ~ this.identifier) }};
    insert into {{ build_state('built_' ~ this.identifier) }} (num_of_rows, signature, built_at)
    select num_of_rows, signature, built_at from {{ build_state('built_' ~ dimension) }}
{% endmacro %}


{#- Of the columns in sources.yml, an optional one as null where the table does not have it. -#}
{% macro dimension_signature(raw_table) %}
    {%- set columns = [] -%}
    {%- for node in (graph.sources.values() if execute else []) if node.source_name == 'raw_data' and node.name == raw_table -%}
        {%- for column in node.columns.values() -%}
            {%- if column.config.meta.get('optional') -%}
                {%- do columns.append(optional_column(source('raw_data', raw_table), column.name, column.data_type)) -%}
            {%- else -%}
                {%- do columns.append(column.name) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(signature(columns)) }}
{% endmacro %}
