"""Giving a body out: whole or a range, byte for byte, with memory that does not grow with its size.

A body in a row is unpacked at once. Of a blob, what is in memory is read in pieces of `PIECE_BYTES` right here, which
costs less than asking a thread; what must come from the disk, or be opened, is read in larger ones in a thread, along
the bounds of sealed frames. What cannot be read is
an error, never an empty or a shorter body, and never other bytes: sealed and packed ones do not open when they were
changed, the digest of all others is compared before their last piece is given (of a part of a plain blob it cannot be).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

from lockhouse.core.ports import BlobReader
from lockhouse.core.versions import Body
from lockhouse.deltas.chains import is_packed
from lockhouse.errors import StorageUnavailable
from lockhouse.runtime.packing import decompress
from lockhouse.runtime.streams import Stream
from lockhouse.runtime.unpacking import unpacked
from lockhouse.sealing.bodies import Bodies

PIECE_BYTES = 256 * 1024
DISK_PIECE_BYTES = 1024 * 1024


def unpack(body: Body, bodies: Bodies) -> bytes:
    """The bytes of a body that is kept in a row. Errors: `storage.unavailable`."""
    raw = decompress(bodies.frame_of(body), body.size)
    if body.key is None and hashlib.sha256(raw).digest() != body.sha256:
        raise _changed()
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


async def _pieces(reader: BlobReader, start: int, stop: int, wanted: bytes) -> AsyncIterator[bytes]:
    """With a `wanted` digest the last piece is given only when the whole has it: sealed bytes need none."""
    digest = hashlib.sha256()
    try:
        while start < stop:
            size = min(PIECE_BYTES, stop - start)
            if reader.at_hand(start, size):
                piece = reader.read(start, size)
            else:
                size = min(DISK_PIECE_BYTES - start % DISK_PIECE_BYTES, stop - start)
                piece = await _from_disk(reader, start, size)
            if len(piece) != size:
                raise StorageUnavailable("cannot read a version: its blob is cut off", hint="restore from a backup")
            start += size
            if wanted:
                digest.update(piece)
                if start == stop and digest.digest() != wanted:
                    raise _changed()
            yield piece
    finally:
        reader.close()


def _changed() -> StorageUnavailable:
    return StorageUnavailable(
        "cannot read a version: its bytes are not those that were written", hint="restore it from a backup"
    )


async def _from_disk(reader: BlobReader, start: int, size: int) -> bytes:
    reading = asyncio.create_task(asyncio.to_thread(reader.read, start, size))
    try:
        return await asyncio.shield(reading)
    finally:
        await asyncio.wait([reading])  # the blob stays open until the thread is done with it
