{{ config(
    severity='warn',
    meta={
        'description': 'The days that ab-pipeline rollback took back to the build before. A refresh of a day ends it.',
        'dagster': {'ref': {'name': 'analytics_variant_user_daily'}},
    },
) }}

-- depends_on: {{ ref('analytics_variant_user_daily') }}
select
    datestamp,
    build_id,
    rolled_back_at
from {{ build_state('rolled_back_day') }}
