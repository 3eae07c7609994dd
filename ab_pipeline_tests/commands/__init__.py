"""Tests of ab_pipeline.commands."""
