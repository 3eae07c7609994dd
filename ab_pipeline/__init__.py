"""Trusted A/B-test tables on Dagster and dbt."""

import gc

# Dagster and dbt load 400,000 objects that stay. From Python's default of 700 new ones on, the collector walks through
# all of them a dozen times meanwhile: a tenth of what a small refresh takes (`python -m benchmarks b3`).
gc.set_threshold(50_000)
