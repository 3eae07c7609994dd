"""Gates that compare a share of users, or two sums, with a limit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from ab_pipeline.experiments.evidence import Reconciliation
from ab_pipeline.experiments.result import Gate, Status

SEVERAL_VARIANTS_LIMITS = (0.001, 0.01)
"""Warn, fail. They are left out; if being in several is no accident, the rest is no random sample."""
MISSING_METADATA_LIMITS = (0.05, 0.2)
"""Warn, fail. They are left out, since the daily table has no rows of theirs."""
RECONCILIATION_TOLERANCE = 1e-9
"""Relative: what the order of summation can do to a sum of doubles."""


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


def reconciles(sums: Iterable[Reconciliation], rolled_back_days: Sequence[dt.date] = ()) -> Gate:
    """Whether the units of the experiment add up to the raw rows that they come from, but for days that are told."""
    sums = list(sums)
    if not sums:
        return Gate("reconciles", Status.SKIPPED, None, "there is nothing to compare with")
    wrong = [one for one in sums if abs(one.raw - one.units) > RECONCILIATION_TOLERANCE * max(abs(one.raw), 1.0)]
    told = "; ".join(f"{one.measure}: raw {one.raw:,.0f}, units {one.units:,.0f}" for one in wrong or sums)
    if rolled_back_days:
        told += f"; without {', '.join(map(str, rolled_back_days))}, rolled back to another build than the events'"
    status = Status.FAIL if wrong else Status.WARN if rolled_back_days else Status.PASS
    return Gate("reconciles", status, None, told)


def _share(name: str, part: int, whole: int, limits: tuple[float, float], what: str) -> Gate:
    if not whole:
        return Gate(name, Status.SKIPPED, None, "there are no users")
    warn, fail = limits
    share = part / whole
    status = Status.FAIL if share > fail else Status.WARN if share > warn else Status.PASS
    told = f"{part:,} of {whole:,} users {what} ({100 * share:.2f} %, fails above {100 * fail:g} %)"
    return Gate(name, status, None, told)
