"""One request and its answer on a connection: the body as it comes in, the response as it goes out.

A body that the client did not send to its end raises BodyIncomplete, so it can never look whole. A small body that had
come with its head is handed on in one piece. `100 Continue` is sent only when a handler begins to read, so a refusal
comes before the body. What comes faster than it is read waits in the client, but for `READ_AHEAD` bytes. A body that no
handler wanted is dropped if little of it is left; otherwise the connection is closed after the answer.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from uvicorn.protocols.http.flow_control import FlowControl

from lockhouse.errors import BodyIncomplete, BodyTooLarge

READ_AHEAD: Final = 128 * 1024
DRAIN_BYTES: Final = 2 * 1024 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_PROCESS = secrets.token_hex(4).upper()
_numbers = itertools.count(secrets.randbelow(1 << 24))


def new_request_id() -> str:
    """16 capital hex digits, unique: what AWS clients print as RequestID. It names a request and is no secret."""
    return _PROCESS + (next(_numbers) & 0xFFFFFFFF).to_bytes(4, "big").hex().upper()


class Exchange(msgspec.Struct, eq=False):
    """See the module. The connection feeds it, and tells it when the client has gone."""

    _transport: asyncio.Transport
    _flow: FlowControl
    method: str
    _announced: int
    """Bytes of the body, as the head says; 0 where it does not."""
    _limit: int
    """Most bytes of a body, as it is on the wire."""
    _uncertain: bool
    """How much of the body is to come nobody has said (it is chunked), or whether it will (the client asks first)."""
    keep_alive: bool
    unasked: bool
    """The client waits to be told that its body is wanted."""
    _pieces: list[bytes] = []
    _waiting: int = 0
    _taken: int = 0
    _waker: asyncio.Future[None] | None = None
    more: bool = True
    """The body has not come to its end."""
    complete: bool = False
    """The answer was given."""
    gone: bool = False
    """The client has left."""
    whole: bytes | None = None
    """The body, if it had come before the handler was started and is within the limit."""

    # What the connection calls

    def feed(self, piece: bytes) -> None:
        """More of the body."""
        if self.complete:
            return
        self._pieces.append(piece)
        self._waiting += len(piece)
        if self._waiting > READ_AHEAD:
            self._flow.pause_reading()
        if self._waker is not None:
            self._wake()

    def end_body(self) -> None:
        """That was all of the body."""
        self.more = False
        if self._waker is not None:
            self._wake()

    def start(self) -> None:
        """The handler begins: what has come by now is handed on at once."""
        if not self.more and self._waiting <= self._limit:
            pieces = self._pieces
            self.whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def leave(self) -> None:
        """The client has closed the connection."""
        self.gone = True
        if self._waker is not None:
            self._wake()

    # What the handler calls

    async def chunks(self) -> AsyncIterator[bytes]:
        """`Request.chunks`. Errors: `body.too_large` before anything is read where the length is announced,
        `body.incomplete`."""
        if self._announced > self._limit:
            raise self._too_large()
        while True:
            for piece in self._take():
                self._taken += len(piece)
                if self._taken > self._limit:
                    raise self._too_large()
                yield piece
            if self._pieces:
                continue
            if not self.more:
                return
            if self.gone:
                raise BodyIncomplete("the client left before its whole body had come")
            await self._change()

    async def disconnected(self) -> None:
        """`Request.disconnected`."""
        while not self.gone:
            await self._change()

    async def settle(self) -> bool:
        """Whether the connection can be used again: the body was read, or the little that is left of it is dropped."""
        too_much = self._uncertain or self._announced - self._taken > DRAIN_BYTES
        while not self._over():
            if too_much:
                return False
            self._take()
            await self._change()
        return not self.more

    async def linger(self) -> None:
        """Drop the rest of the body as it comes, behind an answer that was given early. To close a connection with
        bytes unread resets it, and the client may never see what it was told. Source: RFC 9112 section 9.6."""
        while not self._over():
            self._take()
            await self._change()

    def _over(self) -> bool:
        return self.gone or not self.more

    def _take(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        self._waiting = 0
        return pieces

    async def _change(self) -> None:
        """Until something has come or ended."""
        if self.unasked and self.more:
            self.unasked = False
            if not self._transport.is_closing():
                self._transport.write(_CONTINUE)
        self._flow.resume_reading()
        self._waker = asyncio.get_running_loop().create_future()
        try:
            await self._waker
        finally:
            self._waker = None

    def _wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"cannot take more than {self._limit} bytes in one request",
            hint="raise the setting max_body",
            limit=self._limit,
        )
