"""Verification: every version has all its bytes, and they are the ones whose digest was recorded when they came.

Used after a backup, before and after a restore, on demand, and by the crash tests. It changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import cast

import msgspec
import zstandard

from lockhouse.core.ports import Blobs, Reader, Store
from lockhouse.core.versions import Body
from lockhouse.errors import StorageUnavailable
from lockhouse.sealing.bodies import Bodies
from lockhouse.sealing.ring import Ring
from lockhouse.storage.sql.reader import SqlReader

_PIECE = 1024 * 1024
_PAGE = 100
MAX_PROBLEMS = 100
"""Damage is usually all of one kind; a longer list helps nobody."""


class Findings(msgspec.Struct):
    """What was looked at, and what is wrong."""

    versions: int = 0
    parked: int = 0
    blobs: int = 0
    bytes: int = 0
    """Bytes of bodies, as clients sent them."""
    problems: list[str] = []

    def blame(self, what: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(what)


def verify(
    store: Store, blobs: Blobs, progress: Callable[[Findings], object] = bool, *, ring: Ring | None = None
) -> Findings:
    """Read every body of every version and parked write; sealed ones with the keys of `ring`. Problems name the
    address, never content."""
    findings = Findings()
    bodies = Bodies(blobs, ring)
    for place, body in _bodies(store, findings):
        problem = damage(body, bodies)
        if problem:
            findings.blame(f"{place}: {problem}")
        findings.bytes += body.size
        findings.blobs += bool(body.blob)
        progress(findings)
    return findings


def damage(body: Body, bodies: Bodies) -> str:
    """What is wrong with the stored bytes of a body; empty: nothing."""
    digest = hashlib.sha256()
    size = 0
    try:
        for piece in pieces(body, bodies):
            digest.update(piece)
            size += len(piece)
    except (StorageUnavailable, zstandard.ZstdError) as error:
        return f"its bytes cannot be read ({error})"
    if size != body.size:
        return f"it has {size} bytes instead of {body.size}"
    return "" if digest.digest() == body.sha256 else "its bytes are not those that were written"


def pieces(body: Body, bodies: Bodies) -> Iterator[bytes]:
    """The bytes as the client sent them, not yet compared with anything. Errors: `storage.unavailable`, ZstdError."""
    if body.packed:
        yield zstandard.ZstdDecompressor().decompress(bodies.frame_of(body), max_output_size=body.size + 1)
    elif body.blob:
        reader = bodies.open(body)
        try:
            for offset in range(0, reader.size, _PIECE):
                yield reader.read(offset, _PIECE)
        finally:
            reader.close()


def _bodies(store: Store, findings: Findings) -> Iterator[tuple[str, Body]]:
    place = (0, 0)
    while versions := store.read(lambda reader, after=place: _all(reader).bodies(after, _PAGE)):  # type: ignore[misc]
        for state_id, address, version in versions:
            findings.versions += 1
            if version.body is not None:
                yield f"{address.lock_id} version {version.id}", version.body
            place = (state_id, version.seq)
    after = ""
    while parked_writes := store.read(lambda reader, after=after: reader.parked_writes(None, after, _PAGE)):  # type: ignore[misc]
        for listed in parked_writes:
            after = listed.id
            parked = store.read(lambda reader, name=listed.id: reader.parked(name))  # type: ignore[misc]
            if parked is not None:
                findings.parked += 1
                yield f"{parked.address.lock_id} parked write {parked.id}", parked.body


def _all(reader: Reader) -> SqlReader:
    return cast("SqlReader", reader)
