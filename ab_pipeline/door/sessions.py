"""Sessions that somebody ended: a signed cookie does not know, and a copy of it would go on."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from ab_pipeline.door.database import ENDED_SESSIONS, DoorDatabase

SECONDS = 12 * 3600
"""How long a session lasts at the most."""


@dataclass(frozen=True)
class EndedSessions:
    """Their ids, until their cookies have expired."""

    database: DoorDatabase

    def end(self, session_id: str) -> None:
        """From here on nobody gets in with this session."""
        now = time.time()
        with self.database.transaction() as connection:
            # nothing can be newer than a session that begins at this moment, unless the clock was wrong
            over = (ENDED_SESSIONS.c.until < now) | (ENDED_SESSIONS.c.until > now + 2 * SECONDS)
            connection.execute(delete(ENDED_SESSIONS).where(over | (ENDED_SESSIONS.c.session_id == session_id)))
            connection.execute(insert(ENDED_SESSIONS).values(session_id=session_id, until=now + SECONDS))

    def has(self, session_id: str) -> bool:
        """Whether it was ended."""
        with self.database.transaction() as connection:
            found = select(ENDED_SESSIONS.c.session_id).where(ENDED_SESSIONS.c.session_id == session_id)
            return connection.execute(found).first() is not None
