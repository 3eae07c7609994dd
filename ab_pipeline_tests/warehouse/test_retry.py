"""Which errors pass by themselves: the texts are those that Redshift, its driver and dbt give."""

from __future__ import annotations

import pytest

from ab_pipeline.warehouse.base import ConflictError, WarehouseError
from ab_pipeline.warehouse.retry import is_conflict, is_passing, retried, wait_before


@pytest.mark.parametrize(
    "message",
    [
        "1023",
        "1023: Serializable isolation violation on table - 100123, transactions forming the cycle are: 1, 2 (pid:3)",
        "could not complete because of conflict with concurrent transaction",
        "could not serialize access due to read/write dependencies among transactions",
        "could not open relation with OID 16501",
        "table 100123 dropped by a concurrent transaction",
        "deadlock detected",
    ],
)
def test_another_transaction_in_the_way_is_a_conflict(message: str) -> None:
    assert is_conflict(message)
    assert is_passing(message)


@pytest.mark.parametrize(
    "message",
    [
        "BrokenPipe: server socket closed. Please check that client side networking configurations are not affecting",
        "connection is closed",
        "('communication error', ConnectionRefusedError(111, 'Connection refused'))",
        "('connection time out', TimeoutError('timed out'))",
    ],
)
def test_a_lost_connection_passes_and_is_no_conflict(message: str) -> None:
    assert is_passing(message)
    assert not is_conflict(message)


@pytest.mark.parametrize(
    "message",
    [
        "Disk Full: error: Disk Full code: 1016 context: node: 0",
        'column "a1023" does not exist',
        "Got 1023 results, configured to fail if != 0",
        "terminating connection due to administrator command",
        "permission denied for relation user_event",
    ],
)
def test_what_will_fail_again_does_not_pass(message: str) -> None:
    assert not is_passing(message)


def test_the_wait_doubles_give_or_take_a_half() -> None:
    for retry, seconds in ((1, 1), (2, 2), (3, 4)):
        assert seconds / 2 <= wait_before(retry) <= seconds * 1.5


class Work:
    """A transaction that fails at first."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.times = 0

    def __call__(self) -> int:
        self.times += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.times


def test_a_conflict_is_tried_again_and_no_more_often_than_asked() -> None:
    assert retried(Work(ConflictError("1023"), ConflictError("1023")), 2, first_wait=0) == 3
    with pytest.raises(ConflictError):
        retried(Work(*[ConflictError("1023")] * 3), 2, first_wait=0)


def test_what_is_no_conflict_is_tried_once() -> None:
    work = Work(WarehouseError("no such table"))
    with pytest.raises(WarehouseError):
        retried(work, 2, first_wait=0)
    assert work.times == 1
