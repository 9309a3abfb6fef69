"""One client connection: uvicorn's httptools protocol with the limits and deadlines that it does not have.

What a request line and head may be is decided here, before any application code runs: at most 64 header fields and
16 KiB, one Host, never Content-Length beside Transfer-Encoding, an origin-form target as it was sent (`//x` stays
`//x`; signatures cover it) or an absolute one for the same host. Time is bounded in every phase that depends on the
client: until the first byte, until the end of the head (absolute, not since the last byte), a least progress while it
sends a body, a least progress while it takes a response. While the server itself does not read, the body's clock
stands still.
Sources: RFC 9112; RELIABILITY section 3, "HTTP layer".
"""

from __future__ import annotations

import asyncio
import urllib.parse
from asyncio.events import TimerHandle
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

MAX_HEADERS = 64
MAX_HEAD_BYTES = 16 * 1024
_BODY_FIELDS = frozenset({b"content-length", b"transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds."""

    head: float = 10.0
    """From the connection or from a request's first byte to the end of its head."""
    progress: float = 30.0
    """In each such period a client must send or take at least `progress_bytes`."""
    progress_bytes: int = 8 * 1024


class BadHead(Exception):
    """A head that is refused; only within this module."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def read_target(target: bytes, host: bytes) -> tuple[bytes, bytes]:
    """(raw path, raw query) of a request target, exactly as sent. Raises BadHead. Source: RFC 9112 section 3.2."""
    if not target.startswith(b"/"):
        scheme, separator, rest = target.partition(b"://")
        if not separator or scheme.lower() not in (b"http", b"https"):
            raise BadHead(400, "the request target must be a path")
        authority, slash, path = rest.partition(b"/")
        if not slash:
            authority, question, query = rest.partition(b"?")
            path = question + query
        if authority.lower() != host.lower():
            raise BadHead(400, "the request target names another host than the Host field")
        target = b"/" + path
    if b"#" in target or not target.isascii():
        raise BadHead(400, "the request target holds characters that must be escaped")
    path, _, query = target.partition(b"?")
    return path, query


def check_fields(headers: list[tuple[bytes, bytes]], http_version: str) -> bytes:
    """The host of a head whose framing is unambiguous, or BadHead. Source: RFC 9112 sections 3.2 and 6."""
    host: bytes | None = None
    length: bytes | None = None
    coding: bytes | None = None
    for name, value in headers:
        if name == b"host":
            if host is not None:
                raise BadHead(400, "a request has one Host field")
            host = value
        elif name == b"content-length":
            if length is not None or not value.isdigit() or len(value) > 18:
                raise BadHead(400, "a request has at most one Content-Length, a number")
            length = value
        elif name == b"transfer-encoding":
            if coding is not None or value.strip().lower() != b"chunked":
                raise BadHead(501, "the only transfer coding here is chunked")
            coding = value
    if length is not None and coding is not None:
        raise BadHead(400, "a request has a Content-Length or a Transfer-Encoding, not both")
    if host is None and http_version != "1.0":
        raise BadHead(400, "a request has a Host field")
    return host or b""


class Cycle(RequestResponseCycle):
    """A request and its response, with a way to send a small response whole: one call, one write."""

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send everything, or answer False when that has to wait (then use `send`). Names are lower case."""
        if self.flow.write_paused or self.response_started:
            return False
        if self.disconnected:
            return True
        content = [STATUS_LINE[status]]
        for name, value in (*self.default_headers, *headers):
            if b"\n" in value or b"\r" in value or b"\0" in value:
                raise ValueError(f"the header {name!r} holds a line break")
            if name == b"connection" and value == b"close":
                self.keep_alive = False
            else:
                content += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            content.append(b"connection: close\r\n")
        content.append(b"\r\n")
        if self.scope["method"] != "HEAD":
            content.append(body)
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(b"".join(content))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True


class Connection(HttpToolsProtocol):
    """See the module."""

    deadlines: ClassVar[Deadlines] = Deadlines()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._in_head = True
        self._head_bytes = 0
        self._refused: BadHead | None = None
        self._head_timer: TimerHandle | None = None
        self._body_timer: TimerHandle | None = None
        self._write_timer: TimerHandle | None = None
        self._body_bytes = 0
        self._stood_still = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.deadlines.head, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._body_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._refused is not None or self.parser is None:
            return
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(BadHead(400, "this server does not change protocols"))
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, BadHead) else BadHead(400, "this is not an HTTP/1.1 request"))
        else:
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
        self.expect_100_continue = False
        self.headers = []
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= MAX_HEADERS:
            raise BadHead(431, "the request has too many header fields")
        name = name.lower()
        if name == b"expect":
            if value.lower() != b"100-continue":
                raise BadHead(417, "the only expectation here is 100-continue")
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = self.parser
        version = parser.get_http_version()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD_BYTES:
            raise BadHead(431, "the head of the request is too large")
        host = check_fields(self.headers, version)
        raw_path, raw_query = read_target(self.url, host)
        path = raw_path.decode("ascii")
        if "%" in path:
            path = urllib.parse.unquote(path)
        self._in_head = False
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "http",
            "method": parser.get_method().decode("ascii"),
            "root_path": self.root_path,
            "path": path,
            "raw_path": raw_path,
            "query_string": raw_query,
            "headers": self.headers,
            "state": self.app_state.copy(),
            "lockhouse.is_closing": self.transport.is_closing,
        }
        self.scope = cast("Any", scope)
        self._start(keep_alive=version != "1.0" and parser.should_keep_alive())

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        self._head_bytes = 0
        super().on_message_complete()

    # Writing

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            # The buffer must drain from its high to its low mark (48 KiB) in this time.
            self._write_timer = self.loop.call_later(self.deadlines.progress, self._drop)

    def resume_writing(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def _start(self, *, keep_alive: bool) -> None:
        limit = self.limit_concurrency
        full = limit is not None and (len(self.connections) >= limit or len(self.tasks) >= limit)
        app = cast("Any", service_unavailable) if full else self.app
        existing = self.cycle
        self.cycle = cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        cast("dict[str, Any]", self.scope)["lockhouse.respond"] = cycle.respond
        self._body_bytes = 0
        self._stood_still = False
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        if any(name in _BODY_FIELDS for name, _ in self.headers):
            self._body_timer = self.loop.call_later(self.deadlines.progress, self._check_body)
        if existing is None or existing.response_complete:
            self._start_asgi_task(self.cycle, app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, app))

    # Deadlines

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._in_head and not self.transport.is_closing():
            if self._head_bytes:
                self._refuse(BadHead(408, "the head of the request did not come in time"))
            else:
                self.transport.close()

    def _check_body(self) -> None:
        self._body_timer = None
        cycle = self.cycle
        if not cycle.more_body or cycle.response_complete or self.transport.is_closing():
            return
        # The clock stands still while it is the server that keeps the client from sending.
        waits_for_us = self.flow.read_paused or cycle.waiting_for_100_continue or bool(self.pipeline)
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
        if self.cycle is not None and not self.cycle.response_complete:
            # Behind a request that is still being answered nothing more can be said: it would be taken for its answer.
            self._drop()
            return
        text = f"cannot accept this request: {why.reason}\n".encode()
        phrase = STATUS_LINE.get(why.status) or f"HTTP/1.1 {why.status} {HTTPStatus(why.status).phrase}\r\n".encode()
        fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        head = b"".join(
            name + b": " + value + b"\r\n"
            for name, value in (
                *self.server_state.default_headers,
                *fields,
                (b"content-length", str(len(text)).encode("ascii")),
            )
        )
        self.transport.write(phrase + head + b"\r\n" + text)
        self.transport.close()


def connection_class(deadlines: Deadlines) -> type[Connection]:
    """The protocol class for `uvicorn.Config(http=…)` with these deadlines."""
    return type("Connection", (Connection,), {"deadlines": deadlines})
