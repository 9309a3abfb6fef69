"""Giving a body out: whole or a range, byte for byte, with memory that does not grow with its size.

A body in a row is unpacked at once. A blob is read in pieces of `PIECE_BYTES`, along the bounds of sealed frames: the
first one right here if it is in memory, the others in a thread, each while the one before it is sent. The memory of a
piece is used again as soon as nobody looks at it any more: to take it from the system each time would cost more than
reading and opening. What cannot be read is an error, never an empty or a shorter body, and never other
bytes: sealed and packed ones do not open when they were changed, the digest of all others is compared before their last
piece is given (of a part of a plain blob it cannot be).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

from lockhouse.core.blobs import BlobReader
from lockhouse.core.versions import Body
from lockhouse.deltas.chains import is_packed
from lockhouse.errors import StorageUnavailable
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
    if bodies.is_local(body):
        reader = bodies.open(body)
    else:
        reader = await asyncio.to_thread(bodies.open, body)
    if reader.size != body.size:
        reader.close()
        raise StorageUnavailable("cannot read a version: its blob is damaged", hint="restore from a backup")
    wanted = body.sha256 if body.key is None and (start, stop) == (0, body.size) else b""
    return Stream(stop - start, lambda: _pieces(reader, start, stop, wanted), reader.close)


async def whole(body: Body, bodies: Bodies) -> bytes:
    """All bytes at once: only for bodies that the caller knows to be of bounded size."""
    given = await give_out(body, bodies)
    if isinstance(given, bytes):
        return given
    return b"".join([piece async for piece in given.chunks()])


async def _pieces(reader: BlobReader, start: int, stop: int, wanted: bytes) -> AsyncIterator[Piece]:
    """With a `wanted` digest the last piece is given only when the whole has it: sealed bytes need none."""
    digest = hashlib.sha256() if wanted else None
    ahead: asyncio.Future[memoryview] | None = None
    try:
        while start < stop:
            size = min(PIECE_BYTES - start % PIECE_BYTES, stop - start)
            if ahead is not None:
                piece = await asyncio.shield(ahead)
            elif reader.at_hand(start, size):
                piece = _fill(reader, start, memoryview(_rooms.take())[:size], digest)
            else:
                ahead = _begin(reader, start, size, digest)
                piece = await asyncio.shield(ahead)
            start += size
            ahead = _begin(reader, start, min(PIECE_BYTES, stop - start), digest) if start < stop else None
            if digest is not None and start == stop and digest.digest() != wanted:
                raise _changed()
            yield piece
    finally:
        if ahead is not None:
            await asyncio.gather(ahead, return_exceptions=True)  # the blob stays open until the thread is done with it
        reader.close()


def _begin(reader: BlobReader, start: int, size: int, digest: hashlib._Hash | None) -> asyncio.Future[memoryview]:
    """Read the next piece in a thread, while this one is sent."""
    room = memoryview(_rooms.take())[:size]
    return asyncio.get_running_loop().run_in_executor(None, _fill, reader, start, room, digest)


def _fill(reader: BlobReader, start: int, room: memoryview, digest: hashlib._Hash | None) -> memoryview:
    if reader.read_into(start, room) != len(room):
        raise StorageUnavailable("cannot read a version: its blob is cut off", hint="restore from a backup")
    if digest is not None:
        digest.update(room)
    return room


class _Rooms:
    """Memory for pieces. A room is free when no view of it is left: then, and only then, its size can be changed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[bytearray] = []

    def take(self) -> bytearray:
        """A room of `PIECE_BYTES` that nobody looks at; look at it at once, or it is given to the next."""
        for room in self._kept:
            try:
                room.pop()
            except BufferError:
                continue
            room.append(0)
            return room
        fresh = bytearray(PIECE_BYTES)
        self._kept = [*self._kept[1 - self._most :], fresh]  # who holds the oldest may hold it for long
        return fresh


_rooms = _Rooms(ROOMS)


def _changed() -> StorageUnavailable:
    return StorageUnavailable(
        "cannot read a version: its bytes are not those that were written", hint="restore it from a backup"
    )
