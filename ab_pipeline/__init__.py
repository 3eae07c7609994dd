"""Trusted A/B-test tables on Dagster and dbt."""
