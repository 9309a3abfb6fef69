"""A large body from this machine's disk: one thread reads, opens and writes it to the client's socket, piece by piece.

The loop's transport holds the interpreter while the kernel copies what it sends, and two threads that hand each other
pieces wake each other a hundred times. One thread lets the interpreter go for nearly all of its time, wakes nobody, and
writes each piece while it is in the processor's cache. It writes only while the transport has nothing of its own to
send, and waits for a full socket only as long as a client takes that reads at once; the transport sends the rest and
waits for all others, with its deadlines. The socket is held by a descriptor of our own, so that a number which the
transport has given back is never written to.

The threads are a few of their own, and where there are more bodies they take turns: however many clients take large
ones as fast as they come, what else needs a thread (an upload, a small read) waits for none of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import select
import socket
import sys
import termios
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from uvicorn.protocols.http.flow_control import FlowControl

from lockhouse.runtime.streams import Piece, Stream

LARGE = 256 * 1024
"""Bytes of a body that are worth a thread."""
TURN_SECONDS = 0.02
"""A thread that has worked so long for one client lets others have it: there are few, and a disk may be slow."""
PATIENCE_SECONDS = 0.004
"""How long a thread waits for a full socket. To go through the loop and come back takes as long as a client needs to
read a megabyte."""
_UNPACED = b"reno"
"""Congestion control that sends as soon as it may. Every Linux has it, and every process may choose it."""
_threads = ThreadPoolExecutor(4, "lockhouse-pour")
"""More than processors: some may wait for the disk."""
_waiting: set[_Pouring] = set()
"""Those that have no thread."""


def pulled(transport: asyncio.Transport, stream: Stream) -> Callable[[], Piece] | None:
    """What `pour` takes, for a stream that is worth it. Over TLS the transport has to send everything."""
    if stream.length < LARGE or sys.platform == "win32" or transport.get_extra_info("sslcontext") is not None:
        return None
    return stream.pull if _descriptor(transport) >= 0 else None


async def pour(
    transport: asyncio.Transport, flow: FlowControl, head: bytes, length: int, pull: Callable[[], Piece]
) -> None:
    """Send the head and the `length` bytes that `pull` gives, or what the client takes before it goes. Errors: those of
    `pull`, as the cause of NothingSent when not even the head was sent; ValueError when it gives more or less."""
    _do_not_pace(transport)
    pouring = _Pouring(os.dup(_descriptor(transport)), transport, pull, length, head)
    loop = asyncio.get_running_loop()
    transport.set_write_buffer_limits(high=0)  # so that "drained" means that nothing is left
    try:
        while not (pouring.ended or pouring.gone or transport.is_closing()):
            pouring.blocked = transport.get_write_buffer_size() > 0
            _waiting.add(pouring)
            writing = loop.run_in_executor(_threads, pouring.run)
            try:
                await asyncio.shield(writing)
            except Exception as error:
                if pouring.head:
                    raise NothingSent from error
                raise
            finally:
                pouring.stopped = True
                while not writing.done():  # it reads, and writes to our descriptor, however often we are told to end
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.wait({writing})
                writing.exception()  # it was raised here, or nobody is there to be told
                pouring.stopped = False
            if transport.is_closing():
                break
            if pouring.rest:
                transport.writelines(pouring.rest)
            if flow.write_paused:
                await flow.drain()
        if pouring.gone:
            transport.abort()
    finally:
        os.close(pouring.file)
        if not transport.is_closing():
            transport.set_write_buffer_limits()


class NothingSent(Exception):
    """A body whose first piece cannot be read: another answer can still be given. The cause says why."""


@dataclass(slots=True, eq=False)
class _Pouring:
    """What the thread knows. It runs again and again, until the end."""

    file: int
    transport: asyncio.Transport
    """Only to see whether it is closing."""
    pull: Callable[[], Piece]
    left: int
    """Bytes that have not been pulled."""
    head: bytes
    rest: tuple[Piece, ...] = ()
    """What the socket did not take."""
    blocked: bool = False
    """The transport has something to send first."""
    stopped: bool = False
    """Nobody waits for more."""
    ended: bool = False
    gone: bool = False
    """The client is."""

    def run(self) -> None:
        """Until the socket takes no more, or the turn is over and others wait for theirs."""
        _waiting.discard(self)
        self.rest = ()
        until = time.monotonic() + TURN_SECONDS
        while not (self.ended or self.stopped or self.rest):
            self._send_piece(until)
            if time.monotonic() > until:
                if _waiting or self.transport.is_closing():
                    return
                until = time.monotonic() + TURN_SECONDS

    def _send_piece(self, until: float) -> None:
        # Nothing refers to the piece when the next one is pulled: that takes its place in memory, and in the cache.
        piece = self.pull()
        self.left -= len(piece)
        if self.left < 0 or (self.left and not piece):
            raise ValueError("a stream has another length than it said")
        pieces = (self.head, piece) if self.head else (piece,)
        self.rest = pieces if self.blocked else self._write(pieces, until)
        self.head = b""
        self.ended = not self.left

    def _write(self, pieces: tuple[Piece, ...], until: float) -> tuple[Piece, ...]:
        """What the socket has not taken."""
        while True:
            try:
                pieces = _behind(pieces, os.writev(self.file, pieces))
            except BlockingIOError:
                pass
            except OSError:
                self.gone = self.stopped = True
                return ()
            if not pieces or self.stopped or _waiting or time.monotonic() > until or not self._has_room():
                return pieces

    def _has_room(self) -> bool:
        """Whether the socket takes something again soon."""
        poll = select.poll()
        poll.register(self.file, select.POLLOUT)
        return bool(poll.poll(PATIENCE_SECONDS * 1000))


def _behind(pieces: tuple[Piece, ...], taken: int) -> tuple[Piece, ...]:
    """What comes after so many bytes of them."""
    for number, piece in enumerate(pieces):
        if taken < len(piece):
            return (memoryview(piece)[taken:], *pieces[number + 1 :])
        taken -= len(piece)
    return ()


def _do_not_pace(transport: asyncio.Transport) -> None:
    """A client on this machine, most often a proxy, shares no network with anybody. Where the system paces all that is
    sent (BBR), a timer for each packet would cost more than the sending itself."""
    congestion: int | None = getattr(socket, "TCP_CONGESTION", None)
    peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    if congestion is not None and isinstance(peer, tuple) and peer[0] == own[0]:
        with contextlib.suppress(OSError):  # it is paced, then
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, congestion, _UNPACED)


def untaken(transport: asyncio.Transport) -> int:
    """Bytes that were written for a client and have not come to it. A megabyte and more waits in the system, which asks
    for the next bytes only when a good part of that is gone: of a slow client the transport alone sees nothing."""
    waiting = bytearray(4)
    with contextlib.suppress(OSError, ValueError):  # where nobody can say, the transport alone is looked at
        fcntl.ioctl(_descriptor(transport), termios.TIOCOUTQ, waiting)
    return transport.get_write_buffer_size() + int.from_bytes(waiting, sys.byteorder)


def _descriptor(transport: asyncio.Transport) -> int:
    peer: socket.socket | None = transport.get_extra_info("socket")
    return -1 if peer is None else peer.fileno()
