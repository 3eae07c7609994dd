"""What the pipeline builds, as Dagster assets."""
