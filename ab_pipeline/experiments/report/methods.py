"""How the numbers were computed, for the page's last section."""

from __future__ import annotations

NOTES = (
    (
        "Users",
        "Every number is over assigned users, those without events included as zeros. Users in several variants are"
        " left out.",
    ),
    (
        "Raw",
        "Means and shares: Welch's t-test (Biometrika 1947). Ratios of sums: the delta method (Deng, Knoblich and Lu,"
        " KDD 2018). Relative intervals are those of the log ratio.",
    ),
    (
        "Capped",
        "Totals above a quantile of the non-zero totals, pooled over the variants, count as that quantile.",
    ),
    (
        "Adjusted",
        "CUPED (Deng, Xu, Kohavi and Walker, WSDM 2013): what each user did before the experiment explains part of what"
        " they did in it. The means are those of alike users; raw means stand beside them.",
    ),
    (
        "Always valid",
        "An asymptotic confidence sequence (Waudby-Smith and others, arXiv 2103.06476), tuned to the smallest effect"
        " that matters. It may be looked at every day; until the planned end only it decides.",
    ),
    (
        "Several tests",
        "p-values of the primary metrics and all treatments together are adjusted by Holm, all others by Benjamini and"
        " Hochberg. Intervals are 95 % each, not adjusted.",
    ),
    (
        "Segments",
        "Whether the effect differs between segments: Cochran's Q (Biometrics 1954).",
    ),
    (
        "Sample ratio",
        "Pearson's chi-square of all variants; it fails below p = 0.001. By segment and by day with Holm.",
    ),
)
