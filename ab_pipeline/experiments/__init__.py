"""The read-out: which variant won, and may we believe it. Pure functions: no Dagster, no SQL."""
