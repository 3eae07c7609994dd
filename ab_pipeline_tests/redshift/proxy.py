"""The proxy: speaks Redshift's side of the protocol to clients, and PostgreSQL's to the server behind it."""

from __future__ import annotations

import asyncio
import ssl
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from ab_pipeline_tests.redshift import messages
from ab_pipeline_tests.redshift.faults import Fault, Faults
from ab_pipeline_tests.redshift.messages import Message, SqlError

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


class RefusedError(Exception):
    """A statement that Redshift would refuse."""

    def __init__(self, error: SqlError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True)
class Proxy:
    """What all connections share."""

    socket_path: str
    user: str
    password: str
    certificate: ssl.SSLContext
    translate: Callable[[str], str]
    faults: Faults
    statements: list[str] = field(default_factory=list)
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
class _Conversation:
    """One client and its session on the server."""

    proxy: Proxy
    from_client: StreamReader
    to_client: StreamWriter
    from_server: StreamReader
    to_server: StreamWriter
    prepared: dict[str, str] = field(default_factory=dict)
    # what the client is told in place of the server's next error
    next_error: SqlError | None = None
    # set while the server answers something that the client did not ask
    aside: asyncio.Future[SqlError | None] | None = None
    is_deaf: bool = False

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
            try:
                await self._statement(sql)
                translated = self.proxy.translate(sql)
            except RefusedError as refused:
                self.next_error = refused.error
                translated = _NO_SQL
            return Message(b"Q", messages.join_texts([translated]))
        if message.kind == b"P":
            [name, sql], types = messages.split_texts(message.body, 2)
            self.prepared[name] = sql
            try:
                translated = self.proxy.translate(sql)
            except RefusedError as refused:
                self.next_error = refused.error
                translated = _NO_SQL
            return Message(b"P", messages.join_texts([name, translated], types))
        if message.kind == b"B":
            # a statement that is prepared is executed by its name, again and again
            [portal, name], values = messages.split_texts(message.body, 2)
            try:
                await self._statement(self.prepared.get(name, ""))
            except RefusedError as refused:
                self.next_error = refused.error
                return Message(b"B", messages.join_texts([portal, _NO_STATEMENT], values))
        return message

    async def _statement(self, sql: str) -> None:
        """Note a statement that is about to run, and do to it what was asked for.

        Raises:
            RefusedError: it is to fail.
        """
        self.proxy.statements.append(sql)
        fault = self.proxy.faults.of(sql)
        if fault is None:
            return
        if fault.kind is Fault.DROP:
            self.to_client.transport.abort()
            raise ConnectionAbortedError
        if fault.kind is Fault.DROP_AFTER:
            self.is_deaf = True
        elif fault.kind is Fault.SLOW:
            if error := await self._sleep(fault.seconds):
                raise RefusedError(error)
        elif fault.error:
            raise RefusedError(fault.error)

    async def _sleep(self, seconds: float) -> SqlError | None:
        """Keep the server busy in the client's own session, so that it can be cancelled."""
        self.aside = asyncio.get_running_loop().create_future()
        self.to_server.write(Message(b"Q", messages.join_texts([f"select pg_catalog.pg_sleep({seconds})"])).encode())
        try:
            return await self.aside
        finally:
            self.aside = None

    def _reply(self, message: Message) -> Message | None:
        """What the client gets in place of a server's message."""
        if self.aside and not self.aside.done():
            return self._aside(message, self.aside)
        if message.kind == b"S" and message.body.startswith(b"server_version\0"):
            return messages.parameter_status("server_version", SERVER_VERSION)
        if message.kind == b"E" and self.next_error:
            error, self.next_error = self.next_error, None
            return error.message_to_client()
        if message.kind == b"Z" and self.is_deaf:
            # the statement is done, and its client shall not know
            self.to_client.transport.abort()
        return message

    def _aside(self, message: Message, aside: asyncio.Future[SqlError | None]) -> Message | None:
        if message.kind == b"E":
            fields = {chr(part[0]): part[1:].decode() for part in message.body.split(b"\0") if part}
            error = SqlError(fields["C"], fields["M"], severity=fields["S"])
            self._slept = error
            # the session is gone: no more answers will come
            return message if error.severity == "FATAL" else None
        if message.kind == b"Z":
            aside.set_result(self.__dict__.pop("_slept", None))
        return None


async def _close(writer: StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
