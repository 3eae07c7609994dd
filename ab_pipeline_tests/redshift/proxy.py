"""The proxy: speaks Redshift's side of the protocol to clients, and PostgreSQL's to the server behind it."""

from __future__ import annotations

import asyncio
import re
import ssl
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from ab_pipeline_tests.redshift import messages
from ab_pipeline_tests.redshift.faults import SERIALISATION, Fault, Faults
from ab_pipeline_tests.redshift.journal import Execution, Journal, next_transaction
from ab_pipeline_tests.redshift.load import Load, LoadRefusedError, load_error
from ab_pipeline_tests.redshift.messages import Message, RefusedError, SqlError

SERVER_VERSION = "8.0.2"
# what the driver sends and PostgreSQL does not know
_DROPPED_PARAMETERS = {
    "client_protocol_version",
    "driver_discovery_version",
    "driver_version",
    "os_version",
    "plugin_name",
}
# a name that no client gives a prepared statement, and SQL that nobody writes: the server fails, and says what we say
_NO_STATEMENT, _NO_SQL = "stand_in_refuses", "refused"
_QUERY_GROUP = re.compile(r"^\s*set\s+query_group\s*(?:to|=)\s*'?([^';]*)'?", re.IGNORECASE)
_LINE_OF_COPY = re.compile(r"line (\d+)(?:, column (\w+))?")


