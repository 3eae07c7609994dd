"""Commands of `ab-pipeline` that are more than a few lines; `ab_pipeline/cli.py` lists them all."""
