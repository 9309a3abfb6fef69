"""One client connection: uvicorn's httptools protocol with the limits and deadlines that it does not have, and a
`protocols.web.Handler` in the place of an ASGI application.

What a head may be `edge.heads` says. Time is bounded in every phase that depends on the client: until the first byte,
until the end of the head (absolute, not since the last byte), a least progress while it sends a body, a least progress
while it takes a response. While the server itself does not read, the body's clock stands still.
Sources: RFC 9112; RELIABILITY section 3, "HTTP layer".
"""

from __future__ import annotations

import asyncio
import logging
from asyncio.events import TimerHandle
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from lockhouse.edge.addresses import Network, client_of, counted, is_trusted
from lockhouse.edge.answers import PLAIN, Answers, internal_error, log_failure
from lockhouse.edge.exchange import Exchange, new_request_id
from lockhouse.edge.heads import MAX_HEAD_BYTES, MAX_HEADERS, MAX_KEPT_TARGET, BadHead, check_fields, read_target
from lockhouse.edge.outbox import Outbox
from lockhouse.edge.pouring import untaken
from lockhouse.protocols.web import Handler, Headers, Request, Response, Stream

LINGER_SECONDS = 30.0
"""How long, after an early answer, the rest of a body is dropped as it comes before the connection is closed."""
LEAVE_SECONDS = 1.0
"""How long a client under TLS has to close its side of a connection that we have closed."""
LEAST_TAKEN = 48 * 1024
"""Bytes of an answer that a client must take in each period of its deadline."""
_log = logging.getLogger("lockhouse.edge")
_FULL = (
    b"cannot serve this request: as many connections are open as may be\nhint: try again; the setting max_connections\n"
)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds."""

    head: float = 10.0
    """From the connection or from a request's first byte to the end of its head."""
    progress: float = 30.0
    """In each such period a client must send or take at least `progress_bytes`."""
    progress_bytes: int = 8 * 1024


