"""Exporting from a place without a server: the keys of a snapshot, their versions and their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import zstandard

from lockhouse.core.addresses import Address
from lockhouse.core.records import StateRecord
from lockhouse.core.versions import Version
from lockhouse.deltas.checking import pieces
from lockhouse.errors import FROM_A_BACKUP, StorageUnavailable
from lockhouse.sealing.bodies import Bodies
from lockhouse.storage.carry.place import Place
from lockhouse.storage.carry.rows import Snapshot, reader
from lockhouse.storage.carry.tree import ExportedKey, ExportedLock, ExportedVersion
from lockhouse.storage.sql.reader import SqlReader

_PAGE = 500


class PlaceExport:
    """One snapshot of a place, as `tree.write_tree` takes it."""

    def __init__(self, place: Place, snapshot: Snapshot, *, namespace: str = "", history: bool = False) -> None:
        """`namespace`: only this one. `history`: every version, not only the newest."""
        self._bodies = Bodies(place.plain, place.ring)
        self._reader = reader(snapshot)
        self._namespace = namespace
        self._history = history

    def keys(self) -> Iterator[ExportedKey]:
        for namespace in _namespaces(self._reader, self._namespace):
            after = ""
            while page := self._reader.states(namespace, "", after, _PAGE, live_only=not self._history):
                for state, newest in page:
                    versions = self._of(state, newest)
                    if versions:
                        yield ExportedKey(
                            namespace, state.address.key, tuple(_line(state, version) for version in versions)
                        )
                after = page[-1][0].address.key

    @contextmanager
    def fetch(self, version: ExportedVersion) -> Iterator[Iterator[bytes]]:
        state = self._reader.state(_address(version))
        found = self._reader.version(state, version.number) if state is not None else None
        if found is None or found.body is None:
            raise StorageUnavailable(
                f"cannot export {version.namespace}/{version.key}: version {version.version} is gone",
                hint="run it again: it was deleted meanwhile",
            )
        try:
            yield pieces(found.body, self._bodies)
        except zstandard.ZstdError as error:
            raise StorageUnavailable(
                f"cannot export {version.namespace}/{version.key} version {version.version}: its bytes are damaged",
                hint=FROM_A_BACKUP,
            ) from error

    def locks(self) -> list[ExportedLock]:
        return [
            ExportedLock(*state.address, record.lock.id, record.lock.name, "", _when(record.lock.at))
            for state, record in self._reader.held_locks(self._namespace, limit=100_000)
            if record.lock is not None
        ]

    def _of(self, state: StateRecord, newest: Version | None) -> list[Version]:
        if newest is None:
            return []
        if not self._history:
            return [newest]
        found: list[Version] = []
        before = 0
        while page := self._reader.versions(state, before, _PAGE):
            found += page
            before = page[-1].seq
        return found[::-1]


def _namespaces(tx: SqlReader, only: str) -> Iterator[str]:
    if only:
        yield only
        return
    after = ""
    while page := tx.namespaces(after, _PAGE):
        yield from (each.name for each in page)
        after = page[-1].name


def _line(state: StateRecord, version: Version) -> ExportedVersion:
    facts, body = version.facts, version.body
    return ExportedVersion(
        namespace=state.address.namespace,
        key=state.address.key,
        version=version.id,
        number=version.seq,
        at=version.at,
        deleted=version.is_delete_marker,
        current=version.seq == state.current,
        size=version.size,
        md5=body.md5.hex() if body else "",
        sha256=body.sha256.hex() if body else "",
        serial=facts.serial if facts else None,
        lineage=facts.lineage if facts else "",
        content_type=version.content_type,
        by=version.origin.name,
    )


def _address(version: ExportedVersion) -> Address:
    return Address(version.namespace, version.key)


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
