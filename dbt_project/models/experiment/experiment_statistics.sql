{{ config(materialized='table', post_hook=['{{ record_metrics() }}', "{{ record_units('experiment_statistics') }}"]) }}

{{ statistics_of(newest_units(ref('experiment_units'), measures()), ref('metrics'), measures()) }}
