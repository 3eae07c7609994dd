"""Which SQL type a raw column needs for a file's values, and SQL that gives them in a type."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ab_pipeline.files import numbers, times
from ab_pipeline.files.checks import Field
from ab_pipeline.files.numbers import ROUND, WHOLE, Facts
from ab_pipeline.files.reading import Reading
from ab_pipeline.files.scan import TEXT, FileColumn
from ab_pipeline.files.sql import literal
from ab_pipeline.files.words import cleaned
from ab_pipeline.raw_data.column_types import BIGINT, INTEGER, TIMESTAMP, ColumnType, decimal, varchar, widest
from ab_pipeline.raw_data.contract import Column

_INTEGERS = re.compile("U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?")
_REALS = re.compile("DECIMAL.*|FLOAT|DOUBLE")
_TEXTS = re.compile(f"VARCHAR|UUID|ENUM.*|{TEXT}")
_TIMES = re.compile("DATE|TIMESTAMP.*")
_SHORTEST_ID = 32
_INT_MAX = 2**31 - 1
_EXPECTED = {"id": "an id", "count": "a whole number, or TRUE or FALSE", "amount": "a number", "time": times.EXPECTED}


def is_of_kind(column: Column, type_: str) -> bool:
    """Whether values of a Parquet type may stand in the column at all."""
    allowed = {
        "id": (_INTEGERS, _REALS, _TEXTS),
        "count": (_INTEGERS, _REALS, _TEXTS, re.compile("BOOLEAN")),
        "amount": (_INTEGERS, _REALS, _TEXTS),
        "time": (_INTEGERS, _TIMES, _TEXTS),
        "name": (_INTEGERS, _TEXTS, re.compile("BOOLEAN")),
    }[column.kind]
    return any(pattern.fullmatch(type_) for pattern in allowed)


def needed_type(column: Column, facts: Facts) -> ColumnType:
    """The narrowest type that takes every value."""
    whole = INTEGER if (facts.largest <= _INT_MAX and facts.digits < 10) or not facts.count else BIGINT
    match column.kind:
        case "time":
            return TIMESTAMP
        case "name":
            return varchar(facts.text_bytes, column.usual_type.length or 1)
        case "count":
            return whole
        case "amount":
            return whole if facts.only(WHOLE, ROUND) else decimal(facts.digits, facts.decimals)
    if facts.only(WHOLE, ROUND) and facts.digits < 19:
        return INTEGER if facts.largest <= _INT_MAX else BIGINT
    return varchar(facts.text_bytes, _SHORTEST_ID)


@dataclass(frozen=True)
class Source:
    """A column of the table, and what a file has for it."""

    column: Column
    source: FileColumn
    facts: Facts
    mark: str
    """Before decimals."""
    reading: Reading

    @property
    def needed(self) -> ColumnType:
        """The narrowest type that takes every value."""
        return needed_type(self.column, self.facts)

    def value(self, type_: ColumnType) -> str:
        """SQL of the values in a type, null where they do not fit it."""
        if self.column.kind == "time":
            return self._time()
        if type_.name == "varchar":
            return self._text()
        cast = f"try_cast({self.source.sql} as {type_})"
        if not _TEXTS.fullmatch(self.source.type):
            is_exact = self.source.type == "BOOLEAN" or _INTEGERS.fullmatch(self.source.type)
            return cast if is_exact else f"case when {cast} = {self.source.sql} then {cast} end"
        if type_.is_whole:
            is_id = self.column.kind == "id"
            truths = self.column.kind == "count"
            return numbers.whole(self.source.text, str(type_), self.mark, truths=truths, zeros_count=not is_id)
        if type_.name == "decimal":
            return numbers.decimal(self.source.text, str(type_), type_.scale, self.mark)
        return f"try_cast({numbers.number_text(self.source.text, self.mark)} as {type_})"

    def field(self, type_: ColumnType, relation: str) -> Field:
        """What is wrong with a value in a type, which may be narrower than the values need."""
        value, is_text = self.value(type_), type_.name == "varchar"
        wider = widest(type_, self.needed)
        hint = "" if wider == type_ else f": {relation}.{self.column.name} is {type_}, and --widen makes it {wider}"
        expected = _EXPECTED.get(self.column.kind, "a text")
        if type_.is_whole and not (self.column.kind == "count" and type_ == BIGINT):
            expected = "a whole number" + (" from -2147483648 to 2147483647" if type_ == INTEGER else "")
        wrong = [(f"{value} is null", expected + hint)]
        if is_text and self.column.kind == "id":
            is_cut = f"regexp_full_match({self.source.text}, {literal(numbers.CUT_BY_EXCEL)})"
            wrong.append((is_cut, "an id: Excel has cut this one, so format its column as text"))
        if is_text and type_.length:
            wrong.append((f"strlen({value}) > {type_.length}", f"at most {type_.length} bytes{hint}"))
        missing = "'a value: it is a key'" if self.column.is_key else "null"
        cases = " ".join(f"when {condition} then {literal(what)}" for condition, what in wrong)
        problem = f"case when {self._is_there(is_text)} is null then {missing} {cases} end"
        if not is_text:
            # what is there is looked at only where no value came of it
            problem = f"case when {value} is not null then null else {problem} end"
        return Field(self.source.name, self.source.text, problem)

    def strict(self, type_: ColumnType, relation: str) -> str:
        """SQL of the values, which ends the statement at the first one that is wrong."""
        if type_.name == "varchar":
            expected = self.field(type_, relation).expected
            return f"case when {expected} is null then {self.value(type_)} else error({expected}) end"
        # what is there is looked at only where no value came of it, as planning the whole question takes long
        wrong = "true" if self.column.is_key else f"{self._is_there(False)} is not null"
        return f"coalesce({self.value(type_)}, case when {wrong} then error('{self.column.name}') end)"

    def _time(self) -> str:
        if self.source.type == "TIMESTAMP WITH TIME ZONE":
            return times.finite(times.in_zone(self.source.sql, self.reading.zone))
        if _TIMES.fullmatch(self.source.type):
            return times.finite(f"cast({self.source.sql} as timestamp)")
        return times.moment(self.source.text, self.reading)

    def _text(self) -> str:
        # pandas writes the ids of a column that has gaps as 7.0
        if self.column.kind == "id" and self.facts.has(ROUND) and self.facts.only(WHOLE, ROUND):
            return f"cast({numbers.whole(self.source.text, 'hugeint', self.mark)} as varchar)"
        return self.source.text

    def _is_there(self, is_text: bool) -> str:
        if is_text and self.column.is_key:
            return f"nullif({self.source.text}, '')"
        return (
            self.source.sql
            if is_text or self.source.type not in (TEXT, "VARCHAR")
            else cleaned(self.source.text, self.reading)
        )
