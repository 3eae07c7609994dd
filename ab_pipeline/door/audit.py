"""Who did what, when, from where, and what came of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

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
class Written:
    """A deed that is written down, and where."""

    number: int
    deed: Deed


@dataclass(frozen=True)
class Audit:
    """The deeds, oldest first."""

    database: DoorDatabase

    def write(self, deed: Deed) -> Written:
        """Write it down.

        Raises:
            StorageError: it could not be; then it must not be done either.
        """
        stamped = replace(deed, at=deed.at or dt.datetime.now(dt.UTC))
        with self.database.transaction() as connection:
            number = connection.execute(insert(AUDIT).values(_row(stamped)).returning(AUDIT.c.id)).scalar_one()
        return Written(number, stamped)

    def finish(self, written: Written, result: str) -> None:
        """Write down what came of it; all of it, where a restore has put another database in this one's place."""
        done = _row(replace(written.deed, result=result))
        with self.database.transaction() as connection:
            same = (AUDIT.c.id == written.number) & (AUDIT.c.at == done["at"])
            if not connection.execute(update(AUDIT).where(same).values(result=done["result"])).rowcount:
                connection.execute(insert(AUDIT).values(done))

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


def _row(deed: Deed) -> dict[str, Any]:
    assert deed.at
    values = {name: _cut(name, value) for name, value in asdict(deed).items()}
    return {**values, "at": deed.at.astimezone(dt.UTC).replace(tzinfo=None)}


def _cut(name: str, value: object) -> object:
    """Short enough for the table, in one line, and without what PostgreSQL cannot hold."""
    if name not in _LONGEST or not isinstance(value, str):
        return value
    text = " ".join(value.replace("\x00", " ").split()).encode(errors="replace").decode()
    longest = _LONGEST[name]
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
