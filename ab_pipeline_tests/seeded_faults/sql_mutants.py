"""Small changes of SQL and of the macros that write it, each of which should be noticed by a test."""

from __future__ import annotations

import re
from collections.abc import Iterator

# what is no SQL of a query is blanked, so that every position stays what it is
_COMMENTS = re.compile(r"\{#.*?#\}|--[^\n]*|\{\{ config\(.*?\) \}\}", re.DOTALL)
_CHANGES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\bleft join\b", "inner join"),
        (r"\bfull outer join\b", "left join"),
        (r"\bunion all\b", "union"),
        (r" <= ", " < "),
        (r" >= ", " > "),
        (r" < ", " <= "),
        (r" > ", " >= "),
        (r" = ", " <> "),
        (r" <> ", " = "),
        (r" \+ ", " - "),
        (r" - ", " + "),
        (r"\band\b", "or"),
        (r"\bor\b", "and"),
        (r"\bnot in\b", "in"),
        (r"\bis not null\b", "is null"),
        (r"\bis null\b", "is not null"),
        (r"\bsum\(", "max("),
        (r"\bmin\(", "max("),
        (r"\bmax\(", "min("),
        (r"\bdistinct ", ""),
        (r" desc\b", " asc"),
        (r"\b1\b", "2"),
        (r"\b0\b", "1"),
    )
]


def sql_mutants(text: str) -> Iterator[str]:
    """The text with one change, for every place that can be changed."""
    code = _COMMENTS.sub(lambda comment: " " * len(comment[0]), text)
    for pattern, replacement in _CHANGES:
        for place in pattern.finditer(code):
            yield text[: place.start()] + replacement + text[place.end() :]
