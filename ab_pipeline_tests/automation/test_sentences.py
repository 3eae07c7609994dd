"""What a look says: short, whatever there is to say, and each thing that is so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from ab_pipeline.automation.changes import Changes, Due
from ab_pipeline.automation.plan import DueDay, Refresh
from ab_pipeline.automation.scope import Compared
from ab_pipeline.automation.sentences import (
    NOTHING_DUE,
    at,
    busy_sentence,
    compared_sentence,
    due_sentences,
    far_sentence,
)

DAY = date(2025, 1, 2)
SOME = Compared(since=DAY, days=3, older_days=0, of=400, rows=0)
NOTHING = Due((), None, ())
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def changes(mistakes: str = "") -> Changes:
    return Changes({}, {}, DAY, SOME, mistakes=mistakes)


@pytest.mark.parametrize(
    ("compared", "sentence"),
    [
        (SOME, "compared: the last 3 days of 400"),
        (replace(SOME, days=400), "compared: 400 days"),
        (replace(SOME, days=1, of=1), "compared: 1 day"),
        (replace(SOME, days=1, older_days=2), "compared: the last 1 day of 400 and 2 of those before"),
        (replace(SOME, days=0, of=0), "compared: no day has events"),
    ],
)
def test_what_was_compared_is_said_of_all_that_there_is(compared: Compared, sentence: str) -> None:
    assert compared_sentence(compared) == sentence


def test_nothing_is_due_only_where_nothing_waits_and_nothing_is_wrong() -> None:
    assert due_sentences(changes(), NOTHING, [], []) == [NOTHING_DUE]
    assert due_sentences(changes(), NOTHING, [], ["2025-01-02 is being refreshed by run a"]) == [
        "2025-01-02 is being refreshed by run a"
    ]
    assert due_sentences(changes(), replace(NOTHING, unreachable=("x is no partition",)), [], []) == [
        "x is no partition"
    ]
    assert due_sentences(changes("a.csv, row 2: wrong\nb.csv: worse"), NOTHING, [], []) == [
        "the registry is not built: a.csv, row 2: wrong (and 1 more mistakes)"
    ]


def test_many_days_are_few_words() -> None:
    refreshes = [Refresh((DueDay(DAY + timedelta(days=n), "a"),), 0) for n in range(0, 20, 2)]
    said = due_sentences(changes(), NOTHING, refreshes, [f"{n} waits" for n in range(20)])
    assert said[:4] == ["due: 2025-01-02", "due: 2025-01-04", "due: 2025-01-06", "and 7 more runs"]
    assert said[-1] == "and 15 more wait like them"
    assert len(said) == 4 + 6


def test_until_when_is_said() -> None:
    assert far_sentence(DAY, NOON).startswith("days before 2025-01-02 are compared at 2026-01-02 12:00:00 UTC: ")
    assert far_sentence(DAY, None).startswith("days before 2025-01-02 are compared at the next look: ")
    assert busy_sentence("x", NOON, timedelta(minutes=10)) == "busy: x; it is a failure at 2026-01-02 12:10:00 UTC"
    assert at(["a", "b"], NOON) == "a; b; looked at 2026-01-02 12:00:00 UTC"
