"""Faults that are known, each with the test that finds it."""
