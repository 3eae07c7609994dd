"""Questions that the data has to answer before an experiment's is asked: pure functions of counts."""

GATES = (
    "declared",
    "sample_ratio",
    "sample_ratio_by_segment",
    "sample_ratio_by_day",
    "receives_users",
    "several_variants",
    "reconciles",
    "missing_metadata",
    "pre_period_balance",
    "aa_false_win",
)
"""Their names, in the order in which a read-out has them."""
