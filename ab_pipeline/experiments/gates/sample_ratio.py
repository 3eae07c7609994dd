"""Whether each variant got the users it should have: the sample-ratio mismatch (SRM) of Fabijan et al., KDD 2019."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from ab_pipeline.experiments.declaration import Variant
from ab_pipeline.experiments.evidence import AssignedUsers
from ab_pipeline.experiments.moments import ALL_USERS
from ab_pipeline.experiments.multiplicity import holm
from ab_pipeline.experiments.result import Gate, Status

SRM_ALPHA = 0.001
"""Low, since it is asked every day, and a mismatch that matters is far below it."""
_FEWEST_EXPECTED = 5
"""Below, the chi-square approximation does not hold (Cochran, Biometrics 1954)."""

_Counts = dict[str, int]


def sample_ratio(variants: Sequence[Variant], assigned: Iterable[AssignedUsers], *, is_declared: bool = True) -> Gate:
    """All users against the expected weights; those that nobody declared are the shares there are, and always fit."""
    if not is_declared:
        return Gate("sample_ratio", Status.SKIPPED, None, "nobody declared which shares to expect")
    counts = _grouped(assigned, lambda row: "all" if row.segment == ALL_USERS else None).get("all", {})
    p_value = sample_ratio_p_value(variants, counts)
    if p_value is None:
        return Gate("sample_ratio", Status.SKIPPED, None, "too few users to tell")
    status = Status.FAIL if p_value < SRM_ALPHA else Status.PASS
    return Gate("sample_ratio", status, p_value, _shares(variants, counts))


def sample_ratio_by_segment(variants: Sequence[Variant], assigned: Iterable[AssignedUsers]) -> Gate:
    """The same in every segment, the smallest p-value adjusted for their number."""
    groups = _grouped(assigned, lambda row: row.segment if row.segment != ALL_USERS else None)
    return _worst("sample_ratio_by_segment", variants, groups, "segment")


def sample_ratio_by_day(variants: Sequence[Variant], assigned: Iterable[AssignedUsers]) -> Gate:
    """The same among the users assigned on each day."""

    def day(row: AssignedUsers) -> str | None:
        return row.assigned_on.isoformat() if row.segment == ALL_USERS and row.assigned_on else None

    return _worst("sample_ratio_by_day", variants, _grouped(assigned, day), "day of assignment")


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


def sample_ratio_p_value(variants: Sequence[Variant], users: Mapping[str, int]) -> float | None:
    """Pearson's chi-square of the counts of any number of variants; None where they are too few for it."""
    from scipy.special import chdtrc

    observed = [users.get(variant.variant_id, 0) for variant in variants]
    weights = [variant.expected_weight for variant in variants]
    expected = [sum(observed) * weight / sum(weights) for weight in weights]
    if len(variants) < 2 or min(expected) < _FEWEST_EXPECTED:
        return None
    statistic = sum((found - there) ** 2 / there for found, there in zip(observed, expected, strict=True))
    # scipy.stats.chisquare is the same and takes a millisecond, and a hundred experiments ask a thousand times
    return float(chdtrc(len(variants) - 1, statistic))


def _worst(name: str, variants: Sequence[Variant], groups: Mapping[str, _Counts], noun: str) -> Gate:
    p_values = {group: sample_ratio_p_value(variants, counts) for group, counts in groups.items()}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    told = {group: p_value for group, p_value in adjusted.items() if p_value is not None}
    if not told:
        return Gate(name, Status.SKIPPED, None, f"no {noun} with enough users to tell")
    worst = min(told, key=lambda group: told[group])
    if told[worst] < SRM_ALPHA:
        failing = sum(p_value < SRM_ALPHA for p_value in told.values())
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
