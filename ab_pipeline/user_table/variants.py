"""The variants of a file: their names, joined where they are the same, and which of them is the control."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from ab_pipeline.user_table.file import UserFile, UserTableError
from ab_pipeline.user_table.question import Question

MOST_VARIANTS = 20
_CONTROLS = ("control", "original", "off", "a", "old", "baseline", "ctrl", "false", "0", "no")
"""What a control is called, the usual names first."""


def join_spellings(file: UserFile, question: Question) -> list[str]:
    """Let variants whose names differ in case or blanks only have one name, the usual one; a remark for each.

    Raises:
        UserTableError: there are so many that the column is of something else.
    """
    column = file.quoted(question.variant, "--variant")
    counts = dict(file.rows(f"select {column}, count(*) from users where {column} is not null group by 1"))
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(counts, key=lambda name: (counts[name], name), reverse=True):
        groups[" ".join(name.lower().split())].append(name)
    if len(groups) > MOST_VARIANTS:
        raise UserTableError(
            [
                f"--variant {question.variant}: it has {len(groups):,} values, such as {', '.join(sorted(counts)[:3])},"
                f" and {MOST_VARIANTS} are the most. Is it the column of variants? {file.path} has:"
                f" {', '.join(file.columns)}."
            ]
        )
    remarks: list[str] = []
    for usual, *others in (names for names in groups.values() if len(names) > 1):
        for other in others:
            file.session.run(f"update users set {column} = ? where {column} = ?", [usual, other])
        listed = ", ".join(repr(name) for name in others)
        remarks.append(
            f"{listed} differ{'s' if len(others) == 1 else ''} from {usual!r} in case or blanks only: joined."
        )
    return remarks


def find_control(question: Question, users: Mapping[str, int]) -> tuple[str, str]:
    """The control, and a sentence where it was guessed.

    Raises:
        UserTableError: --control names none of the variants.
    """
    names = sorted(users)
    if question.control is not None:
        wanted = " ".join(question.control.lower().split())
        found = [name for name in names if name == question.control]
        found = found or [name for name in names if " ".join(name.lower().split()) == wanted]
        if not found:
            raise unknown_variant("--control", question.control, names)
        return found[0], ""
    control, why = _guess(names, users)
    return control, f"Compared with {control}, {why}: --control NAME says otherwise."


def _guess(names: Sequence[str], users: Mapping[str, int]) -> tuple[str, str]:
    for usual in _CONTROLS:
        if found := [name for name in names if name.lower().strip() == usual]:
            return found[0], "by its name"
    for usual in _CONTROLS:
        found = [name for name in names if usual in re.split(r"[\W_]+", name.lower())]
        if len(found) == 1:
            return found[0], f"since its name says {usual!r}"
    # of two that are as large, the first by name
    return max(reversed(names), key=lambda name: users[name]), "the largest, which is a guess"


def unknown_variant(option: str, name: str, names: Sequence[str]) -> UserTableError:
    """The error for a name that no variant has."""
    return UserTableError([f"{option} {name}: there is no such variant. There are: {', '.join(names)}."])
