"""Times in text or numbers, as the wall clock of one time zone shows them."""

from __future__ import annotations

from ab_pipeline.files.reading import Reading
from ab_pipeline.files.sql import let
from ab_pipeline.files.words import cleaned

EXPECTED = "a timestamp such as 2025-01-31 23:59:59, or seconds or milliseconds since 1970"
_WITHOUT_ZONE = "[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?)?"
_MICROSECONDS = {10: 1_000_000, 13: 1_000, 16: 1}
"""Of one unit, by the digits of an epoch: from 2001 to 2286 seconds have ten, milliseconds thirteen."""


def moment(text: str, reading: Reading) -> str:
    """SQL of a timestamp without a zone, to the microsecond; null where the text is none.

    What says its offset or zone, and a number since 1970, is put on the wall clock of `reading.zone`; what says none is
    as it is.
    """
    zone = reading.zone
    epochs = " ".join(
        f"when regexp_full_match(c, '[0-9]{{{digits}}}([.][0-9]*)?')"
        f" then {_since_1970(f'try_cast(c as decimal(30, 9)) * {size}', zone)}"
        for digits, size in _MICROSECONDS.items()
    )
    found = let(
        "c",
        cleaned(text, reading),
        f"case when regexp_full_match(c, '{_WITHOUT_ZONE}') then try_cast(c as timestamp) {epochs}"
        f" when regexp_full_match(c, '[0-9]{{19}}') then {_since_1970('try_cast(c as hugeint) // 1000', zone)}"
        f" when regexp_matches(c, ':.*[-+a-zA-Z]') then {in_zone('try_cast(c as timestamptz)', zone)}"
        " else try_cast(c as timestamp) end",
    )
    # most are written as DuckDB writes them
    fast = f"try_cast({text} as timestamp)"
    slow = let("f", found, finite("f"))
    return f"case when cast({fast} as varchar) = {text} and isfinite({fast}) then {fast} else {slow} end"


def in_zone(instant: str, zone: str) -> str:
    """SQL of the wall clock at an instant."""
    return f"timezone('{zone}', {instant})"


def _since_1970(microseconds: str, zone: str) -> str:
    return in_zone(f"timezone('UTC', make_timestamp(try_cast({microseconds} as bigint)))", zone)


def finite(moment: str) -> str:
    """SQL of a moment, null where it is infinite."""
    return f"case when isfinite({moment}) then {moment} end"
