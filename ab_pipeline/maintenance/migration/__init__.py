"""Dagster's storage moves from SQLite to PostgreSQL, whole."""
