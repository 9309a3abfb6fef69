"""Taking a body in: chunks become a durable, digested `Body`, with memory that does not grow with its size.

Up to `BUFFERED_BYTES` are collected and kept in a row if they compress well enough; everything larger goes to a blob
while it arrives. Hashing, sealing and writing happen in a thread from `THREAD_BYTES` on. Nothing is visible before the
command that refers to the body commits, so a client that leaves in the middle changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from lockhouse.core.bodies import SNIFF_BYTES, might_be_state, read_facts
from lockhouse.core.passing import PassingFacts
from lockhouse.core.versions import Body, Facts
from lockhouse.errors import BodyTooLarge
from lockhouse.runtime.facts import FactsReader
from lockhouse.runtime.packing import compress
from lockhouse.runtime.streams import Piece
from lockhouse.sealing.bodies import Bodies

BUFFERED_BYTES = 2 * 1024 * 1024
PACKED_BYTES = 128 * 1024
THREAD_BYTES = 64 * 1024
PARALLEL_BYTES = 256 * 1024
"""From here on two threads do the work of one: digests beside all the rest."""
BATCH_BYTES = 1_000_000
"""Four pieces as a fast client's arrive."""
MANY_PIECES = 8
"""More pieces than that are small ones, which are better hashed, sealed and written as one."""


class Intake(msgspec.Struct, frozen=True):
    """A body that is durable but not yet referred to, and what it says of itself (None: not a state). A sealed one must
    be bound to what will refer to it (`Bodies.bind`) with its `secret`."""

    body: Body
    facts: Facts | None
    secret: bytes = b""

    def __repr__(self) -> str:  # the secret stays out of whatever is printed
        return f"Intake(body={self.body!r}, facts={self.facts!r})"


async def take_in(
    chunks: AsyncIterator[Piece],
    bodies: Bodies,
    facts: FactsReader,
    announced: int = 0,
    *,
    limit: int,
    expect_state: bool | None,
) -> Intake:
    """Read all chunks. Errors: whatever the chunks raise (`body.incomplete`, `body.digest`, …), `body.too_large` past
    `limit` bytes, `storage.full`. With `expect_state` the body is decoded even if it does not look like a state; with
    None it never is (a part of a body has no facts). `announced`: bytes, where they are known before: of a large body
    less is held."""
    most = SNIFF_BYTES if announced > BUFFERED_BYTES else BUFFERED_BYTES
    buffered: list[Piece] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        _check_size(size, limit)
        buffered.append(chunk)
        if size > most:
            return await _spool(buffered, size, chunks, bodies, facts, limit=limit, expect_state=expect_state)
    only = buffered[0] if len(buffered) == 1 else None
    raw = only if isinstance(only, bytes) else b"".join(buffered)
    buffered.clear()  # many bodies may wait for a thread at once: each is held only once
    decoded = _is_wanted(raw[:SNIFF_BYTES], expect_state)
    if size <= THREAD_BYTES:
        return _small(raw, bodies, decoded=decoded)
    if size <= PARALLEL_BYTES:
        return await asyncio.to_thread(_small, raw, bodies, decoded=decoded)
    secret = bodies.make_secret()
    digests, (kept, found) = await asyncio.gather(
        asyncio.to_thread(_digests, raw), asyncio.to_thread(_keep, raw, bodies, secret, decoded=decoded)
    )
    return Intake(_digested(kept, *digests), found, secret)


def in_memory(raw: bytes) -> Body:
    """A body that is never stored: made on the way out."""
    return Body(len(raw), *_digests(raw), packed=compress(raw))


def _small(raw: bytes, bodies: Bodies, *, decoded: bool) -> Intake:
    secret = bodies.make_secret()
    kept, found = _keep(raw, bodies, secret, decoded=decoded)
    return Intake(_digested(kept, *_digests(raw)), found, secret)


def _digests(raw: bytes) -> tuple[bytes, bytes]:
    return hashlib.md5(raw, usedforsecurity=False).digest(), hashlib.sha256(raw).digest()


