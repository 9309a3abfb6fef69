"""Giving a body out: whole or a range, byte for byte, with memory that does not grow with its size.

A body in a row is unpacked at once. A blob is read in pieces of `PIECE_BYTES`, along the bounds of sealed frames: by
the thread that sends them (`edge.pouring`), or the first one right here if it is in memory and the others in a thread,
each while the one before it is sent. The memory of a piece is used again as soon as nobody looks at it any more: to
take it from the system each time would cost more than reading and opening. What cannot be read is an error, never an
empty or a shorter body, and never other bytes: sealed and packed ones do not open when they were changed, the digest
of all others is compared before their last piece is given (of a part of a plain blob it cannot be).
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator

from lockhouse.core.blobs import BlobReader
from lockhouse.core.versions import Body
from lockhouse.deltas.chains import is_packed
from lockhouse.errors import FROM_A_BACKUP, StorageUnavailable
from lockhouse.runtime.packing import decompress
from lockhouse.runtime.streams import Piece, Stream
from lockhouse.runtime.unpacking import unpacked
from lockhouse.sealing.bodies import Bodies

PIECE_BYTES = 1024 * 1024
ROOMS = 6
"""Rooms for pieces that are kept for later ones; beyond them memory comes from the system and goes back."""


def unpack(body: Body, bodies: Bodies) -> bytes:
    """The bytes of a body that is kept in a row. Errors: `storage.unavailable`."""
    remembered = bodies.opened.get(body)
    if remembered is not None:
        return remembered
    raw = decompress(bodies.frame_of(body), body.size)
    if body.key is None and hashlib.sha256(raw).digest() != body.sha256:
        raise _changed()
    bodies.opened.keep(body, raw)
    return raw


async def give_out(body: Body, bodies: Bodies, start: int = 0, end: int | None = None) -> bytes | Stream:
    """The bytes from `start` up to `end` (exclusive; None: to the end). Errors: `storage.unavailable`."""
    stop = body.size if end is None else min(end, body.size)
    if is_packed(body):
        return await unpacked(body, bodies, start, stop)
    if body.packed or not body.blob:
        raw = unpack(body, bodies) if body.size else b""
        return raw if (start, stop) == (0, body.size) else raw[start:stop]
    is_local = bodies.is_local(body)
    reader = bodies.open(body) if is_local else await asyncio.to_thread(bodies.open, body)
    if reader.size != body.size:
        reader.close()
        raise StorageUnavailable("cannot read a version: its blob is damaged", hint=FROM_A_BACKUP)
    wanted = body.sha256 if body.key is None and (start, stop) == (0, body.size) else b""
    reading = _Reading(reader, start, stop, wanted)
    return Stream(stop - start, reading.chunks, reader.close, reading.pull if is_local else None)


async def whole(body: Body, bodies: Bodies) -> bytes:
    """All bytes at once: only for bodies that the caller knows to be of bounded size."""
    given = await give_out(body, bodies)
    if isinstance(given, bytes):
        return given
    return b"".join([piece async for piece in given.chunks()])


class _Reading:
    """A blob from one place to another, once, by one thread at a time. With a `wanted` digest the last piece is given
    only when the whole has it: sealed bytes need none."""

    def __init__(self, reader: BlobReader, start: int, stop: int, wanted: bytes) -> None:
        self._reader = reader
        self._at = start
        self._stop = stop
        self._wanted = wanted
        self._digest = hashlib.sha256() if wanted else None

    def pull(self) -> Piece:
        """`Stream.pull`."""
        size = self._size()
        if not size:
            return b""
        room = _rooms.take()[:size]
        if self._reader.read_into(self._at, room) != size:
            raise StorageUnavailable("cannot read a version: its blob is cut off", hint=FROM_A_BACKUP)
        self._at += size
        if self._digest is not None:
            self._digest.update(room)
            if self._at == self._stop and self._digest.digest() != self._wanted:
                raise _changed()
        return room

    async def chunks(self) -> AsyncIterator[Piece]:
        """`Stream.chunks`: the first right here if it is in memory, the others in a thread, each while the one before
        it is sent."""
        ahead: asyncio.Future[Piece] | None = None
        try:
            while True:
                if ahead is None and self._at_hand():
                    piece = self.pull()
                else:
                    ahead = ahead or self._ahead()
                    piece = await asyncio.shield(ahead)
                if not piece:
                    return
                ahead = self._ahead() if self._size() else None
                yield piece
        finally:
            if ahead is not None:
                await asyncio.gather(ahead, return_exceptions=True)  # the blob stays open until the thread is done
            self._reader.close()

    def _size(self) -> int:
        """Of the next piece, in bytes; 0 at the end."""
        return min(PIECE_BYTES - self._at % PIECE_BYTES, self._stop - self._at)

    def _at_hand(self) -> bool:
        size = self._size()
        return not size or self._reader.at_hand(self._at, size)

    def _ahead(self) -> asyncio.Future[Piece]:
        return asyncio.get_running_loop().run_in_executor(None, self.pull)


class _Rooms:
    """Memory for pieces. A room is free when no view of it is left: then, and only then, its size can be changed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[bytearray] = []
        self._taking = threading.Lock()

    def take(self) -> memoryview:
        """A room of `PIECE_BYTES` that nobody else looks at."""
        with self._taking:
            for room in self._kept:
                try:
                    room.pop()
                except BufferError:
                    continue
                room.append(0)
                return memoryview(room)
            fresh = bytearray(PIECE_BYTES)
            self._kept = [*self._kept[1 - self._most :], fresh]  # who holds the oldest may hold it for long
            return memoryview(fresh)


_rooms = _Rooms(ROOMS)


def _changed() -> StorageUnavailable:
    return StorageUnavailable("cannot read a version: its bytes are not those that were written", hint=FROM_A_BACKUP)
