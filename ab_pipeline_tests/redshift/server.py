"""The stand-in as a whole: a PostgreSQL server, the proxy in front of it, and what a test may do with them."""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2.extensions
import redshift_connector
from sqlglot.errors import SqlglotError

from ab_pipeline_tests.redshift.certificate import self_signed
from ab_pipeline_tests.redshift.faults import Faults
from ab_pipeline_tests.redshift.journal import Journal
from ab_pipeline_tests.redshift.load import Column, Load, prepare_load
from ab_pipeline_tests.redshift.messages import RefusedError, SqlError
from ab_pipeline_tests.redshift.proxy import Proxy
from ab_pipeline_tests.redshift.refusals import refusal_of
from ab_pipeline_tests.redshift.statement import Statement
from ab_pipeline_tests.redshift.translate import translate
from ab_pipeline_tests.servers import postgres_server, postgres_session

DATABASE, USER, PASSWORD = "dev", "awsuser", "Stand-in-1"
_PRISTINE = "pristine"
_SESSION = {
    "search_path": "'$user', public, redshift, pg_catalog",
    "timezone": "'UTC'",
    "default_transaction_isolation": "serializable",
}
_COMMENT = re.compile(r"\s*/\*.*?\*/\s*", re.DOTALL)
_CATALOG = Path(__file__).with_name("catalog.sql")


@dataclass(frozen=True)
class Redshift:
    """A running stand-in. Its journal has every statement that was executed, in order."""

    host: str
    port: int
    certificate: Path
    journal: Journal
    faults: Faults
    server_url: str
    admin_url: str
    database: str = DATABASE
    user: str = USER
    password: str = PASSWORD

    def settings(self) -> dict[str, str]:
        """The project's settings for it, without their prefix."""
        return {
            "TARGET": "redshift",
            "REDSHIFT_HOST": self.host,
            "REDSHIFT_PORT": str(self.port),
            "REDSHIFT_DATABASE": self.database,
            "REDSHIFT_USER": self.user,
            "REDSHIFT_PASSWORD": self.password,
        }

    def reset(self, name: str = _PRISTINE) -> None:
        """Forget statements, faults and everything in the database, or go back to a copy that was kept of it."""
        self.faults.inject(None)
        with postgres_session(self.admin_url) as cursor:
            _copy_database(cursor, name, DATABASE)
        self.journal.clear()

    def keep_copy(self, name: str) -> None:
        """What is in the database now can be had again by `reset`."""
        with postgres_session(self.admin_url) as cursor:
            _copy_database(cursor, DATABASE, name)

    def has_copy(self, name: str) -> bool:
        """Whether `keep_copy` was called with the name."""
        with postgres_session(self.admin_url) as cursor:
            cursor.execute("select 1 from pg_database where datname = %s", [name])
            return cursor.fetchone() is not None

    def set_for_all_sessions(self, name: str, value: str) -> None:
        """A setting of PostgreSQL, for every session that begins from now on."""
        with postgres_session(self.admin_url) as cursor:
            cursor.execute(f"alter role {self.user} set {name} = {value}")

    @property
    def statements(self) -> list[str]:
        """What was executed since the last reset, in order."""
        return self.journal.statements

    def connect(self) -> redshift_connector.Connection:
        """As a user of Redshift would. The driver trusts the certificate through SSL_CERT_FILE."""
        return redshift_connector.connect(
            host=self.host, port=self.port, database=self.database, user=self.user, password=self.password
        )


@dataclass(frozen=True)
class _Preparation:
    """From what a client sends to what PostgreSQL gets."""

    server_url: str
    folder: Path

    def __call__(self, sql: str) -> str | Load:
        # dbt puts a comment before each statement, another one in each run
        comment = _COMMENT.match(sql)
        text = sql[comment.end() :] if comment else sql
        if text.lstrip()[:4].upper() == "COPY":
            return prepare_load(_accepted(text), self.folder, self._columns)
        return (comment.group() if comment else "") + _translated(text)

    def _columns(self, table: str) -> list[Column]:
        with postgres_session(self.server_url) as cursor:
            cursor.execute(
                "select attname, atttypid in ('varchar'::regtype, 'bpchar'::regtype, 'text'::regtype),"
                " case when atttypid = 'varchar'::regtype and atttypmod > 0 then atttypmod - 4 end"
                " from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped"
                " order by attnum",
                [table],
            )
            return [Column(*row) for row in cursor.fetchall()]


@lru_cache(maxsize=4096)
def _translated(sql: str) -> str:
    return translate(_accepted(sql))


def _accepted(sql: str) -> Statement:
    try:
        statement = Statement.parse(sql)
    except SqlglotError as error:
        raise RefusedError(SqlError("42601", f"syntax error: {error}")) from error
    if refusal := refusal_of(statement):
        raise RefusedError(refusal.error())
    return statement


@contextmanager
def redshift_server(folder: Path) -> Iterator[Redshift]:
    """A stand-in with its data and certificate in the folder."""
    postgres, tls, loads = folder / "postgres", folder / "tls", folder / "loads"
    for part in (postgres, tls, loads):
        part.mkdir(parents=True)
    certificate, key = self_signed(tls)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with postgres_server(postgres) as url:
        _set_up(url)
        faults = Faults()
        server_url = _with_database(url, DATABASE)
        journal = Journal(lambda: postgres_session(server_url))
        prepare = _Preparation(server_url, loads)
        proxy = Proxy(_socket_path(url), USER, PASSWORD, context, prepare, faults, journal)
        with _listening(proxy) as port:
            yield Redshift("127.0.0.1", port, certificate, journal, faults, server_url, url)


def _set_up(url: str) -> None:
    with postgres_session(url) as cursor:
        # one server for many tests: what a crash would cost is of no interest
        for setting in ("fsync = off", "full_page_writes = off", "synchronous_commit = off"):
            cursor.execute(f"alter system set {setting}")
        cursor.execute("select pg_reload_conf()")
        cursor.execute(f"create role {USER} superuser login")
        for role in (USER, "postgres"):
            for setting, value in _SESSION.items():
                cursor.execute(f"alter role {role} set {setting} = {value}")
        # Redshift sorts texts by their bytes
        cursor.execute(f"create database {_PRISTINE} owner {USER} template template0 locale 'C'")
    with postgres_session(_with_database(url, _PRISTINE)) as cursor:
        cursor.execute(_CATALOG.read_text())
    with postgres_session(url) as cursor:
        _copy_database(cursor, _PRISTINE, DATABASE)


def _copy_database(cursor: psycopg2.extensions.cursor, name: str, copy: str) -> None:
    cursor.execute(f'drop database if exists "{copy}" with (force)')
    cursor.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
    cursor.execute(f'create database "{copy}" template "{name}" strategy file_copy')


def _with_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _socket_path(url: str) -> str:
    query = parse_qs(urlsplit(url).query)
    return f"{query['host'][0]}/.s.PGSQL.{query.get('port', ['5432'])[0]}"


@contextmanager
def _listening(proxy: Proxy) -> Iterator[int]:
    """The proxy on a thread of its own; its port."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(proxy.serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, name="redshift", daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server, proxy), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _stop(server: asyncio.Server, proxy: Proxy) -> None:
    server.close()
    for client in proxy.clients:
        client.transport.abort()
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
