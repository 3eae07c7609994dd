"""Numbers in text: what a column's values look like, and SQL that reads them.

`12.5` and `12,5` are both written, and `1,234` may be either: a column says which by its other values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ab_pipeline.files.reading import Reading
from ab_pipeline.files.sql import let, literal
from ab_pipeline.files.words import FALSE, TRUE, cleaned, truth_of
from ab_pipeline.warehouse.duckdb import DuckDBSession

_APART = r" '\x{2019}\x{a0}\x{202f}"
"""What stands between thousands and is no decimal mark anywhere: spaces and apostrophes."""
_EITHER = "[-+]?[1-9][0-9]{0,2}[%s][0-9]{3}"
_EXPONENT = "([eE][-+]?[0-9]+)?"
CUT_BY_EXCEL = "[-+]?[0-9][.,][0-9]+E[+][0-9]+"


def _number(mark: str, group: str) -> str:
    """The pattern of a number with this decimal mark, whose thousands may stand apart."""
    whole = f"([0-9]+|[1-9][0-9]{{0,2}}([{group}{_APART}][0-9]{{3}})+)"
    return f"[-+]?({whole}([{mark}][0-9]*)?|[{mark}][0-9]+){_EXPONENT}"


_GROUP = {".": ",", ",": "."}
_PATTERN = {mark: _number(mark, group) for mark, group in _GROUP.items()}

WHOLE, ZEROS, TRUTH, POINT, COMMA, EITHER_POINT, EITHER_COMMA, ROUND, CUT, OTHER = "wztpc.,rxo"
"""What a value looks like: 12, 007, yes, 1.25, 1,25, 1.250, 1,250, 12.0 (whole all the same), 1.23E+12, or else."""


@dataclass(frozen=True)
class Facts:
    """What the values of a column look like."""

    shapes: dict[str, int]
    """How many there are of each shape; nothing is none."""
    largest: int
    """Of the whole numbers, without their signs."""
    digits: int
    """Before the decimal mark, at most."""
    decimals: int
    """Behind it, at most."""
    text_bytes: int
    """Of the longest value."""
    odd: str | None
    """A value that is no number."""

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.shapes.values())

    def has(self, *shapes: str) -> bool:
        """Whether a value looks so."""
        return any(self.shapes.get(shape) for shape in shapes)

    def only(self, *shapes: str) -> bool:
        """Whether no value looks otherwise."""
        return self.count == sum(self.shapes.get(shape, 0) for shape in shapes)


def facts_of(session: DuckDBSession, relation: str, texts: Sequence[str], reading: Reading) -> list[Facts]:
    """Of each column of a relation, given as SQL of its text, in one pass."""
    if not texts:
        return []
    # each step a query of its own: within one, DuckDB would put a column's SQL wherever its name stands
    columns = range(len(texts))
    given = ", ".join(f"{text} as x{n}" for n, text in enumerate(texts))
    cleaner = ", ".join(f"x{n}, {_without_typography(cleaned(f'x{n}', reading))} as t{n}" for n in columns)
    shaped = ", ".join(f"x{n}, t{n}, {_shape(f'x{n}', f't{n}')} as s{n}" for n in columns)
    told = ", ".join(_aggregates(n) for n in columns)
    relation = f"(select {shaped} from (select {cleaner} from (select {given} from {relation})))"
    [row] = session.rows(f"select {told} from {relation}")
    return [
        Facts(dict(shapes or {}), int(largest or 0), max(digits or 0, 0), max(decimals or 0, 0), size or 0, odd)
        for shapes, largest, digits, decimals, size, odd in (row[n : n + 6] for n in range(0, len(row), 6))
    ]


def decimal_mark(facts: Facts) -> str | None:
    """What the column writes before decimals: `.`, `,`, or None where its values do not tell `1,234` from `1.234`."""
    point, comma = facts.shapes.get(POINT, 0), facts.shapes.get(COMMA, 0)
    if comma > point:
        return ","
    return None if facts.has(EITHER_COMMA) and not point else "."


def file_mark(marks: Iterable[str | None]) -> str | None:
    """What the columns that tell agree on, for those that do not."""
    told = {mark for mark in marks if mark}
    return "," if "," in told else None


def number_text(text: str, mark: str) -> str:
    """SQL of a number as programs write it, null where it is none, nor a word for nothing is.

    Thousands may stand apart by the mark that is not the decimal one, by apostrophes or by spaces.
    """
    bare = f"regexp_replace(t, '[{_GROUP[mark]}{_APART}]', '', 'g')".replace(_APART, _APART.replace("'", "''"))
    if mark == ",":
        bare = f"replace({bare}, ',', '.')"
    found = f"case when regexp_full_match(t, {literal(_PATTERN[mark])}) then {bare} end"
    return let("t", _without_typography(f"trim({text})"), found)


def whole(text: str, type_: str, mark: str, *, truths: bool = False, zeros_count: bool = True) -> str:
    """SQL of a whole number; 12.0 is one, and R's 1e+05. With `truths`, yes is 1 and no is 0.

    Without `zeros_count`, 007 is none: it is an id that would not be the same afterwards.
    """
    fast = f"try_cast({text} as {type_})"
    digits = "[0-9]+" if zeros_count else "(0|[1-9][0-9]*)"
    slow = let(
        "n",
        number_text(text, mark),
        f"case when regexp_full_match(n, '[-+]?{digits}[.]?0*') then try_cast(split_part(n, '.', 1) as {type_})"
        f" when regexp_full_match(n, '[-+]?[0-9]+e[+]?[0-9]+')"
        f" then try_cast(try_cast(n as decimal(38, 0)) as {type_}) end",
    )
    if truths:
        slow = f"coalesce({truth_of(f'trim({text})')}, {slow})"
    # most values are written as DuckDB would write them, and to look at that is cheaper than a pattern
    return f"case when cast({fast} as varchar) = {text} then {fast} else {slow} end"


def decimal(text: str, type_: str, scale: int, mark: str) -> str:
    """SQL of a number with decimals, null where it has more of them than the type."""
    fits = f"length(rtrim(split_part(n, '.', 2), '0')) <= {scale}"
    exact = f"try_cast(try_cast(n as {type_}) as double) = try_cast(n as double)"
    slow = let(
        "n",
        number_text(text, mark),
        f"case when case when contains(lower(n), 'e') then {exact} else {fits} end then try_cast(n as {type_}) end",
    )
    fast = f"try_cast({text} as {type_})"
    if mark == ",":
        return f"case when cast(try_cast({text} as bigint) as varchar) = {text} then {fast} else {slow} end"
    return f"case when cast({fast} as double) = try_cast({text} as double) then {fast} else {slow} end"


def real(text: str, mark: str, reading: Reading) -> str:
    """SQL of a finite number as a double; yes is 1 and no is 0."""
    clean = cleaned(text, reading)
    number = let("d", f"try_cast({number_text(text, mark)} as double)", "case when isfinite(d) then d end")
    return f"coalesce({truth_of(clean)}, {number})"


def _without_typography(text: str) -> str:
    return f"replace({text}, '\N{MINUS SIGN}', '-')"


def _aggregates(n: int) -> str:
    """SQL of one column's facts, in the order of their fields."""
    exponent = f"coalesce(try_cast(regexp_extract(t{n}, '[eE]([-+]?[0-9]+)$', 1) as integer), 0)"
    before_mark = f"length(regexp_extract(replace(t{n}, ',', '.'), '^[-+]?([0-9]*)', 1)) + {exponent}"
    behind_mark = f"length(rtrim(regexp_extract(t{n}, '[.,]([0-9]+)([eE].*)?$', 1), '0')) - {exponent}"
    return (
        f"histogram(s{n}), max(case when s{n} = '{WHOLE}' then abs(try_cast(t{n} as hugeint)) end),"
        f" max(case when s{n} not in ('{OTHER}', '{TRUTH}') then {before_mark} end),"
        f" max(case when s{n} not in ('{OTHER}', '{TRUTH}') then {behind_mark} end),"
        f" max(strlen(x{n})), min(case when s{n} = '{OTHER}' then left(x{n}, 40) end)"
    )


def _shape(text: str, plain: str) -> str:
    words = ", ".join(map(literal, (*TRUE, *FALSE)))

    def is_like(*patterns: str) -> str:
        return " or ".join(f"regexp_full_match({plain}, {literal(one)})" for one in patterns)

    return (
        f"case when {plain} is null then null"
        f" when cast(try_cast({text} as bigint) as varchar) = {text} then '{WHOLE}'"
        f" when {is_like('[-+]?0[0-9]+')} then '{ZEROS}'"
        f" when {is_like('[-+]?[0-9]+')} then '{WHOLE}'"
        f" when {is_like(_EITHER % '.')} then '{EITHER_POINT}'"
        f" when {is_like(_EITHER % ',')} then '{EITHER_COMMA}'"
        f" when {is_like(CUT_BY_EXCEL)} then '{CUT}'"
        f" when {is_like('[-+]?[0-9]+[.]0*', '[-+]?[0-9]+e[+]?[0-9]+')} then '{ROUND}'"
        f" when {is_like(_PATTERN['.'])} then '{POINT}'"
        f" when {is_like(_PATTERN[','])} then '{COMMA}'"
        f" when lower({plain}) in ({words}) then '{TRUTH}'"
        f" else '{OTHER}' end"
    )
