"""How many passwords may be tried: counted before they are looked at, so that many at once are no more."""

from __future__ import annotations

import hashlib
import ipaddress
import time
from dataclasses import dataclass

from sqlalchemy import delete, text, update

from ab_pipeline.door.database import ATTEMPTS, DoorDatabase

WINDOW_SECONDS = 300
OF_ONE_NAME = 10
"""Wrong passwords of one name from one address within the window."""
OF_ONE_ADDRESS = 100
"""Of all names from one address."""

_COUNT = text(
    """
    insert into ab_pipeline_login_attempts (counted_for, attempts, until) values (:key, 1, :end)
    on conflict (counted_for) do update set
        attempts = case when ab_pipeline_login_attempts.until between :now and :end
            then ab_pipeline_login_attempts.attempts + 1 else 1 end,
        until = case when ab_pipeline_login_attempts.until between :now and :end
            then ab_pipeline_login_attempts.until else :end end
    returning attempts, until
    """
)


@dataclass(frozen=True)
class Wait:
    """Too many were tried."""

    seconds: int
    is_news: bool
    """The first of its kind within the window."""


@dataclass(frozen=True)
class Throttle:
    """Nobody is locked out from everywhere: what others try from their addresses does not count for yours.

    A browser in which somebody has logged in before is counted by itself, wherever it is.
    """

    database: DoorDatabase

    def attempt(self, name: str, address: str, device: str | None) -> Wait | None:
        """Count an attempt. None: its password may be looked at."""
        waits = [self._count(key, limit) for key, limit in _keys(name, address, device).items()]
        return max((wait for wait in waits if wait), key=lambda wait: wait.seconds, default=None)

    def forget(self, name: str, address: str, device: str | None) -> None:
        """The password was right: what was counted for this name is not any more.

        Of what was counted for the address only this attempt is: with a name of one's own one could guess for ever.
        """
        mine, *shared = _keys(name, address, device)
        with self.database.transaction() as connection:
            connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.counted_for == mine))
            fewer = update(ATTEMPTS).where(ATTEMPTS.c.counted_for.in_(shared), ATTEMPTS.c.attempts > 0)
            connection.execute(fewer.values(attempts=ATTEMPTS.c.attempts - 1))

    def _count(self, key: str, limit: int) -> Wait | None:
        now = time.time()
        with self.database.transaction() as connection:
            found = connection.execute(_COUNT, {"key": key, "now": now, "end": now + WINDOW_SECONDS})
            attempts, until = found.one()
            if attempts == 1:
                connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.until < now))
        return None if attempts <= limit else Wait(max(1, round(until - now)), is_news=attempts == limit + 1)


def _keys(name: str, address: str, device: str | None) -> dict[str, int]:
    who = hashlib.sha256(name.strip().lower().encode(errors="replace")).hexdigest()[:32]
    if device:
        return {f"{who} in {device[:64]}": OF_ONE_NAME}
    network = _network(address)
    return {f"{who} from {network}": OF_ONE_NAME, f"from {network}": OF_ONE_ADDRESS}


def _network(address: str) -> str:
    """Whoever has one address of version 6 has a whole /64 of them."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address) and not found.ipv4_mapped:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)
