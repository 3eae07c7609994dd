"""The demo's five experiments and the truth about each, which real experiments never tell.

`dbt_project/seeds/` declares the same experiments to the pipeline, without the truth.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

Metric = Literal["impressions", "clicks", "purchases", "revenue"]


@dataclass(frozen=True)
class Variant:
    """One arm. Lifts are relative to the control: 0.2 is 20 % more, while the experiment runs."""

    variant_id: str
    expected_weight: float
    is_control: bool = False
    click_rate_lift: float = 0.0
    purchase_rate_lift: float = 0.0
    amount_lift: float = 0.0
    recorded_share: float = 1.0
    """Share of the arm's assignments that reach `user_variant`; below 1 breaks the sample ratio."""

    @property
    def true_lifts(self) -> dict[Metric, float]:
        """The true relative lift of each metric's mean per assigned user.

        The rates multiply along the funnel: purchases per click, clicks per impression.
        """
        clicks = 1 + self.click_rate_lift
        purchases = clicks * (1 + self.purchase_rate_lift)
        revenue = purchases * (1 + self.amount_lift)
        return {"impressions": 0.0, "clicks": clicks - 1, "purchases": purchases - 1, "revenue": revenue - 1}


@dataclass(frozen=True)
class Experiment:
    """One experiment, on from `start_date` to `end_date`, both included."""

    experiment_id: str
    name: str
    hypothesis: str
    owner: str
    start_date: dt.date
    end_date: dt.date
    pre_period_days: int
    allocation: float
    """Share of all users that take part."""
    variants: tuple[Variant, ...]


LAST_DAY = dt.date(2025, 3, 1)
"""The sample's newest day unless told otherwise: with 60 days it begins at the default start date."""

CLEAR_WINNER = Experiment(
    "checkout",
    "One-page checkout",
    "Fewer steps let more of those who click complete a purchase",
    "checkout@example.com",
    start_date=dt.date(2025, 1, 20),
    end_date=dt.date(2025, 2, 23),
    pre_period_days=14,
    allocation=0.8,
    variants=(
        Variant("checkout_control", 0.5, is_control=True),
        Variant("checkout_one_page", 0.5, purchase_rate_lift=0.25),
    ),
)
CLEAR_NO = Experiment(
    "autoplay",
    "Autoplay product videos",
    "Moving pictures draw more clicks",
    "catalogue@example.com",
    start_date=dt.date(2025, 1, 27),
    end_date=dt.date(2025, 2, 23),
    pre_period_days=14,
    allocation=0.6,
    variants=(
        Variant("autoplay_control", 0.5, is_control=True),
        Variant("autoplay_on", 0.5, click_rate_lift=-0.15, purchase_rate_lift=-0.08),
    ),
)
BROKEN_SAMPLE_RATIO = Experiment(
    "lazy_images",
    "Lazy-loaded images",
    "A page that shows sooner is clicked more",
    "platform@example.com",
    start_date=dt.date(2025, 2, 3),
    end_date=dt.date(2025, 2, 23),
    pre_period_days=14,
    allocation=0.5,
    variants=(
        Variant("lazy_images_control", 0.5, is_control=True),
        Variant("lazy_images_on", 0.5, click_rate_lift=0.04, recorded_share=0.75),
    ),
)
NO_DIFFERENCE = Experiment(
    "aa",
    "A/A test",
    "Two arms that get the same page do not differ",
    "experimentation@example.com",
    start_date=dt.date(2025, 1, 15),
    end_date=dt.date(2025, 2, 25),
    pre_period_days=14,
    allocation=0.4,
    variants=(Variant("aa_control", 0.5, is_control=True), Variant("aa_same", 0.5)),
)
STILL_RUNNING = Experiment(
    "search",
    "Search ranking",
    "Results ranked by meaning are clicked more",
    "search@example.com",
    start_date=dt.date(2025, 2, 10),
    end_date=dt.date(2025, 3, 16),
    pre_period_days=14,
    allocation=0.8,
    variants=(
        Variant("search_control", 0.5, is_control=True),
        Variant("search_semantic", 0.25, click_rate_lift=0.02),
        Variant("search_hybrid", 0.25, click_rate_lift=0.01, amount_lift=0.01),
    ),
)
EXPERIMENTS = (CLEAR_WINNER, CLEAR_NO, BROKEN_SAMPLE_RATIO, NO_DIFFERENCE, STILL_RUNNING)
