"""Raw ASGI to `protocols.web` and back: one Request in, one Response out, for a few microseconds each.

A body that the client did not send to its end raises BodyIncomplete, so it can never look whole. `100 Continue` is sent
only when a handler begins to read (uvicorn does so on the first `receive`), so a refusal comes before the body. A body
that no handler wanted is drained if little of it is left; otherwise the connection is closed after the answer.
"""

from __future__ import annotations

import itertools
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import Any

from lockhouse.errors import BodyIncomplete, BodyTooLarge
from lockhouse.protocols.web import Handler, Headers, Request, Response, Stream

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

DRAIN_BYTES = 2 * 1024 * 1024
_BODILESS = frozenset({204, 304})
_log = logging.getLogger("lockhouse.edge")


_PROCESS = secrets.token_hex(4).upper()
_numbers = itertools.count(secrets.randbelow(1 << 24))


def new_request_id() -> str:
    """16 capital hex digits, unique: what AWS clients print as RequestID. It names a request and is no secret."""
    return f"{_PROCESS}{next(_numbers) & 0xFFFFFFFF:08X}"


def adapt(handler: Handler, *, max_body: int, request_id: Callable[[], str] = new_request_id) -> Application:
    """The ASGI application of a handler. `max_body`: bytes of one request's body as it is on the wire."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _Exchange(scope, receive, max_body)
        client = scope.get("client")
        request = Request(
            method=scope["method"],
            raw_path=scope["raw_path"],
            raw_query=scope["query_string"],
            headers=exchange.headers,
            scheme=scope["scheme"],
            peer=client[0] if client else "",
            request_id=request_id(),
            chunks=exchange.chunks,
            disconnected=exchange.disconnected,
        )
        try:
            response = await handler(request)
        except Exception:  # noqa: BLE001 - the edge: whatever went wrong, the client gets an answer
            _log.exception("Cannot serve a request request=%s", request.request_id)
            response = Response(
                500,
                [(b"content-type", b"text/plain; charset=utf-8")],
                f"internal error; request id {request.request_id}\n".encode(),
            )
        await _answer(request, response, exchange, scope, send)

    return application


class _Exchange:
    """The request's body, and what has become of it."""

    __slots__ = ("_announced", "_chunked", "_limit", "_receive", "gone", "headers", "read", "taken")

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        self.headers = Headers(scope["headers"])
        self._receive = receive
        self._limit = limit
        length = self.headers.get("content-length")
        self._announced = int(length) if length is not None and length.isdigit() else 0
        self._chunked = "transfer-encoding" in self.headers
        self.taken = 0
        self.read = not self._announced and not self._chunked
        self.gone = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """`Request.chunks`. Errors: `body.too_large` before anything is read where the length is announced,
        `body.incomplete`."""
        if self._announced > self._limit:
            raise self._too_large()
        while not self.read:
            message = await self._receive()
            if message["type"] != "http.request":
                self.gone = True
                raise BodyIncomplete("the client left before its whole body had come")
            self.read = not message.get("more_body", False)
            body: bytes = message.get("body", b"")
            if body:
                self.taken += len(body)
                if self.taken > self._limit:
                    raise self._too_large()
                yield body

    async def disconnected(self) -> None:
        """`Request.disconnected`."""
        while not self.gone:
            message = await self._receive()
            self.gone = message["type"] == "http.disconnect"

    async def settle(self) -> bool:
        """Whether the connection can be used again: the body was read, or the little that is left of it is dropped."""
        if self.read or self.gone:
            return self.read
        left = self._announced - self.taken
        if self._chunked or left > DRAIN_BYTES or "expect" in self.headers:
            return False
        while not self.read:
            message = await self._receive()
            if message["type"] != "http.request":
                self.gone = True
                return False
            self.read = not message.get("more_body", False)
        return True

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"cannot take more than {self._limit} bytes in one request",
            hint="raise the setting max_body",
            limit=self._limit,
        )


async def _generator(body: Stream) -> AsyncGenerator[bytes, None]:
    """The stream as a generator that can be closed, so that a client who leaves ends the reading."""
    chunks = body.chunks()
    try:
        async for piece in chunks:
            yield piece
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


def _never() -> bool:
    return False


async def _answer(request: Request, response: Response, exchange: _Exchange, scope: Scope, send: Send) -> None:
    body = response.body
    headers = response.headers
    headers.append((b"x-request-id", request.request_id.encode("ascii")))
    if response.status not in _BODILESS:
        if request.method == "HEAD" and response.head_length is not None:
            length = response.head_length
        else:
            length = len(body) if isinstance(body, bytes) else body.length
        headers.append((b"content-length", b"%d" % length))
    try:
        if not exchange.read and not await exchange.settle():
            headers.append((b"connection", b"close"))
        if isinstance(body, bytes):
            respond = scope.get("lockhouse.respond")
            if respond is not None and respond(response.status, headers, body):
                return
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if isinstance(body, bytes):
            await send({"type": "http.response.body", "body": body})
            return
        if request.method != "HEAD":
            is_closing = scope.get("lockhouse.is_closing", _never)
            async with aclosing(_generator(body)) as pieces:
                async for piece in pieces:
                    if is_closing():
                        return
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        if not isinstance(body, bytes):
            body.close()
