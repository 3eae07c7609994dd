"""What people read for the names in JSON and tables, wherever it is shown. Verdicts are words as they are."""

from __future__ import annotations

from ab_pipeline.experiments.result import Method, Status

GATES = {
    "declared": "Declared beforehand",
    "whole_weeks": "Whole weeks",
    "sample_ratio": "Sample ratio",
    "sample_ratio_by_segment": "Sample ratio by segment",
    "sample_ratio_by_day": "Sample ratio by day",
    "receives_users": "Receives users",
    "several_variants": "Users in several variants",
    "reconciles": "Reconciles with raw data",
    "missing_metadata": "Users missing metadata",
    "pre_period_balance": "Pre-period balance",
    "aa_false_win": "A/A false win",
}
"""In the order in which a read-out has them."""
STATUSES = {
    Status.FAIL: "fails",
    Status.WARN: "warns",
    Status.PASS: "passes",
    Status.SKIPPED: "not checked",
}
"""The worst first."""
METHODS = {
    Method.WELCH: "raw",
    Method.DELTA: "raw",
    Method.WINSORIZED: "capped",
    Method.CUPED: "adjusted",
    Method.ALWAYS_VALID: "always valid",
    Method.INTERACTION: "interaction",
}
