"""Files that have no row a user: a column a variant, or a table of counts."""

from __future__ import annotations

from dataclasses import replace

from ab_pipeline.experiments.declaration import MetricKind
from ab_pipeline.files.numbers import OTHER, facts_of
from ab_pipeline.files.scan import TEXT, FileColumn
from ab_pipeline.files.sql import literal, quoted
from ab_pipeline.user_table.file import UserFile, UserTableError
from ab_pipeline.user_table.question import Question

_USERS = ("users", "n", "visitors", "total", "count", "exposures", "sample_size", "participants", "subjects", "size")


def of_columns(file: UserFile, question: Question) -> tuple[Question, list[str]]:
    """A column a variant becomes a row a value. An empty cell is no user: columns may be of different lengths.

    Raises:
        UserTableError: fewer than two columns hold numbers.
    """
    named = list(question.wide or ())
    columns = named or [name for name in file.columns if _is_number(file, name)]
    if len(columns) < 2:
        raise UserTableError(
            [f"--wide: two columns of numbers are needed, and {file.path} has {', '.join(file.columns)}."]
        )
    file.make_numbers(dict.fromkeys(columns, "--wide"))
    text = question.metrics[0] if question.metrics else "value"
    name, colon, kind = text.rpartition(":")
    metric = name if colon and kind in list(MetricKind) else text
    rows = " union all ".join(
        f"select {literal(column)} as variant, {quoted(column)} as {quoted(metric)} from users"
        f" where {quoted(column)} is not null"
        for column in columns
    )
    left_out = [name for name in file.columns if name not in columns]
    file.keep(rows)
    file.scan = replace(
        file.scan, columns=(FileColumn("variant", "variant", TEXT), FileColumn(metric, quoted(metric), "DOUBLE"))
    )
    file.facts.clear()
    remarks = [f"Each of the columns {', '.join(columns)} is a variant, and an empty cell is no user."]
    remarks += [f"Left out: {', '.join(left_out)}."] if left_out else []
    return replace(question, variant="variant", metrics=(text if question.metrics else metric,), wide=None), remarks


def of_counts(file: UserFile, question: Question) -> list[str]:
    """A row that stands for many users becomes one row of those who did and one of those who did not.

    Where the metrics are 0 and 1, or yes and no, the rows are such already.

    Raises:
        UserTableError: nobody knows how many users a row is of, or a metric is no number of users.
    """
    column = question.counts or next((name for name in file.columns if name.lower() in _USERS), "")
    if not column:
        raise UserTableError(
            [
                "--counts: say --counts COL, which column is the number of users."
                f" {file.path} has {', '.join(file.columns)}."
            ]
        )
    metrics = [text.rpartition(":")[0] if ":" in text else text for text in question.metrics]
    if len(question.texts) != 1 or "/" in metrics[0]:
        raise UserTableError(["--counts: a table of counts is read for one --metric, a number of users, at a time."])
    users, metric, variant = (
        file.quoted(name, option)
        for name, option in ((column, "--counts"), (metrics[0], "--metric"), (question.variant, "--variant"))
    )
    facts = file.make_numbers({column: "--counts", metrics[0]: "--metric"})
    [(wrong,)] = file.rows(
        f"select count(*) from users where {users} < 0 or {users} <> floor({users}) or {users} is null"
    )
    if wrong:
        raise UserTableError([f"--counts {column}: {wrong:,} rows have no whole number of users."])
    file.weight = users
    [(most, rows, variants)] = file.rows(f"select max({metric}), count(*), count(distinct {variant}) from users")
    is_of_outcomes = file.is_truth(metrics[0], facts[metrics[0]]) or (most <= 1 and rows > variants)
    if is_of_outcomes:
        return [f"Each row stands for as many users as {column} says, each with its {metrics[0]}."]
    odd = file.rows(f"select {variant}, {metric}, {users} from users where {metric} not between 0 and {users} limit 1")
    if odd:
        name, value, count = odd[0]
        raise UserTableError(
            [
                f"--metric {metrics[0]}: {value:,.12g} of {count:,.12g} users of {name} is no number of users."
                " The mean of an amount needs a row a user."
            ]
        )
    file.keep(
        f"select * replace (1.0 as {metric}, {metric} as {users}) from users"
        f" union all select * replace (0.0 as {metric}, {users} - {metric} as {users}) from users"
    )
    return [f"{metrics[0]} is read as how many of {column} did so."]


def _is_number(file: UserFile, name: str) -> bool:
    column = file.columns[name]
    if column.type not in (TEXT, "VARCHAR"):
        return column.type not in ("BOOLEAN",) and any(
            word in column.type for word in ("INT", "DECIMAL", "FLOAT", "DOUBLE")
        )
    [facts] = facts_of(file.session, "users", [quoted(name)], file.scan.reading)
    return facts.count > 0 and not facts.has(OTHER)
