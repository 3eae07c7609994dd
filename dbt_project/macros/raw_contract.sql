{#- Stops a run before its first statement if a raw table is not what models/src/sources.yml says. -#}
{% macro assert_raw_contract() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
        {%- set problems, missing = [], [] -%}
        {%- for table in graph.sources.values() if table.source_name == 'raw_data' -%}
            {%- set relation = adapter.get_relation(table.database, table.schema, table.identifier) -%}
            {%- if relation is none -%}
                {%- do missing.append(table.name) -%}
                {%- do problems.append(table.schema ~ "." ~ table.name ~ " does not exist") -%}
            {%- else -%}
                {%- do problems.extend(_column_problems(table, relation)) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if problems -%}
            {%- set where = target.get('path') or target.host ~ '/' ~ target.dbname -%}
            {%- set remedy = "\n`ab-pipeline load " ~ missing[0] ~ " FILE` loads one, `ab-pipeline sample` makes up all." if missing else "" -%}
            {%- do exceptions.raise_compiler_error("the raw tables in " ~ where ~ " are not as models/src/sources.yml says:\n- " ~ problems | join("\n- ") ~ remedy) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{% macro _column_problems(table, relation) %}
    {%- set problems = [] -%}
    {%- set found = {} -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- do found.update({column.name | lower: column}) -%}
    {%- endfor -%}
    {%- for expected in table.columns.values() -%}
        {%- set name = table.schema ~ "." ~ table.name ~ "." ~ expected.name -%}
        {%- set column = found.get(expected.name) -%}
        {%- if column is none -%}
            {%- if not expected.config.meta.get('optional') -%}
                {%- do problems.append(name ~ " is missing (" ~ expected.data_type ~ "); the table has " ~ found.keys() | join(', ')) -%}
            {%- endif -%}
        {%- elif not _is_of_type(column, expected.data_type) -%}
            {%- do problems.append(name ~ " is " ~ column.data_type | lower ~ ", expected " ~ expected.data_type ~ ": change the column, or put a view that casts it in its place") -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(problems) }}
{% endmacro %}


{% macro _is_of_type(column, type) %}
    {%- set found = column.data_type | lower -%}
    {%- if type == 'integer' -%}
        {{ return(found in ('integer', 'int', 'int4', 'smallint', 'int2', 'tinyint')) }}
    {%- elif type == 'timestamp' -%}
        {{ return(found in ('timestamp', 'timestamp without time zone')) }}
    {%- endif -%}
    {{ return(column.is_string()) }}
{% endmacro %}


{#- The column where the raw table has it, else a null of its type. -#}
{% macro optional_column(relation, name, type) %}
    {%- if execute -%}
        {%- for column in adapter.get_columns_in_relation(relation) if column.name | lower == name -%}
            {{ return(name) }}
        {%- endfor -%}
    {%- endif -%}
    {{ return("cast(null as " ~ type ~ ")") }}
{% endmacro %}
