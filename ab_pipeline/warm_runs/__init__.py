"""Runs that start from a warm process: a launcher for Dagster, and the template that it forks them from."""
