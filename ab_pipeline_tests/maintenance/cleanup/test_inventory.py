"""When the disk is full, and how much of something there is."""

from datetime import date

import pytest

from ab_pipeline.maintenance.cleanup.inventory import Place, Store, full_on
from ab_pipeline.maintenance.cleanup.show import size

TODAY = date(2025, 1, 1)


def test_the_disk_is_full_when_what_is_free_has_grown() -> None:
    stores = (Store("a", Place.DISK, 1, 1, 30.0), Store("b", Place.DISK, 1, 1, 20.0))
    assert full_on(stores, 501, TODAY) == date(2025, 1, 11)


def test_what_grows_elsewhere_does_not_fill_this_disk() -> None:
    stores = (Store("a", Place.SERVER, 1, 1, 30.0), Store("b", Place.S3, 1, 1, 20.0))
    assert full_on(stores, 500, TODAY) is None


def test_a_disk_that_lasts_longer_than_calendars_is_never_full() -> None:
    assert full_on((Store("a", Place.DISK, 1, 1, 0.001),), 10**12, TODAY) is None


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_900, "99.9 kB"), (123_456, "123 kB"), (5e15, "5000 TB")],
)
def test_sizes_have_three_digits(count: float, shown: str) -> None:
    assert size(count) == shown
