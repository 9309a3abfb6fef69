"""Taking a body in: chunks become a durable, digested `Body`, with memory that does not grow with its size.

Up to `BUFFERED_BYTES` are collected and kept in a row if they compress well enough; everything larger goes to a blob
while it arrives. Hashing, sealing and writing happen in a thread from `THREAD_BYTES` on. Nothing is visible before the
command that refers to the body commits, so a client that leaves in the middle changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import msgspec

from lockhouse.core.bodies import SNIFF_BYTES, might_be_state, read_facts
from lockhouse.core.versions import Body, Facts
from lockhouse.errors import BodyTooLarge
from lockhouse.runtime.facts import FactsReader
from lockhouse.runtime.packing import compress
from lockhouse.sealing.bodies import Bodies

BUFFERED_BYTES = 2 * 1024 * 1024
PACKED_BYTES = 128 * 1024
THREAD_BYTES = 64 * 1024
BATCH_BYTES = 512 * 1024


class Intake(msgspec.Struct, frozen=True):
    """A body that is durable but not yet referred to, and what it says of itself (None: not a state). A sealed one must
    be bound to what will refer to it (`Bodies.bind`) with its `secret`."""

    body: Body
    facts: Facts | None
    secret: bytes = b""

    def __repr__(self) -> str:  # the secret stays out of whatever is printed
        return f"Intake(body={self.body!r}, facts={self.facts!r})"


async def take_in(
    chunks: AsyncIterator[bytes], bodies: Bodies, facts: FactsReader, *, limit: int, expect_state: bool | None
) -> Intake:
    """Read all chunks. Errors: whatever the chunks raise (`body.incomplete`, `body.digest`, …), `body.too_large` past
    `limit` bytes, `storage.full`. With `expect_state` the body is decoded even if it does not look like a state; with
    None it never is (a part of a body has no facts)."""
    buffered: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        _check_size(size, limit)
        buffered.append(chunk)
        if size > BUFFERED_BYTES:
            return await _spool(buffered, size, chunks, bodies, facts, limit=limit, expect_state=expect_state)
    raw = buffered[0] if len(buffered) == 1 else b"".join(buffered)
    buffered.clear()  # many bodies may wait for a thread at once: each is held only once
    if size <= THREAD_BYTES:
        return _small(raw, bodies, expect_state=expect_state)
    return await asyncio.to_thread(_small, raw, bodies, expect_state=expect_state)


def pack(raw: bytes, bodies: Bodies, secret: bytes) -> Body:
    """A body of up to `BUFFERED_BYTES`: in a row if it compresses well enough, else in a blob."""
    md5 = hashlib.md5(raw, usedforsecurity=False).digest()
    sha256 = hashlib.sha256(raw).digest()
    packed = compress(raw)
    if len(packed) <= PACKED_BYTES:
        return Body(len(raw), md5, sha256, packed=bodies.seal(secret, packed))
    writer = bodies.create(secret)
    try:
        writer.write(raw)
        return Body(len(raw), md5, sha256, blob=writer.finish())
    except BaseException:
        writer.abort()
        raise


def in_memory(raw: bytes) -> Body:
    """A body that is never stored: made on the way out."""
    md5 = hashlib.md5(raw, usedforsecurity=False).digest()
    return Body(len(raw), md5, hashlib.sha256(raw).digest(), packed=compress(raw))


def _small(raw: bytes, bodies: Bodies, *, expect_state: bool | None) -> Intake:
    decoded = _is_wanted(raw[:SNIFF_BYTES], expect_state)
    secret = bodies.make_secret()
    return Intake(pack(raw, bodies, secret), read_facts(raw) if decoded else None, secret)


async def _spool(
    first: list[bytes],
    size: int,
    chunks: AsyncIterator[bytes],
    bodies: Bodies,
    facts: FactsReader,
    *,
    limit: int,
    expect_state: bool | None,
) -> Intake:
    md5 = hashlib.md5(usedforsecurity=False)
    sha256 = hashlib.sha256()
    secret = bodies.make_secret()
    writer = bodies.create(secret)

    def absorb(batch: list[bytes]) -> None:
        for piece in batch:
            md5.update(piece)
            sha256.update(piece)
            writer.write(piece)

    try:
        head = b"".join(first)[:SNIFF_BYTES]
        batch, waiting = first, 0
        await asyncio.to_thread(absorb, batch)
        batch = []
        async for chunk in chunks:
            size += len(chunk)
            _check_size(size, limit)
            batch.append(chunk)
            waiting += len(chunk)
            if waiting >= BATCH_BYTES:
                await asyncio.to_thread(absorb, batch)
                batch, waiting = [], 0
        if batch:
            await asyncio.to_thread(absorb, batch)
        name = await asyncio.to_thread(writer.finish)
    except BaseException:
        await asyncio.shield(asyncio.to_thread(writer.abort))
        raise
    found = await facts.of_blob(name, secret) if _is_wanted(head, expect_state) else None
    return Intake(Body(size, md5.digest(), sha256.digest(), blob=name), found, secret)


def _is_wanted(head: bytes, expect_state: bool | None) -> bool:
    return expect_state is not None and (expect_state or might_be_state(head))


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise BodyTooLarge(
            f"cannot take more than {limit} bytes in one body", hint="raise the setting max_body", limit=limit
        )
