"""A refresh that a person asks for by name: which days, and in which Dagster."""
