{#- The one place where DuckDB and Redshift differ. -#}

{#- A text that is equal for equal multisets of rows, whatever their order. Of a column's name only its place counts. -#}
{% macro signature(columns) %}
    {{- adapter.dispatch('signature', 'ab_pipeline')(columns) -}}
{% endmacro %}

{% macro default__signature(columns) -%}
    {#- hashed twice: DuckDB combines the columns' hashes by xor, and a plain sum of those is easy to hit again -#}
    coalesce(cast(sum(hash(hash({{ columns | join(', ') }}))) as varchar(64)), '')
{%- endmacro %}

{% macro redshift__signature(columns) -%}
    {#- quoted, so that a text is not taken for a null or for two columns -#}
    coalesce(cast(sum(cast(farmfingerprint64(
        {%- for column in columns -%}
            coalesce(quote_literal(cast({{ column }} as varchar)), '-'){{ " || " if not loop.last }}
        {%- endfor -%}
    ) as decimal(38, 0))) as varchar(64)), '')
{%- endmacro %}


{% macro event_signature(occurred_at) %}
    {{- signature(['user_id', occurred_at, 'item_id', 'clicked', 'purchased', 'paidamount']) -}}
{% endmacro %}
