"""Dagster's commands and a running `dagster dev`, each in processes of their own."""
