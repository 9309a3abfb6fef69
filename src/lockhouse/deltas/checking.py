"""Whether a stored body is the one that was written: every byte is read and the digest computed. It changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import zstandard

from lockhouse.core.versions import Body
from lockhouse.deltas.chains import HERE_BYTES, chain_of, is_packed
from lockhouse.deltas.workers import PIECE_BYTES, Worker
from lockhouse.errors import StorageUnavailable
from lockhouse.sealing.bodies import Bodies


def damage(body: Body, bodies: Bodies, worker: Worker) -> str:
    """What is wrong with the stored bytes of a body that was read with its bytes; empty: nothing. Blocks.

    `worker` unpacks what is large; memory in this process does not grow with the body."""
    try:
        if is_packed(body):
            chain = chain_of(body, bodies)
            if chain.largest > HERE_BYTES:
                worker.check(chain)
            else:
                chain.unpack_here()
            return ""
        return _compare(body, _pieces(body, bodies))
    except (StorageUnavailable, zstandard.ZstdError) as error:
        return f"its bytes cannot be read ({error})"


def pieces(body: Body, bodies: Bodies) -> Iterator[bytes]:
    """The bytes as the client sent them; those of a packed body were compared with their digest, others not yet.
    Errors: `storage.unavailable`, ZstdError."""
    if not is_packed(body):
        yield from _pieces(body, bodies)
        return
    chain = chain_of(body, bodies)
    if chain.largest <= HERE_BYTES:
        yield chain.unpack_here()
        return
    with Worker() as worker:
        left, source = worker.unpack(chain, 0, body.size)
        while left:
            piece = source.read(min(left, PIECE_BYTES))
            if not piece:
                raise StorageUnavailable("cannot read a version: unpacking it was cut off", hint="try again")
            left -= len(piece)
            yield piece


def _compare(body: Body, pieces: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    size = 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    if size != body.size:
        return f"it has {size} bytes instead of {body.size}"
    return "" if digest.digest() == body.sha256 else "its bytes are not those that were written"


def _pieces(body: Body, bodies: Bodies) -> Iterator[bytes]:
    if body.packed:
        yield zstandard.ZstdDecompressor().decompress(bodies.frame_of(body), max_output_size=body.size + 1)
    elif body.blob:
        reader = bodies.open(body)
        try:
            for offset in range(0, reader.size, PIECE_BYTES):
                yield reader.read(offset, PIECE_BYTES)
        finally:
            reader.close()
