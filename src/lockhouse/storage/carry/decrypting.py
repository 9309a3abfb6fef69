"""Opening single bodies without a server: a version by its address, a stored file by the version that refers to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import zstandard

from lockhouse.core.addresses import Address
from lockhouse.core.blobs import BlobReader, Blobs, BlobWriter
from lockhouse.core.versions import Version, parse_version_id
from lockhouse.deltas.checking import pieces
from lockhouse.errors import FROM_A_BACKUP, RequestInvalid, StateNotFound, StorageUnavailable, VersionNotFound
from lockhouse.sealing.bodies import Bodies
from lockhouse.storage.blobs.files import FileBlobReader
from lockhouse.storage.carry.place import Place
from lockhouse.storage.carry.rows import Snapshot, reader
from lockhouse.storage.sql.reader import SqlReader


class Plain(msgspec.Struct, frozen=True):
    """A version and its bytes, not yet compared with its digest."""

    address: Address
    version: Version
    pieces: Iterator[bytes]


def open_version(place: Place, snapshot: Snapshot, address: Address, version_id: str = "") -> Plain:
    """The newest version, or this one. Errors: `state.not_found`, `version.not_found`; while the pieces
    are read: `storage.unavailable`."""
    tx = reader(snapshot)
    state = tx.state(address)
    if state is None:
        raise StateNotFound(f"cannot find {address.lock_id}", hint=f"lockhouse state list {address.namespace}")
    parsed = parse_version_id(version_id) if version_id else (state.current, "")
    version = tx.version(state, parsed[0]) if parsed is not None else None
    if version is None or version.body is None or (version_id and version.id != version_id):
        which = f"version {version_id!r}" if version_id else "a version that has bytes"
        raise VersionNotFound(
            f"cannot find {which} of {address.lock_id}", hint=f"lockhouse state versions {address.words}"
        )
    return Plain(address, version, _told(pieces(version.body, Bodies(place.plain, place.ring))))


def open_file(place: Place, snapshot: Snapshot, path: Path) -> Plain:
    """A stored body that lies somewhere else now, under its old name: the records of the place say whose it is and how
    it is opened. Errors: `request.invalid` when nothing there refers to it."""
    tx = reader(snapshot)
    rows = snapshot.fetch(
        "SELECT s.namespace, s.key, v.seq FROM versions v JOIN states s ON s.id = v.state_id WHERE v.blob = ?",
        (path.name,),
    )
    if not rows:
        raise RequestInvalid(
            f"cannot open {path}: no version in {place.name} refers to a body of that name",
            hint="keep the name that the file had in the store of bodies",
        )
    version = _version(tx, Address(rows[0][0], rows[0][1]), rows[0][2])
    assert version.body is not None
    bodies = Bodies(_Elsewhere(place.plain, path), place.ring)
    return Plain(Address(rows[0][0], rows[0][1]), version, _told(pieces(version.body, bodies)))


def _told(found: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from found
    except zstandard.ZstdError as error:
        raise StorageUnavailable("cannot open a version: its stored bytes are damaged", hint=FROM_A_BACKUP) from error


def _version(tx: SqlReader, address: Address, seq: int) -> Version:
    state = tx.state(address)
    version = tx.version(state, seq) if state is not None else None
    if version is None:
        raise StateNotFound(f"cannot find {address.lock_id}", hint=f"lockhouse state list {address.namespace}")
    return version


class _Elsewhere:
    """The blobs of a place, of which one lies in a file of its own."""

    def __init__(self, blobs: Blobs, path: Path) -> None:
        self._blobs = blobs
        self._path = path

    def open(self, name: str) -> BlobReader:
        return FileBlobReader(self._path, name) if name == self._path.name else self._blobs.open(name)

    def local_path(self, name: str) -> str | None:
        del name
        return None

    def create(self) -> BlobWriter:
        raise TypeError("only for reading")

    def delete(self, name: str) -> None:
        raise TypeError(f"only for reading: {name}")

    def names(self) -> Iterator[tuple[str, float]]:
        return self._blobs.names()

    def check(self) -> None:
        self._blobs.check()
