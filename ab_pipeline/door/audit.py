"""Who did what, when, from where, and what came of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from sqlalchemy import delete, insert, select, update

from ab_pipeline.door.database import AUDIT, DoorDatabase

BEGUN = "begun"
"""The result of what has no result yet: it is going on, or its process was killed."""
NOBODY = "nobody"
"""The user of a deed of somebody who was not let in."""
_LONGEST = {"user": 200, "address": 64, "action": 200, "about": 2_000, "result": 1_000}


@dataclass(frozen=True)
class Deed:
    """Something that somebody did, or was kept from doing."""

    user: str
    role: str
    way: str
    """`password`, `oidc`, `token` or `command`."""
    address: str
    action: str
    about: str = ""
    result: str = BEGUN
    at: dt.datetime | None = None
    """UTC; when it is written down."""


@dataclass(frozen=True)
class Audit:
    """The deeds, oldest first."""

    database: DoorDatabase

    def write(self, deed: Deed) -> int:
        """Write it down, and give its number.

        Raises:
            StorageError: it could not be; then it must not be done either.
        """
        row = {name: _cut(name, value) for name, value in asdict(deed).items()}
        row["at"] = (deed.at or dt.datetime.now(dt.UTC)).replace(tzinfo=None)
        with self.database.transaction() as connection:
            return connection.execute(insert(AUDIT).values(row).returning(AUDIT.c.id)).scalar_one()

    def finish(self, number: int, result: str) -> None:
        """Write down what came of it."""
        with self.database.transaction() as connection:
            connection.execute(update(AUDIT).where(AUDIT.c.id == number).values(result=_cut("result", result)))

    def deeds(self, since: dt.datetime | None = None, user: str | None = None) -> Iterator[Deed]:
        """Those of a user, since a time (UTC)."""
        query = select(AUDIT).order_by(AUDIT.c.id)
        if since:
            query = query.where(AUDIT.c.at >= since.replace(tzinfo=None))
        if user:
            query = query.where(AUDIT.c.user == user)
        with self.database.transaction() as connection:
            for row in connection.execute(query).mappings():
                values = {name: row[name] for name in row if name != "id"}
                yield Deed(**{**values, "at": row["at"].replace(tzinfo=dt.UTC)})

    def forget(self, before: dt.datetime) -> int:
        """Drop what is older (UTC); how many."""
        with self.database.transaction() as connection:
            return connection.execute(delete(AUDIT).where(AUDIT.c.at < before.replace(tzinfo=None))).rowcount


def _cut(name: str, value: object) -> object:
    """Short enough for the table, in one line, and without what PostgreSQL cannot hold."""
    if name not in _LONGEST or not isinstance(value, str):
        return value
    text = " ".join(value.replace("\x00", " ").split()).encode(errors="replace").decode()
    longest = _LONGEST[name]
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