@dataclass(frozen=True)
class Proxy:
    """What all connections share."""

    socket_path: str
    user: str
    password: str
    certificate: ssl.SSLContext
    translate: Callable[[str], str | Load]
    faults: Faults
    journal: Journal
    clients: set[StreamWriter] = field(default_factory=set)

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One client, from its first byte to its last."""
        self.clients.add(writer)
        try:
            code, body = await messages.read_startup(reader)
            if code == messages.SSL_REQUEST:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(self.certificate)
                code, body = await messages.read_startup(reader)
            if code == messages.CANCEL_REQUEST:
                await self._cancel(body)
            else:
                await self._converse(reader, writer, messages.startup_parameters(body))
        except (OSError, asyncio.IncompleteReadError):
            pass  # a client may go at any moment
        finally:
            self.clients.remove(writer)
            await _close(writer)

    async def _cancel(self, body: bytes) -> None:
        _, to_server = await asyncio.open_unix_connection(self.socket_path)
        to_server.write(struct.pack("!ii", len(body) + 8, messages.CANCEL_REQUEST) + body)
        await _close(to_server)

    async def _converse(self, reader: StreamReader, writer: StreamWriter, parameters: dict[str, str]) -> None:
        # every password is asked for and checked here: the server behind trusts its socket
        writer.write(Message(b"R", struct.pack("!i", 3)).encode())
        answer = await messages.read_message(reader)
        password = answer.body.rstrip(b"\0").decode() if answer else ""
        if (parameters.get("user"), password) != (self.user, self.password):
            user = parameters.get("user", "")
            error = SqlError("28000", f'password authentication failed for user "{user}"', severity="FATAL")
            writer.write(error.message_to_client().encode())
            return
        from_server, to_server = await asyncio.open_unix_connection(self.socket_path)
        kept = {name: value for name, value in parameters.items() if name not in _DROPPED_PARAMETERS}
        to_server.write(messages.startup(kept))
        conversation = _Conversation(self, reader, writer, from_server, to_server)
        tasks = [asyncio.create_task(conversation.requests()), asyncio.create_task(conversation.replies())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _close(to_server)


@dataclass
class _Prepared:
    """A statement as the client sent it, and the load that it starts if it is a COPY."""

    sql: str = ""
    load: Load | None = None
    refused: RefusedError | None = None


@dataclass
class _Conversation:
    """One client and its session on the server."""

    proxy: Proxy
    from_client: StreamReader
    to_client: StreamWriter
    from_server: StreamReader
    to_server: StreamWriter
    prepared: dict[str, _Prepared] = field(default_factory=dict)
    running: Execution | None = None
    in_transaction: list[Execution] = field(default_factory=list)
    session: int = 0
    transaction: int = field(default_factory=next_transaction)
    label: str = "default"
    # what the client is told in place of the server's next error
    next_error: SqlError | None = None
    # set while the server answers something that the client did not ask
    aside: asyncio.Future[SqlError | None] | None = None
    aside_error: SqlError | None = None
    is_deaf: bool = False
    commit_is_due: bool = False

    async def requests(self) -> None:
        while message := await messages.read_message(self.from_client):
            self.to_server.write((await self._request(message)).encode())
            await self.to_server.drain()

    async def replies(self) -> None:
        while message := await messages.read_message(self.from_server):
            reply = self._reply(message)
            if reply and not self.is_deaf:
                self.to_client.write(reply.encode())
                await self.to_client.drain()

    async def _request(self, message: Message) -> Message:
        """What the server gets in place of a client's message."""
        if message.kind == b"Q":
            [sql], _ = messages.split_texts(message.body, 1)
            translated = await self._prepare("", sql)
            try:
                await self._start(self.prepared[""])
            except RefusedError as refused:
                self.next_error, translated = refused.error, _NO_SQL
            return Message(b"Q", messages.join_texts([translated]))
        if message.kind == b"P":
            [name, sql], types = messages.split_texts(message.body, 2)
            if self.commit_is_due:
                await self._ask("commit")
                self.commit_is_due = False
            translated = await self._prepare(name, sql)
            if refused := self.prepared[name].refused:
                self._note(self.prepared[name]).end(error=refused.error.message)
                self.next_error = refused.error
            return Message(b"P", messages.join_texts([name, translated], types))
        if message.kind == b"B":
            # a statement that is prepared is executed by its name, again and again
            [portal, name], values = messages.split_texts(message.body, 2)
            try:
                await self._start(self.prepared.get(name, _Prepared()))
            except RefusedError as refused:
                self.next_error = refused.error
                return Message(b"B", messages.join_texts([portal, _NO_STATEMENT], values))
        return message

    async def _prepare(self, name: str, sql: str) -> str:
        """The server's SQL for a client's, or SQL that fails."""
        prepared = self.prepared[name] = _Prepared(sql)
        try:
            translated = await asyncio.to_thread(self.proxy.translate, sql)
        except RefusedError as refused:
            prepared.refused = refused
            return _NO_SQL
        if isinstance(translated, Load):
            prepared.load = translated
            return translated.sql
        return translated

    def _note(self, prepared: _Prepared) -> Execution:
        self.running = Execution(prepared.sql, self.session, self.transaction, self.label, prepared.load)
        self.proxy.journal.executions.append(self.running)
        self.in_transaction.append(self.running)
        if isinstance(prepared.refused, LoadRefusedError):
            self.proxy.journal.note_load_error(self.running, prepared.refused.row)
        return self.running

    async def _start(self, prepared: _Prepared) -> None:
        """Note a statement that is about to run, and do to it what was asked for.

        Raises:
            RefusedError: it is to fail.
        """
        if self.proxy.journal.is_asked_for(prepared.sql):
            await asyncio.to_thread(self.proxy.journal.publish)
        running = self._note(prepared)
        if prepared.refused:
            running.end(error=prepared.refused.error.message)
            raise prepared.refused
        if group := _QUERY_GROUP.search(prepared.sql):
            self.label = group.group(1)
        fault = self.proxy.faults.of(prepared.sql)
        if fault is None:
            return
        if fault.kind is Fault.DROP:
            self.to_client.transport.abort()
            raise ConnectionAbortedError
        if fault.kind is Fault.DROP_AFTER:
            self.is_deaf = True
        elif fault.kind is Fault.SLOW:
            if error := await self._ask(f"select pg_catalog.pg_sleep({fault.seconds})"):
                raise RefusedError(error)
        elif fault.error:
            raise RefusedError(fault.error)

    async def _ask(self, sql: str) -> SqlError | None:
        """Have the server run something in the client's own session, and keep its answer from the client."""
        self.aside, self.aside_error = asyncio.get_running_loop().create_future(), None
        self.to_server.write(Message(b"Q", messages.join_texts([sql])).encode())
        try:
            return await self.aside
        finally:
            self.aside = None

    def _reply(self, message: Message) -> Message | None:
        """What the client gets in place of a server's message."""
        if self.aside and not self.aside.done():
            return self._answer_aside(message, self.aside)
        match message.kind:
            case b"S" if message.body.startswith(b"server_version\0"):
                return messages.parameter_status("server_version", SERVER_VERSION)
            case b"K":
                [self.session] = struct.unpack("!i", message.body[:4])
            case b"C":
                self._end(message.body)
            case b"E":
                return self._fail(SqlError.of_message(message.body), message)
            case b"Z":
                if message.body == b"I" and self.in_transaction:
                    self.proxy.journal.note_end_of_transaction(self.in_transaction)
                    self.in_transaction, self.transaction = [], next_transaction()
                if self.is_deaf:
                    # the statement is done, and its client shall not know
                    self.to_client.transport.abort()
        return message

    def _answer_aside(self, message: Message, aside: asyncio.Future[SqlError | None]) -> Message | None:
        if message.kind == b"E":
            self.aside_error = SqlError.of_message(message.body)
            # the session is gone: no more answers will come
            return message if self.aside_error.severity == "FATAL" else None
        if message.kind == b"Z":
            aside.set_result(self.aside_error)
        return None

    def _end(self, tag: bytes) -> None:
        if self.running and not self.running.ended:
            *_, last = tag.rstrip(b"\0").split(b" ")
            self.running.end(num_of_rows=int(last) if last.isdigit() else 0)
            # TRUNCATE commits the transaction in which it is run
            self.commit_is_due = tag.startswith(b"TRUNCATE")

    def _fail(self, error: SqlError, message: Message) -> Message:
        """An error as Redshift words it."""
        if self.next_error:
            error, self.next_error = self.next_error, None
        elif error.code == "40001":
            error = SERIALISATION
        elif self.running and self.running.load and not self.running.ended:
            load = self.running.load
            line = _LINE_OF_COPY.search(message.body.decode(errors="replace"))
            url, number = load.file_at(int(line.group(1))) if line else ("", 0)
            column = line.group(2) or "" if line else ""
            row = (load.copy.table, url, number, column, error.message)
            self.proxy.journal.note_load_error(self.running, row)
            error = load_error(load.copy.table)
        else:
            self._end_with(error)
            return message
        self._end_with(error)
        return error.message_to_client()

    def _end_with(self, error: SqlError) -> None:
        if self.running and not self.running.ended:
            self.running.end(error=error.message)


async def _close(writer: StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
