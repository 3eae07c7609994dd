"""Backups of what Dagster stores: made, listed, proved by restoring them, and restored."""
