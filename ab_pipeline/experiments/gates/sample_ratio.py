"""Whether each variant got the users it should have: the sample-ratio mismatch (SRM) of Fabijan et al., KDD 2019."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from ab_pipeline.experiments.declaration import Variant
from ab_pipeline.experiments.evidence import AssignedUsers
from ab_pipeline.experiments.moments import ALL_USERS
from ab_pipeline.experiments.multiplicity import holm
from ab_pipeline.experiments.result import Gate, Status

SRM_ALPHA = 0.001
"""Of tests that were made for one look: a mismatch that matters is far below it."""
EVER_ALPHA = 0.01
"""Of the test that is asked every day: so many experiments fail it by chance, however often they are looked at."""
_ENOUGH_EXPECTED = 100
"""Below, tails of a thousandth are not chi-square's."""
_CONCENTRATIONS = (100.0, 1_000.0, 10_000.0)
"""Of the mixture's priors: what is found is about 1 over the root of it, a tenth to a hundredth."""

_Counts = dict[str, int]


def sample_ratio(variants: Sequence[Variant], assigned: Iterable[AssignedUsers], *, is_declared: bool = True) -> Gate:
    """All users against the expected weights; those that nobody declared are the shares there are, and always fit."""
    if not is_declared:
        return Gate("sample_ratio", Status.SKIPPED, None, "nobody declared which shares to expect")
    rows = [row for row in assigned if row.segment == ALL_USERS]
    counts = _grouped(rows, lambda _: "all").get("all", {})
    p_value, alpha = _p_value_and_alpha(variants, counts, rows)
    if p_value is None:
        return Gate("sample_ratio", Status.SKIPPED, None, "there are no users")
    status = Status.FAIL if p_value < alpha else Status.PASS
    return Gate("sample_ratio", status, p_value, _shares(variants, counts))


def sample_ratio_by_segment(variants: Sequence[Variant], assigned: Iterable[AssignedUsers]) -> Gate:
    """The same in every segment, the smallest p-value adjusted for their number."""
    rows = [row for row in assigned if row.segment != ALL_USERS]
    groups = _grouped(rows, lambda row: row.segment)
    found = {group: _p_value_and_alpha(variants, counts, rows) for group, counts in groups.items()}
    alpha = next((alpha for _, alpha in found.values()), SRM_ALPHA)
    p_values = {group: p_value for group, (p_value, _) in found.items()}
    return _worst("sample_ratio_by_segment", (variants, groups), "segment", p_values, alpha)


def sample_ratio_by_day(variants: Sequence[Variant], assigned: Iterable[AssignedUsers]) -> Gate:
    """Among the users assigned on each day, by one exact test a day."""

    def day(row: AssignedUsers) -> str | None:
        return row.assigned_on.isoformat() if row.segment == ALL_USERS and row.assigned_on else None

    groups = _grouped(assigned, day)
    p_values = {group: look_p_value(variants, counts) for group, counts in groups.items()}
    return _worst("sample_ratio_by_day", (variants, groups), "day of assignment", p_values, SRM_ALPHA)


def receives_users(variants: Sequence[Variant], assigned: Iterable[AssignedUsers]) -> Gate:
    """Whether a variant stopped: the chance that all users since its last one went elsewhere, (1 - its share)^n."""
    name = "receives_users"
    rows = [row for row in assigned if row.segment == ALL_USERS and row.assigned_on and row.users]
    if not rows:
        return Gate(name, Status.SKIPPED, None, "raw data does not say when users were assigned")
    total = sum(variant.expected_weight for variant in variants)
    last = {row.variant_id: dt.date.min for row in rows}
    for row in rows:
        last[row.variant_id] = max(last[row.variant_id], row.assigned_on or dt.date.min)
    chances: list[tuple[float, str, str]] = []
    for variant in variants:
        since = last.get(variant.variant_id, dt.date.min)
        others = sum(row.users for row in rows if row.assigned_on and row.assigned_on > since)
        when = f"since {since}" if since > dt.date.min else "ever"
        detail = f"{variant.variant_id} got none of {others:,} users {when}"
        chances.append(((1 - variant.expected_weight / total) ** others, variant.variant_id, detail))
    p_value, _, detail = min(chances)
    if p_value < SRM_ALPHA:
        return Gate(name, Status.FAIL, p_value, detail)
    return Gate(name, Status.PASS, p_value, f"every variant got users up to {max(last.values())}")


