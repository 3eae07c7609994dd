"""What the door remembers, in the database that Dagster keeps its metadata in, or in a file beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Column, DateTime, Float, Integer, MetaData, String, Table, Text, create_engine, event, inspect
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ab_pipeline.maintenance.storage import DagsterStorage, PostgresStorage, StorageError, dagster_storage

_TABLES = MetaData()
ENDED_SESSIONS = Table(
    "ab_pipeline_ended_session",
    _TABLES,
    Column("session_id", String(64), primary_key=True),
    # seconds since 1970: from then on its cookie has expired by itself
    Column("until", Float, nullable=False),
)
ATTEMPTS = Table(
    "ab_pipeline_login_attempts",
    _TABLES,
    Column("counted_for", String(200), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("until", Float, nullable=False),
)
AUDIT = Table(
    "ab_pipeline_audit",
    _TABLES,
    Column("id", Integer, primary_key=True, autoincrement=True),
    # UTC
    Column("at", DateTime, nullable=False, index=True),
    Column("user", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("way", String(16), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(200), nullable=False),
    Column("about", Text, nullable=False),
    Column("result", Text, nullable=False),
)
FILE = "door.db"


class DoorDatabase:
    """Three small tables. Every replica of the door that has the same metadata database shares them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with self._explained():
            _TABLES.create_all(engine)

    @classmethod
    def beside(cls, home: Path, *, pooled: bool = True) -> DoorDatabase:
        """In the PostgreSQL that the dagster.yaml below DAGSTER_HOME names, or in a file there.

        Without a pool no connection stays open: a restore renames the database, which nobody may be in.

        Raises:
            StorageError: Dagster's storage is another, or out of reach.
        """
        return cls(_engine(dagster_storage(home), home, pooled=pooled))

    @classmethod
    def found(cls, home: Path) -> DoorDatabase | None:
        """The tables, where there are some."""
        storage = dagster_storage(home)
        if not isinstance(storage, PostgresStorage):
            return cls.beside(home) if (home / FILE).exists() else None
        engine = _engine(storage, home)
        return cls(engine) if inspect(engine).has_table(AUDIT.name) else None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection, committed on leaving the block.

        Raises:
            StorageError: the database is out of reach, or refuses.
        """
        with self._explained(), self._engine.begin() as connection:
            yield connection

    def __str__(self) -> str:
        return self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            # the statement and its values are nobody's business
            reason = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())
            raise StorageError(f"the door's tables in {self} cannot be used: {reason}") from error


def _engine(storage: DagsterStorage, home: Path, *, pooled: bool = True) -> Engine:
    if isinstance(storage, PostgresStorage):
        options = "-c statement_timeout=10000 -c lock_timeout=5000"
        return create_engine(
            storage.sqlalchemy_url,
            poolclass=None if pooled else NullPool,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 10, "options": options},
        )
    path = home / FILE
    path.touch(mode=0o600)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 10})
    event.listen(engine, "connect", _write_ahead)
    return engine


def _write_ahead(connection: object, _record: object) -> None:
    # readers and the writer do not wait for each other, and no commit for the disk
    for pragma in ("journal_mode=wal", "synchronous=normal"):
        connection.execute(f"pragma {pragma}")  # pyright: ignore[reportAttributeAccessIssue]
