"""A second way to a client's socket, for the large pieces of a body: written by a thread, not by the event loop.

The loop's transport holds the interpreter while the kernel copies what it sends; so nothing else is read, opened or
answered in that time. A thread lets it go. It writes only what the socket takes at once, and only while the transport
has nothing of its own to send; the transport sends the rest and waits for the client, with its deadlines. The socket
is held by a descriptor of our own, so that a number which the transport has given back is never written to.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from types import TracebackType
from typing import Self

from lockhouse.runtime.streams import Piece

LARGE = 256 * 1024
"""Bytes of a piece that are worth a thread."""


class Push:
    """For one answer. Use it as a context."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._file = -1
        self._writing: asyncio.Future[int] | None = None

    def __enter__(self) -> Self:
        if sys.platform != "win32" and self._transport.get_extra_info("sslcontext") is None:
            peer: socket.socket | None = self._transport.get_extra_info("socket")
            if peer is not None and peer.fileno() >= 0:
                self._file = os.dup(peer.fileno())
                self._transport.set_write_buffer_limits(high=0)  # so that "drained" means that nothing is left
        return self

    async def send(self, head: bytes, piece: Piece) -> None:
        """Send both, or have the transport send what the socket does not take."""
        transport, taken = self._transport, 0
        if len(piece) >= LARGE and self._file >= 0 and not transport.get_write_buffer_size():
            self._writing = asyncio.get_running_loop().run_in_executor(None, _write, self._file, head, piece)
            taken = await asyncio.shield(self._writing)
            self._writing = None
            if taken < 0:
                transport.abort()
            if transport.is_closing():  # meanwhile
                return
        if taken < len(head):
            transport.write(head[taken:])
        if taken < len(head) + len(piece):
            transport.write(memoryview(piece)[max(0, taken - len(head)) :])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file < 0:
            return
        if not self._transport.is_closing():
            self._transport.set_write_buffer_limits()
        if self._writing is None:
            os.close(self._file)
        else:  # the server ends while a thread writes
            self._writing.add_done_callback(lambda _: os.close(self._file))


def _write(file: int, head: bytes, piece: Piece) -> int:
    """How many of these bytes the socket has taken; -1: the client has gone. (An exception would keep the piece alive
    in its traceback, and its memory from being used again.)"""
    try:
        return os.writev(file, (head, piece))
    except BlockingIOError:
        return 0
    except OSError:
        return -1
