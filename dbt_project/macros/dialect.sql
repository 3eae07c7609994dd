{#- The one place where DuckDB and Redshift differ. -#}

{#- A text that is equal for equal multisets of events, whatever their order. -#}
{% macro event_signature(occurred_at) %}
    {{- adapter.dispatch('event_signature', 'ab_pipeline')(occurred_at) -}}
{% endmacro %}

{% macro default__event_signature(occurred_at) -%}
    cast(sum(hash(user_id, {{ occurred_at }}, item_id, clicked, purchased, paidamount)) as varchar(64))
{%- endmacro %}

{% macro redshift__event_signature(occurred_at) -%}
    cast(sum(cast(farmfingerprint64(
        {% for column in ['user_id', occurred_at, 'item_id', 'clicked', 'purchased', 'paidamount'] -%}
        coalesce(cast({{ column }} as varchar), '~'){{ " || '|' || " if not loop.last }}
        {%- endfor %}
    ) as decimal(38, 0))) as varchar(64))
{%- endmacro %}