def _digested(kept: Body, md5: bytes, sha256: bytes) -> Body:
    return msgspec.structs.replace(kept, md5=md5, sha256=sha256)


def _keep(raw: bytes, bodies: Bodies, secret: bytes, *, decoded: bool) -> tuple[Body, Facts | None]:
    """A body of up to `BUFFERED_BYTES`, still without its digests: in a row if it compresses well enough, else in a
    blob; and its facts, if it is to be decoded."""
    found = read_facts(raw) if decoded else None
    packed = compress(raw)
    if len(packed) <= PACKED_BYTES:
        return Body(len(raw), b"", b"", packed=bodies.seal(secret, packed)), found
    writer = bodies.create(secret)
    try:
        writer.write(raw)
        return Body(len(raw), b"", b"", blob=writer.finish()), found
    except BaseException:
        writer.abort()
        raise


async def _spool(
    first: list[Piece],
    size: int,
    chunks: AsyncIterator[Piece],
    bodies: Bodies,
    facts: FactsReader,
    *,
    limit: int,
    expect_state: bool | None,
) -> Intake:
    is_wanted = _is_wanted(b"".join(first)[:SNIFF_BYTES], expect_state)
    spool = _Spool(bodies, facts=is_wanted)
    try:
        await spool.absorb(first)
        batch: list[Piece] = []
        waiting = 0
        async for chunk in chunks:
            size += len(chunk)
            _check_size(size, limit)
            batch.append(chunk)
            waiting += len(chunk)
            if waiting >= BATCH_BYTES:
                await spool.absorb(batch)
                batch, waiting = [], 0
        await spool.absorb(batch)
        name = await spool.finish()
    except BaseException:
        await asyncio.shield(spool.abort())
        raise
    found = spool.passing.finish() if spool.passing is not None else None
    if is_wanted and found is None:
        found = await facts.of_blob(name, spool.secret)
    return Intake(Body(size, spool.md5.digest(), spool.sha256.digest(), blob=name), found, spool.secret)


class _Spool:
    """A body on its way into a blob. MD5, the slowest part, is computed beside all the rest, and a batch while the next
    one comes in."""

    def __init__(self, bodies: Bodies, *, facts: bool) -> None:
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.sha256 = hashlib.sha256()
        self.secret = bodies.make_secret()
        self.passing = PassingFacts() if facts else None
        self._writer = bodies.create(self.secret)
        self._busy: asyncio.Future[Any] | None = None

    async def absorb(self, batch: list[Piece]) -> None:
        """Begin to take the batch in, in threads, once the one before is taken in. Errors: `storage.full`, …"""
        await self._settle()
        if len(batch) > MANY_PIECES:
            batch = [b"".join(batch)]
        self._busy = asyncio.gather(asyncio.to_thread(self._digest, batch), asyncio.to_thread(self._keep, batch))

    async def finish(self) -> str:
        """The blob's name; it is durable."""
        await self._settle()
        return await asyncio.to_thread(self._writer.finish)

    async def abort(self) -> None:
        """Leave nothing of it."""
        if self._busy is not None:
            await asyncio.gather(self._busy, return_exceptions=True)
        await asyncio.to_thread(self._writer.abort)

    async def _settle(self) -> None:
        if self._busy is not None:
            await asyncio.shield(self._busy)

    def _digest(self, batch: list[Piece]) -> None:
        for piece in batch:
            self.md5.update(piece)

    def _keep(self, batch: list[Piece]) -> None:
        for piece in batch:
            self.sha256.update(piece)
            self._writer.write(piece)
        if self.passing is not None:
            self.passing.feed(batch)


def _is_wanted(head: bytes, expect_state: bool | None) -> bool:
    return expect_state is not None and (expect_state or might_be_state(head))


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise BodyTooLarge(
            f"cannot take more than {limit} bytes in one body", hint="raise the setting max_body", limit=limit
        )
