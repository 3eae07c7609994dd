{{ config(materialized='table', post_hook=['{{ record_metrics() }}', "{{ record_units('experiment_statistics') }}"]) }}
{%- set units %}
    select
        experiment_id,
        variant_id,
        age,
        gender,
        activity,
        {% for measure in measures() -%}
        {{ measure }},
        pre_{{ measure }},
        {% endfor -%}
        last_day as as_of
    from {{ ref('experiment_units') }}
    where exclusion is null and first_day <= last_day
{%- endset %}

{{ statistics_of(units, ref('metrics'), measures()) }}