def look_p_value(variants: Sequence[Variant], users: Mapping[str, int]) -> float | None:
    """Of one look: Pearson's chi-square of any number of variants; exact where few users are expected."""
    from scipy.special import chdtrc

    observed = [users.get(variant.variant_id, 0) for variant in variants]
    weights = [variant.expected_weight for variant in variants]
    total, shares = sum(observed), [weight / sum(weights) for weight in weights]
    if len(variants) < 2 or not total:
        return None
    if total * min(shares) < _ENOUGH_EXPECTED:
        # each variant against the others together, twice the smaller tail; of two it is the same question
        tests = len(variants) if len(variants) > 2 else 1
        return min(1.0, tests * min(map(_binomial, observed, [total] * len(shares), shares)))
    statistic = sum((n - total * share) ** 2 / (total * share) for n, share in zip(observed, shares, strict=True))
    # scipy.stats.chisquare is the same and takes a millisecond, and a hundred experiments ask a thousand times
    return float(chdtrc(len(variants) - 1, statistic))


def sequential_p_value(variants: Sequence[Variant], users: Mapping[str, int]) -> float | None:
    """Of as many looks as one likes, with any number of users: at no time is it below alpha with more than alpha.

    One over the Bayes factor of shares from Dirichlet priors around the expected ones against the expected ones
    (Lindon and Malek, arXiv 2011.03567, section 3); the mean over three concentrations has the same promise.
    """
    from scipy.special import gammaln

    total = sum(users.get(variant.variant_id, 0) for variant in variants)
    if len(variants) < 2 or not total:
        return None
    weights = sum(variant.expected_weight for variant in variants)
    parts = [(users.get(one.variant_id, 0), one.expected_weight / weights) for one in variants]
    logs = [
        float(gammaln(c) - gammaln(c + total))
        + sum(float(gammaln(c * share + n) - gammaln(c * share)) - n * math.log(share) for n, share in parts)
        for c in _CONCENTRATIONS
    ]
    largest = max(logs)
    mean = sum(math.exp(one - largest) for one in logs) / len(logs)
    return math.exp(min(0.0, -largest - math.log(mean)))


def _p_value_and_alpha(
    variants: Sequence[Variant], counts: Mapping[str, int], rows: Iterable[AssignedUsers]
) -> tuple[float | None, float]:
    """Where users come day by day it is asked day by day; a file is looked at once."""
    if any(row.assigned_on for row in rows):
        return sequential_p_value(variants, counts), EVER_ALPHA
    return look_p_value(variants, counts), SRM_ALPHA


def _binomial(found: int, total: int, share: float) -> float:
    from scipy.special import bdtr, bdtrc

    below = float(bdtr(found, total, share))
    above = float(bdtrc(found - 1, total, share)) if found else 1.0
    return min(1.0, 2 * below, 2 * above)


def _worst(
    name: str,
    found: tuple[Sequence[Variant], Mapping[str, _Counts]],
    noun: str,
    p_values: Mapping[str, float | None],
    alpha: float,
) -> Gate:
    variants, groups = found
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    told = {group: p_value for group, p_value in adjusted.items() if p_value is not None}
    if not told:
        return Gate(name, Status.SKIPPED, None, f"no {noun} is known")
    worst = min(told, key=lambda group: told[group])
    if told[worst] < alpha:
        failing = sum(p_value < alpha for p_value in told.values())
        detail = f"{failing} of {len(told)}, the worst {worst}: {_shares(variants, groups[worst])}"
        return Gate(name, Status.FAIL, told[worst], detail)
    return Gate(name, Status.PASS, told[worst], f"as expected in each {noun}, {len(told)} in all")


def _shares(variants: Sequence[Variant], users: Mapping[str, int]) -> str:
    """`a 4,820 (57.1 %, expected 50.0 %), ...`."""
    total, weights = sum(users.values()), sum(variant.expected_weight for variant in variants)
    return ", ".join(
        f"{variant.variant_id} {users.get(variant.variant_id, 0):,}"
        f" ({100 * users.get(variant.variant_id, 0) / total:.1f} %,"
        f" expected {100 * variant.expected_weight / weights:.1f} %)"
        for variant in variants
    )


def _grouped(assigned: Iterable[AssignedUsers], key: Callable[[AssignedUsers], str | None]) -> dict[str, _Counts]:
    groups: dict[str, _Counts] = defaultdict(lambda: defaultdict(int))
    for row in assigned:
        if (group := key(row)) is not None:
            groups[group][row.variant_id] += row.users
    return groups
