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
        " KDD 2018). Relative intervals are Fieller's (JRSS B 1954): they leave out zero just when the test finds"
        " something.",
    ),
    (
        "Few events",
        "Proportions and counts while the smaller variant expects few: the conditional test by mid-P, and intervals"
        " that are melded to it (Fay, Proschan and Brittain, Biometrics 2015). No peeking until there are more.",
    ),
    (
        "Skewness",
        "Means and ratios are not decided while a few users weigh too much: the smaller variant takes 355"
        " users times the squared skewness of the difference (Kohavi and others, KDD 2014; Zhou and Dinh,"
        " Biostatistics 2005).",
    ),
    (
        "Guardrails",
        "A guardrail holds when mean of the treatment - (1 ± margin) x mean of the control is shown to be on the good"
        " side of zero, and when neither variant has any.",
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
        "Whether the effect differs between segments: Cochran's Q (Biometrics 1954), of relative effects"
        " where there are any.",
    ),
    (
        "Sample ratio",
        "Day by day a test that holds at every look (Lindon and Malek, arXiv 2011.03567); it fails below p = 0.01,"
        " and so does the one by segment with Holm. Of a single look Pearson's chi-square, exact where few are"
        " expected, and of each day by itself an exact one with Holm; they fail below 0.001.",
    ),
)
