"""Verification: every version has all its bytes, and they are the ones whose digest was recorded when they came.

Used after a backup, before and after a restore, on demand, and by the crash tests. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.blobs import Blobs
from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader, Store
from lockhouse.core.records import Parked
from lockhouse.core.versions import Body, Version
from lockhouse.deltas.checking import damage
from lockhouse.deltas.workers import Worker
from lockhouse.sealing.bodies import Bodies
from lockhouse.sealing.ring import Ring

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
    """Read every body of every version (in the trash, too) and parked write; sealed ones with the keys of `ring`.
    Problems name the address, never content."""
    findings = Findings()
    bodies = Bodies(blobs, ring)
    with Worker(low=True) as worker:
        for place, body in _bodies(store, findings):
            problem = damage(body, bodies, worker)
            if problem:
                findings.blame(f"{place}: {problem}")
            findings.bytes += body.size
            findings.blobs += bool(body.blob)
            progress(findings)
    return findings


def _bodies(store: Store, findings: Findings) -> Iterator[tuple[str, Body]]:
    def places(after: tuple[int, int]) -> Sequence[tuple[Address, int, int]]:
        return store.read(lambda reader: reader.kept_places(after, _PAGE))

    def parked_writes(after: str) -> Sequence[Parked]:
        return store.read(lambda reader: reader.parked_writes(None, after, _PAGE))

    for address, _, seq in paged(places, (0, 0), lambda each: each[1:]):
        version = store.read(_kept(address, seq))
        if version is None:
            continue
        findings.versions += 1
        if version.body is not None:
            yield f"{address.lock_id} version {version.id}", version.body
    for listed in paged(parked_writes, "", lambda each: each.id):
        parked = store.read(lambda reader, name=listed.id: reader.parked(name))  # type: ignore[misc]
        if parked is not None:
            findings.parked += 1
            yield f"{parked.address.lock_id} parked write {parked.id}", parked.body


def _kept(address: Address, seq: int) -> Callable[[Reader], Version | None]:
    def query(reader: Reader) -> Version | None:
        state = reader.state(address)
        return reader.kept(state, seq) if state is not None else None

    return query
