"""The groups of users that columns of the file make."""

from __future__ import annotations

from collections.abc import Iterable

from ab_pipeline.experiments.moments import ALL_USERS
from ab_pipeline.user_table.file import UserFile, UserTableError

MOST_GROUPS = 50
"""Of one column. More are not groups but values, and each would be a comparison that finds something by chance."""


def segments_of_a_user(file: UserFile, columns: Iterable[str]) -> str:
    """SQL of a list: the segment of all users, and that of each column, such as `plan:free`.

    Raises:
        UserTableError: a column is missing, has too many values, or a name that no segment can have.
    """
    segments = [f"'{ALL_USERS}'"]
    for column in dict.fromkeys(columns):
        name = file.quoted(column, "--segment")
        if column == ALL_USERS or ":" in column:
            raise UserTableError(
                [f"--segment {column}: rename the column; `{ALL_USERS}` and names with a colon are taken."]
            )
        [(groups,)] = file.rows(f"select count(distinct {name}) from users")
        if groups > MOST_GROUPS:
            raise UserTableError(
                [
                    f"--segment {column}: it has {groups:,} values, and {MOST_GROUPS} are the most."
                    " Put them into groups first."
                ]
            )
        prefix = column.replace("'", "''")
        segments.append(f"'{prefix}:' || coalesce(cast({name} as varchar), 'unknown')")
    return f"[{', '.join(segments)}]"
