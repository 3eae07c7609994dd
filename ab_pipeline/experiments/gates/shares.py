"""Gates that compare a share of users, or two sums, with a limit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from ab_pipeline.experiments.evidence import RawComparison
from ab_pipeline.experiments.result import Gate, Status

SEVERAL_VARIANTS_LIMITS = (0.001, 0.01)
"""Warn, fail. They are left out; if being in several is no accident, the rest is no random sample."""
MISSING_METADATA_LIMITS = (0.05, 0.2)
"""Warn, fail. They are left out, since the daily table has no rows of theirs."""


def several_variants(several: int | None, assigned: int) -> Gate:
    """Users who were in more than one variant, of all users of the experiment."""
    if several is None:
        return Gate("several_variants", Status.SKIPPED, None, "the data does not say who is who")
    return _share("several_variants", several, several + assigned, SEVERAL_VARIANTS_LIMITS, "in several variants")


def missing_metadata(missing: int | None, assigned: int) -> Gate:
    """Users without a row of metadata."""
    if missing is None:
        return Gate("missing_metadata", Status.SKIPPED, None, "there is no metadata")
    return _share("missing_metadata", missing, assigned, MISSING_METADATA_LIMITS, "without metadata")


def reconciles(raw: RawComparison | None) -> Gate:
    """Whether every day of the experiment is built from what the raw table holds."""
    name = "reconciles"
    if raw is None or not raw.compared:
        return Gate(name, Status.SKIPPED, None, "there is nothing to compare with")
    told = [
        f"{_days(days)} {what}"
        for days, what in (
            (raw.not_built, "not built yet, so that raw rows are not counted"),
            (raw.differing, "built from other rows than the raw table holds: refresh them"),
            (raw.on_their_way, "changed in the raw table: the next refresh builds them"),
            (raw.rolled_back, "rolled back to the build before"),
        )
        if days
    ]
    status = Status.FAIL if raw.not_built or raw.differing else Status.WARN if told else Status.PASS
    compared = f"of {len(raw.compared)} days compared, {raw.compared[0]} to {raw.compared[-1]}, "
    return Gate(name, status, None, compared + ("; ".join(told) or "each is built from what the raw table holds"))


def _days(days: Sequence[dt.date]) -> str:
    shown = ", ".join(map(str, days[:3]))
    more = f" and {len(days) - 3} more" if len(days) > 3 else ""
    return f"{shown}{more} {'is' if len(days) == 1 else 'are'}"


def _share(name: str, part: int, whole: int, limits: tuple[float, float], what: str) -> Gate:
    if not whole:
        return Gate(name, Status.SKIPPED, None, "there are no users")
    warn, fail = limits
    share = part / whole
    status = Status.FAIL if share > fail else Status.WARN if share > warn else Status.PASS
    told = f"{part:,} of {whole:,} users {what} ({100 * share:.2f} %, fails above {100 * fail:g} %)"
    return Gate(name, status, None, told)
