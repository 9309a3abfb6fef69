"""How a connection answers: heads, small bodies in one write, streams piece by piece.

A client is told the length of a body before the first byte of it, so one that breaks off never looks whole. A body of
which nothing can be read is answered with 503 while nothing was sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from lockhouse.edge.exchange import Exchange
from lockhouse.edge.outbox import Outbox
from lockhouse.edge.pouring import NothingSent, pour, pulled
from lockhouse.errors import StorageUnavailable
from lockhouse.protocols.web import Request, Response, Stream
from lockhouse.runtime.streams import Piece

PLAIN = (b"content-type", b"text/plain; charset=utf-8")
_COPIED = 64 * 1024
"""Bodies below this are copied behind their head, which is cheaper than sending two pieces."""
_BODILESS = frozenset({204, 304})
_log = logging.getLogger("lockhouse.edge")


class Answers:
    """Those of one connection."""

    __slots__ = ("_defaults", "_flow", "_outbox", "_said", "_state", "_transport")

    def __init__(self, transport: asyncio.Transport, flow: FlowControl, state: ServerState, outbox: Outbox) -> None:
        self._transport = transport
        self._flow = flow
        self._state = state
        self._outbox = outbox
        self._defaults: list[tuple[bytes, bytes]] = []
        """The server's own fields, of which it makes a new list each second."""
        self._said = b""
        """Their lines."""

    def whole(
        self, exchange: Exchange, request: Request, response: Response, body: bytes, *, alone: bool = False
    ) -> None:
        """Give an answer whose body is here. `alone`: no other request of this connection waits for an answer, so that
        this one may be held for others."""
        try:
            head = self._head(exchange, request, response, len(body))
        except ValueError:
            _log.exception("Cannot send an answer request=%s", request.request_id)
            response = internal_error(request)
            body = cast("bytes", response.body)
            head = self._head(exchange, request, response, len(body))
        method = exchange.method
        if method == "HEAD":
            self._transport.write(head)
        elif len(body) < _COPIED:
            if method == "GET" and alone and exchange.keep_alive and not exchange.more:
                self._outbox.put(self._transport, head + body)
            else:
                self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))

    async def stream(self, exchange: Exchange, request: Request, response: Response, stream: Stream) -> None:
        """Give an answer whose body comes in pieces, and close the stream. Errors: those of the stream after something
        was sent; ValueError when it has another length than it said."""
        flow, transport = self._flow, self._transport
        try:
            head = self._head(exchange, request, response, stream.length)
            left = stream.length
            if flow.write_paused:
                await flow.drain()
            if exchange.gone:
                return
            if exchange.method == "HEAD" or not left:
                transport.write(head)
                return
            pull = pulled(transport, stream)
            if pull is not None:
                given, head = head, b""
                await pour(transport, flow, given, left, pull)
                return
            async with aclosing(_generator(stream)) as pieces:
                async for piece in pieces:
                    if flow.write_paused:
                        await flow.drain()
                    if exchange.gone or transport.is_closing():
                        return
                    left -= len(piece)
                    if left < 0:
                        break
                    transport.writelines((head, piece) if head else (piece,))
                    head = b""
            if left:
                raise ValueError("a stream has another length than it said")
        except (NothingSent, StorageUnavailable) as error:
            problem = error.__cause__ if isinstance(error, NothingSent) else error if head else None
            if not isinstance(problem, StorageUnavailable):
                raise
            self._tell(exchange, request, problem)
        finally:
            stream.close()

    def _tell(self, exchange: Exchange, request: Request, problem: StorageUnavailable) -> None:
        """That a body cannot be read at all. It was to be a body of any protocol, of which nothing is known here."""
        _log.error("Cannot read a body request=%s path=%s error=%s", request.request_id, _path(request), problem)
        if self._transport.is_closing():
            return
        hint = f"\nhint: {problem.hint}" if problem.hint else ""
        text = f"{problem.message}{hint}\nrequest id {request.request_id}\n".encode()
        self.whole(exchange, request, Response(503, [PLAIN], text), text)

    def _head(self, exchange: Exchange, request: Request, response: Response, length: int) -> bytes:
        """Status line and fields. ValueError when a field holds a line break."""
        status, defaults = response.status, self._state.default_headers
        if defaults is not self._defaults:
            self._defaults, self._said = defaults, b"".join(b"%b: %b\r\n" % field for field in defaults)
        parts = [STATUS_LINE[status], self._said]
        for name, value in response.headers:
            parts += (name, b": ", value, b"\r\n")
        lines = 2 + len(defaults) + len(response.headers)
        parts += (b"x-request-id: ", request.request_id.encode("ascii"), b"\r\n")
        if status not in _BODILESS:
            if response.head_length is not None and exchange.method == "HEAD":
                length = response.head_length
            parts.append(b"content-length: %d\r\n" % length)
            lines += 1
        if not exchange.keep_alive:
            parts.append(b"connection: close\r\n")
            lines += 1
        head = b"".join(parts)
        if head.count(b"\n") != lines or head.count(b"\r") != lines or head.count(b"\0"):
            raise ValueError("a response field holds a line break")
        return head + b"\r\n"


def internal_error(request: Request) -> Response:
    """That something went wrong here."""
    return Response(
        500, [PLAIN], f"internal error; request id {request.request_id}: the log of the server says why\n".encode()
    )


def log_failure(error: BaseException, request: Request) -> None:
    """What broke an answer off. The client, which was told the length, knows that it does not have the whole."""
    if isinstance(error, StorageUnavailable):
        _log.error(
            "Cannot read a body to its end request=%s path=%s error=%s", request.request_id, _path(request), error
        )
    elif isinstance(error, Exception):
        _log.error("Cannot send an answer request=%s", request.request_id, exc_info=error)


async def _generator(body: Stream) -> AsyncGenerator[Piece, None]:
    """The stream as a generator that can be closed, so that a client who leaves ends the reading."""
    chunks = body.chunks()
    try:
        async for piece in chunks:
            yield piece
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


def _path(request: Request) -> str:
    return request.raw_path.decode("latin-1")
