"""What fails for the moment: transactions that got in each other's way, lost connections. How Redshift and its driver
say so, and doing the work again."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

from ab_pipeline.warehouse.base import ConflictError

T = TypeVar("T")

# error 1023 comes with its text or, from dbt, as the bare number; the others are snapshot isolation's, and a table's
# that was swapped while a statement waited for it
_CONFLICT = re.compile(
    r"^\s*1023\b|serializable isolation violation|conflict with concurrent transaction|could not serialize access"
    r"|deadlock detected|could not open relation with OID|dropped by a concurrent transaction",
    re.IGNORECASE | re.MULTILINE,
)

_LOST_CONNECTION = re.compile(
    r"server socket closed|connection is closed|communication error|connection time out|connection reset", re.IGNORECASE
)


def is_conflict(message: str) -> bool:
    """Whether the error of a statement says that another transaction got in its way."""
    return bool(_CONFLICT.search(message))


def is_passing(message: str) -> bool:
    """Whether the same statement may succeed in a moment, in a transaction that is begun again."""
    return is_conflict(message) or bool(_LOST_CONNECTION.search(message))


def wait_before(retry: int, first_wait: float = 1) -> float:
    """Seconds before a retry, counted from 1: doubling, and out of step with whoever got in the way."""
    return first_wait * 2 ** (retry - 1) * random.uniform(0.5, 1.5)


def retried(work: Callable[[], T], retries: int, *, first_wait: float = 1) -> T:
    """The result of `work`, a whole transaction, which is done again after each conflict.

    Raises:
        ConflictError: so does every retry.
    """
    for retry in range(1, retries + 1):
        try:
            return work()
        except ConflictError:
            time.sleep(wait_before(retry, first_wait))
    return work()