class Connection(HttpToolsProtocol):
    """See the module. uvicorn keeps the parser, the connection's place in the server and the transport's flow; what
    becomes of a request is decided here."""

    deadlines: ClassVar[Deadlines] = Deadlines()
    max_body: ClassVar[int] = 1 << 40
    """Bytes of one request's body as it is on the wire."""
    max_per_address: ClassVar[int] = 0
    """Connections of one network address; 0: any number."""
    trusted: ClassVar[tuple[Network, ...]] = ()
    """Where proxies are that tell the client's address."""
    per_address: ClassVar[dict[str, int]] = {}
    """Connections open now, by the name that limits count an address under."""
    outbox: ClassVar[Outbox] = Outbox()
    """Answers that go out together."""

    __slots__ = (
        "_answers",
        "_arrived",
        "_behind_proxy",
        "_body_bytes",
        "_body_timer",
        "_counted",
        "_exchange",
        "_handler",
        "_head_bytes",
        "_head_timer",
        "_idle_since",
        "_idle_timer",
        "_in_head",
        "_next",
        "_peer",
        "_queue",
        "_refused",
        "_request",
        "_served",
        "_stood_still",
        "_untaken",
        "_worker",
        "_write_timer",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._handler = cast("Handler", self.app)
        self._exchange: Exchange | None = None
        """The one whose head came last."""
        self._served: Exchange | None = None
        """The one that is being answered."""
        self._queue: deque[tuple[Exchange, Request]] = deque()
        """Those that wait for their turn."""
        self._worker: asyncio.Task[None] | None = None
        """Serves the requests of this connection one after the other: a task for each would cost more."""
        self._next: asyncio.Future[None] | None = None
        """What it waits for between two requests."""
        self._idle_timer: TimerHandle | None = None
        self._idle_since = 0.0
        self._request: Request | None = None
        """That of `_exchange`, until it is handed on."""
        self._in_head = True
        self._head_bytes = 0
        self._arrived = 0
        """Bytes of what is being parsed."""
        self._refused: BadHead | None = None
        self._head_timer: TimerHandle | None = None
        self._body_timer: TimerHandle | None = None
        self._write_timer: TimerHandle | None = None
        self._body_bytes = 0
        self._untaken = 0
        """Bytes of answers that the client had not taken when this was last looked at."""
        self._stood_still = False
        self._peer = ""
        self._behind_proxy = False
        self._counted = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._answers = Answers(transport, self.flow, self.server_state, self.outbox)
        self._peer = self.client[0] if self.client else ""
        self._behind_proxy = bool(self.trusted) and is_trusted(self._peer, self.trusted)
        if self.max_per_address and not self._behind_proxy:
            self._counted = counted(self._peer)
            count = self.per_address[self._counted] = self.per_address.get(self._counted, 0) + 1
            if count > self.max_per_address:
                self._refuse(BadHead(503, "too many connections are open from this network address"))
                return
        self._head_timer = self.loop.call_later(self.deadlines.head, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._counted:
            self.per_address[self._counted] -= 1
            if not self.per_address[self._counted]:
                del self.per_address[self._counted]
        for timer in (self._head_timer, self._body_timer, self._write_timer, self._idle_timer):
            if timer is not None:
                timer.cancel()
        for exchange in (self._served, *(waiting for waiting, _ in self._queue), self._exchange):
            if exchange is not None:
                exchange.leave()
        super().connection_lost(exc)
        if self._next is not None and not self._next.done():
            self._next.set_result(None)

    def eof_received(self) -> None:
        """The client says no more, which closes the connection: behind what was answered."""
        self.outbox.flush()

    def shutdown(self) -> None:
        if self._served is None and not self._queue and (self._exchange is None or self._exchange.complete):
            self._close()
        elif self._exchange is not None:
            self._exchange.keep_alive = False

    def data_received(self, data: bytes) -> None:
        self._idle_since = 0.0
        if self._refused is not None or self.parser is None:
            return
        self._arrived = len(data)
        if self._in_head:
            self._head_bytes += self._arrived
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(BadHead(400, "this server does not change protocols"))
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, BadHead) else BadHead(400, "this is not an HTTP/1.1 request"))
        else:
            if self._request is not None:
                self._hand_on()  # its body will come while it is served
            if not self._in_head:
                return
            self._head_bytes = self._head_bytes or len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(BadHead(431, "the head of the request is too large"))
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(self.deadlines.head, self._head_is_late)

    # Parser callbacks: an exception in one of them surfaces in `data_received` as HttpParserError.

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what comes behind a chunked body is no part of the head: RFC 9110 section 6.5.1
            headers = self.headers
            if len(headers) >= MAX_HEADERS:
                raise BadHead(431, "the request has too many header fields")
            headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        parser = self.parser
        version = parser.get_http_version()
        if self._head_bytes + self._arrived > MAX_HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > MAX_HEAD_BYTES:
                raise BadHead(431, "the head of the request is too large")
        headers = Headers(self.headers)
        expected = headers.first.get(b"expect")
        if expected is not None and any(
            value.lower() != b"100-continue" for name, value in self.headers if name == b"expect"
        ):
            raise BadHead(417, "the only expectation here is 100-continue")
        host, length, chunked = check_fields(headers, version)
        read = read_target if len(self.url) + len(host) <= MAX_KEPT_TARGET else read_target.__wrapped__
        raw_path, raw_query = read(self.url, host)
        self._in_head = False
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        method = parser.get_method().decode("ascii")
        self._exchange = exchange = Exchange(
            self.transport,
            self.flow,
            method,
            length,
            self.max_body,
            chunked or expected is not None,
            version != "1.0" and parser.should_keep_alive(),
            expected is not None,
        )
        self._request = Request(
            method,
            raw_path,
            raw_query,
            headers,
            self.scheme or "http",
            client_of(self._peer, headers.all("x-forwarded-for"), self.trusted) if self._behind_proxy else self._peer,
            new_request_id(),
            exchange.chunks,
            exchange.disconnected,
        )

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._exchange is not None:
            self._exchange.feed(body)

    def on_message_complete(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        self._head_bytes = 0
        if self._exchange is not None:
            self._exchange.end_body()
            if self._request is not None:
                self._hand_on()

    # Serving

    def _hand_on(self) -> None:
        """The request that was read goes to its handler, or behind the one before it."""
        exchange, request = self._exchange, self._request
        assert exchange is not None
        assert request is not None
        self._request = None
        if exchange.more:
            self._body_bytes = 0
            self._stood_still = False
            self._body_timer = self.loop.call_later(self.deadlines.progress, self._check_body)
        if self._served is not None or self._queue:
            self.flow.pause_reading()
        self._queue.append((exchange, request))
        self.outbox.unstarted += 1
        if self._worker is None:
            self._worker = self.loop.create_task(self._work())
        elif self._next is not None and not self._next.done():
            self._next.set_result(None)

    async def _work(self) -> None:
        queue, tasks, outbox = self._queue, self.tasks, self.outbox
        worker = self._worker
        assert worker is not None
        try:
            while True:
                while queue:
                    exchange, request = queue.popleft()
                    outbox.unstarted -= 1
                    self._served = exchange
                    tasks.add(worker)
                    exchange.start()
                    request.body = exchange.whole
                    await self._serve(exchange, request)
                tasks.discard(worker)
                if self.parser is None or self.transport.is_closing():
                    return
                self._next = self.loop.create_future()
                await self._next
        finally:
            tasks.discard(worker)

    async def _serve(self, exchange: Exchange, request: Request) -> None:
        try:
            limit = self.limit_concurrency
            if limit is not None and (len(self.connections) >= limit or len(self.tasks) > limit):
                exchange.keep_alive = False
                response = Response(503, [PLAIN], _FULL)
            else:
                try:
                    response = await self._handler(request)
                except Exception:  # noqa: BLE001 - the edge: whatever went wrong, the client gets an answer
                    _log.exception("Cannot serve a request request=%s", request.request_id)
                    response = internal_error(request)
            if exchange.more and not await exchange.settle():
                exchange.keep_alive = False
            if isinstance(response.body, Stream):
                await self._answers.stream(exchange, request, response, response.body)
            else:
                if self.flow.write_paused:
                    await self.flow.drain()
                if not exchange.gone:
                    self._answers.whole(exchange, request, response, response.body, alone=not self._queue)
            if exchange.more and not exchange.unasked and not self.transport.is_closing():
                if self.transport.can_write_eof():
                    self.transport.write_eof()
                with suppress(TimeoutError):
                    await asyncio.wait_for(exchange.linger(), LINGER_SECONDS)
        except BaseException as error:
            log_failure(error, request)
            self.transport.close()
            if not isinstance(error, Exception):
                raise
        finally:
            self._end(exchange)

    def _end(self, exchange: Exchange) -> None:
        """The exchange is over: the next one, or wait for it."""
        exchange.complete = True
        self._served = None
        self.server_state.total_requests += 1
        transport = self.transport
        if not exchange.keep_alive:
            self._close()
        if transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self._exchange is exchange:
            self._idle_since = self.loop.time()
            if self._idle_timer is None:
                self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._look_idle)

    def _close(self) -> None:
        """Close. Over TLS the loop would wait long for the client to take its leave too, and one that reads only what
        it has asked for never does. RFC 8446 section 6.1: nobody need wait for that."""
        self.transport.close()
        if self.scheme == "https":
            self.loop.call_later(LEAVE_SECONDS, self._leave)

    def _leave(self) -> None:
        if self in self.connections:
            if untaken(self.transport):
                self.loop.call_later(LEAVE_SECONDS, self._leave)
            else:
                self.transport.abort()

    def _look_idle(self) -> None:
        """Close a connection on which nothing has come for long since the last answer. One timer serves many requests:
        it looks when it might be time, and again when it might be time after that."""
        self._idle_timer = None
        if self._idle_since:
            left = self._idle_since + self.timeout_keep_alive - self.loop.time()
            if left <= 0:
                self.transport.close()
            else:
                self._idle_timer = self.loop.call_later(left, self._look_idle)

    # Writing

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._untaken = untaken(self.transport)
            self._write_timer = self.loop.call_later(self.deadlines.progress, self._check_taken)

    def resume_writing(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    # Deadlines

    def _check_taken(self) -> None:
        """While the transport is full: of what waits in it and in the system some must have gone."""
        self._write_timer = None
        if self.transport.is_closing():
            return
        before, self._untaken = self._untaken, untaken(self.transport)
        if before - self._untaken < LEAST_TAKEN:
            self._drop()
        else:
            self._write_timer = self.loop.call_later(self.deadlines.progress, self._check_taken)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._in_head and not self.transport.is_closing():
            if self._head_bytes:
                self._refuse(BadHead(408, "the head of the request did not come in time"))
            else:
                self.transport.close()

    def _check_body(self) -> None:
        self._body_timer = None
        exchange = self._exchange
        if exchange is None or not exchange.more or exchange.complete or self.transport.is_closing():
            return
        # The clock stands still while it is the server that keeps the client from sending.
        waits_for_us = self.flow.read_paused or exchange.unasked or bool(self._queue)
        if self._body_bytes < self.deadlines.progress_bytes and not waits_for_us and not self._stood_still:
            self._drop()
            return
        self._body_bytes = 0
        self._stood_still = waits_for_us
        self._body_timer = self.loop.call_later(self.deadlines.progress, self._check_body)

    def _drop(self) -> None:
        """End the connection at once; whoever reads the body learns that it is incomplete."""
        if not self.transport.is_closing():
            self.transport.abort()

    def _refuse(self, why: BadHead) -> None:
        self._refused = why
        if self.transport.is_closing():
            return
        if self._served is not None or self._queue:
            # Behind a request that is still being answered nothing more can be said: it would be taken for its answer.
            self._drop()
            return
        self._request = None
        text = f"cannot accept this request: {why.reason}\nhint: {why.hint}\n".encode()
        phrase = STATUS_LINE.get(why.status) or f"HTTP/1.1 {why.status} {HTTPStatus(why.status).phrase}\r\n".encode()
        fields = [PLAIN, (b"connection", b"close")]
        head = b"".join(
            name + b": " + value + b"\r\n"
            for name, value in (
                *self.server_state.default_headers,
                *fields,
                (b"content-length", str(len(text)).encode("ascii")),
            )
        )
        self.outbox.flush()  # the answer before this one may be there
        self.transport.write(phrase + head + b"\r\n" + text)
        self.transport.close()


def connection_class(
    deadlines: Deadlines, max_body: int, *, max_per_address: int = 0, trusted: tuple[Network, ...] = ()
) -> type[Connection]:
    """The protocol class for `uvicorn.Config(HANDLER, http=…, interface="asgi3")`: the handler stands where uvicorn
    expects an application. `max_body`: bytes of one request's body as it is on the wire; `max_per_address`: connections
    of one network address, 0 for any number; `trusted`: proxies whose X-Forwarded-For is believed."""
    settled = {
        "deadlines": deadlines,
        "max_body": max_body,
        "max_per_address": max_per_address,
        "trusted": trusted,
        "per_address": {},
        "outbox": Outbox(),
    }
    return type("Connection", (Connection,), settled)
