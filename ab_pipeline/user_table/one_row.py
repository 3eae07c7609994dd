"""One row a user: copies counted once, rows summed up where that is asked, users of several variants left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ab_pipeline.user_table.file import UserFile, UserTableError
from ab_pipeline.user_table.question import Question

# the names that mean a person wherever they stand; `id` may be a row's
_NAMES_OF_USERS = {
    f"{who}{what}"
    for who in ("user", "visitor", "customer", "client", "member", "account", "subscriber", "device", "unit")
    for what in ("", "id", "uuid", "key")
} | {"anonymousid", "uid", "uuid"}


@dataclass(frozen=True)
class Users:
    """What became of the rows."""

    in_several_variants: int | None
    """None where users have no names."""
    remarks: tuple[str, ...]


def guess_user(file: UserFile, question: Question) -> tuple[Question, list[str]]:
    """The question with the column that names users: found by its name, unless it is given or each row is a user."""
    if question.user is not None or question.counts is not None or question.wide is not None:
        return replace(question, user=question.user or None), []
    metrics = {part for text, _ in question.texts for part in (text, *re.split("[:/]", text))}
    used = {question.variant, *question.segments, question.covariate, *metrics}
    for column in file.columns:
        if column not in used and re.sub(r"[\W_]", "", column.lower()) in _NAMES_OF_USERS:
            told = f"{column} is taken to name the users: --user COL says otherwise, --user '' that each row is one."
            return replace(question, user=column), [told]
    return question, []


def one_row_a_user(file: UserFile, question: Question, numbers: Iterable[str]) -> Users:
    """Leave one row of each user in the file's table.

    Raises:
        UserTableError: a user has several rows that are no copies, and nobody said that they are to be summed up.
    """
    if question.user is None:
        if question.sum_rows:
            raise UserTableError(["--sum-rows: say with --user which column names the users."])
        return Users(None, ())
    user, variant = file.quoted(question.user, "--user"), file.quoted(question.variant, "--variant")
    [(nameless,)] = file.rows(f"select count(*) from users where {user} is null and {variant} is not null")
    if nameless:
        raise UserTableError([f"--user {question.user}: {nameless:,} rows do not say which user they are of."])
    remarks: list[str] = []
    if _repeated(file, user, variant):
        remarks += _copies_that_are_summed(file, user) if question.sum_rows else _without_copies(file, user)
    several = _without_those_in_several(file, user, variant)
    if several:
        remarks.append(f"{several:,} users are in several variants and are left out.")
    if question.sum_rows:
        remarks.append(_summed_up(file, question, numbers))
    elif repeated := _repeated(file, user, variant):
        name, rows = repeated[0]
        more = f", one of {len(repeated):,} users with several" if len(repeated) > 1 else ""
        raise UserTableError(
            [
                f"--user {question.user}: user {name} is in {rows} rows{more}. Each user has to have one row:"
                " --sum-rows sums up rows of sessions or days."
            ]
        )
    return Users(several, tuple(remarks))


def _repeated(file: UserFile, user: str, variant: str) -> list[tuple[str, int]]:
    return [
        (name, rows)
        for name, rows in file.rows(
            f"select {user}, count(*) from users where {variant} is not null"
            " group by 1 having count(*) > 1 order by 2 desc, 1"
        )
    ]


def _without_copies(file: UserFile, user: str) -> list[str]:
    """Rows that are equal in every column count once. Only users with several rows have such."""
    [(before,)] = file.rows("select count(*) from users")
    several = f"select {user} from users group by 1 having count(*) > 1"
    file.keep(
        f"select distinct * from users where {user} in ({several})"
        f" union all select * from users where {user} is null or {user} not in ({several} and {user} is not null)"
    )
    [(after,)] = file.rows("select count(*) from users")
    copies = before - after
    return [f"{copies:,} of {before:,} rows are exact copies of another: they are counted once."] if copies else []


def _copies_that_are_summed(file: UserFile, user: str) -> list[str]:
    """Two sessions of a user may be alike."""
    [(rows, different)] = file.rows(
        f"select count(*), (select count(*) from (select distinct * from users where {user} is not null))"
        f" from users where {user} is not null"
    )
    if rows == different:
        return []
    return [f"{rows - different:,} rows are exact copies of another: they are summed up too, as sessions may be alike."]


def _without_those_in_several(file: UserFile, user: str, variant: str) -> int:
    several = f"select {user} from users where {variant} is not null group by 1 having count(distinct {variant}) > 1"
    [(count,)] = file.rows(f"select count(*) from ({several})")
    if count:
        file.keep(f"select * from users where {user} is null or {user} not in ({several})")
    return count


def _summed_up(file: UserFile, question: Question, numbers: Iterable[str]) -> str:
    user, variant = file.quoted(question.user or "", "--user"), file.quoted(question.variant, "--variant")
    constant = [*question.segments, *([question.covariate] if question.covariate else [])]
    for column in constant:
        name = file.quoted(column, "--segment")
        differing = file.rows(
            f"select {user} from users where {variant} is not null"
            f" group by 1 having count(distinct {name}) > 1 order by 1 limit 1"
        )
        if differing:
            raise UserTableError(
                [f"--sum-rows: {column} differs among the rows of user {differing[0][0]}; it has to be one a user."]
            )
    [(rows,)] = file.rows(f"select count(*) from users where {variant} is not null")
    metrics = [file.quoted(column, "--metric") for column in numbers if column not in constant]
    summed = ", ".join(f"sum({name}) as {name}" for name in metrics)
    kept = "".join(f", max({name}) as {name}" for name in (file.quoted(c, "--segment") for c in constant))
    file.keep(f"select {user}, {variant}, {summed}{kept} from users where {variant} is not null group by 1, 2")
    [(users,)] = file.rows("select count(*) from users")
    return f"{rows:,} rows are summed up to {users:,} users."
