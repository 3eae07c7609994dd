"""Keeping Dagster small: what grows is measured, archived, and removed, without changing what Dagster believes."""
