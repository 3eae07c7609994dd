"""Timings of the pipeline, as ratios within one run: `python -m benchmarks`."""
