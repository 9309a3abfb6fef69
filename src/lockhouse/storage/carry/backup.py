"""Backups: made from a place while it is served, verified, restored into any place, and drilled.

A backup is built beside its place, read back, restored into a scratch database and verified as a whole, made durable,
and only then given its name; so what has the name is complete, and its restore was exercised. A restore into a
directory is built the same way. Nothing that exists is ever overwritten or removed, but what a killed process left half
built (`storage.carry.building`). Format: `storage.carry.archive`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

import lockhouse
from lockhouse.durable import sync_file
from lockhouse.errors import RequestInvalid, StorageUnavailable
from lockhouse.sealing.ring import Ring, read_keys
from lockhouse.sealing.sources import KEY_FILE
from lockhouse.storage.carry import archive
from lockhouse.storage.carry.archive import FORMAT, Archive, BlobFacts, FileFacts, Manifest, private
from lockhouse.storage.carry.building import built
from lockhouse.storage.carry.carrying import (
    Carried,
    FromArchive,
    Progress,
    Tell,
    carry,
    copy_blobs,
    verify_place,
)
from lockhouse.storage.carry.layout import Table, layout
from lockhouse.storage.carry.place import Place, directory_place
from lockhouse.storage.carry.rows import Snapshot, TableFacts, blob_names, reader
from lockhouse.storage.directory import BLOBS, DATABASE, LOCK
from lockhouse.storage.verify import Findings

_PIECE = 1024 * 1024


class Drill(msgspec.Struct, frozen=True):
    """What a drill found, and how long each part took, in seconds."""

    versions: int
    parked: int
    blobs: int
    bytes: int
    tables: dict[str, TableFacts]
    opened: bool
    """Whether every version was read back; without the keys only stored digests are compared."""
    restore_seconds: float
    verify_seconds: float


def create(
    place: Place,
    target: Path,
    *,
    now: float,
    files: Sequence[str] = (),
    progress: Tell = bool,
) -> Manifest:
    """Copy a place; it goes on serving. `files` are small files in its directory that are to be taken along (those that
    do not exist are left out). With the keys at hand the versions in the copy are read back, too.

    Errors: `request.invalid` (the target exists and is not empty), `storage.full`, `storage.unavailable` (something
    cannot be read or written, or the copy does not verify: the data itself is damaged).
    """
    with built(target) as work:
        # From before the snapshot until the last blob that it refers to is copied.
        with place.unswept():
            snapshot = place.snapshot()
            try:
                tables = layout(snapshot.schema)
                facts = {table.name: _write(work, snapshot, table, progress) for table in tables}
                numbers = snapshot.numbers(tables)
                schema = snapshot.schema
                wanted = [BlobFacts(name, -1, "") for name in blob_names(snapshot)]
                keys = tuple(record.id for record in reader(snapshot).key_records())
            finally:
                snapshot.close()
            index = _copy(wanted, place, work, progress)
        draft = Manifest(
            format=FORMAT,
            at=now,
            program=lockhouse.__version__,
            schema=schema,
            versions=facts["versions"].rows,
            parked=facts["parked"].rows,
            blobs=index.rows,
            bytes=0,
            tables=facts,
            index=index,
            numbers=numbers,
            files=tuple(_take(place, work, name) for name in files if _is_there(place, name)),
            keys=keys,
        )
        findings = _checked(Archive(work, draft), place.ring, progress=progress)
        size = findings.bytes if findings is not None else 0
        return archive.write_manifest(work, msgspec.structs.replace(draft, bytes=size))


def check(path: Path, ring: Ring | None = None, *, progress: Tell = bool) -> tuple[Manifest, bool]:
    """Every digest of a backup: of each table, blob and file as stored, and, with the keys (in `ring` or in the backup
    itself), of every version as its client sent it. Answers whether versions were read. Errors: `request.invalid` (it
    is no backup), `storage.unavailable` (it is damaged)."""
    opened = Archive(path)
    for each in opened.manifest.files:
        opened.read_file(each)
    found = _checked(opened, ring or _own_ring(opened), progress=progress)
    return opened.manifest, found is not None


def restore(
    path: Path,
    target: Place,
    *,
    progress: Tell = bool,
) -> Carried:
    """Fill an empty place from a backup, and compare. Run again after an interruption, it goes on where it ended.

    Errors: as `check`; `data.invalid` when there is data in the place already."""
    return carry(FromArchive(Archive(path)), target, progress=progress)


def restore_directory(
    path: Path,
    target: Path,
    *,
    files: Mapping[str, bytes] | None = None,
    progress: Tell = bool,
) -> Carried:
    """Make a data directory from a backup, ready to be served: it appears when it is whole and verified.

    `files` are small files that the backup does not have, the keys among them. Errors: as `check`; `request.invalid`
    when the target exists and is not empty."""
    opened = Archive(path)
    with built(target) as work:
        given = dict(files or {}) | {each.name: opened.read_file(each) for each in opened.manifest.files}
        for name, raw in given.items():
            _keep(work / name, raw)
        return carry(FromArchive(opened), directory_place(work), progress=progress)


def drill(
    path: Path,
    scratch: Path | None = None,
    *,
    ring: Ring | None = None,
    clock: Callable[[], float] = time.monotonic,
    progress: Tell = bool,
) -> Drill:
    """Restore into a scratch directory, compare every row with the backup, read every version back, and throw the
    scratch away. Errors: as `check`; `storage.full`."""
    if scratch is not None:
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lockhouse-drill-", dir=scratch) as made:
        began = clock()
        opened = Archive(path)
        place = directory_place(Path(made) / "data", durable=False, ring=ring or _own_ring(opened))
        Path(made, "data").mkdir(mode=0o700, exist_ok=True)
        carried = carry(FromArchive(opened), place, opens=False, progress=progress)
        restored = clock()
        with place.store() as store:
            found = verify_place(store, place, progress)
        if found is not None:
            _raise_for(path, found)
        ended = clock()
    return Drill(
        versions=opened.manifest.versions,
        parked=opened.manifest.parked,
        blobs=carried.blobs,
        bytes=found.bytes if found is not None else 0,
        tables=carried.tables,
        opened=found is not None,
        restore_seconds=restored - began,
        verify_seconds=ended - restored,
    )


def _write(work: Path, snapshot: Snapshot, table: Table, progress: Tell) -> TableFacts:
    what = f"rows of {table.name}"
    return archive.write_table(work, table, snapshot.rows(table), lambda done: progress(Progress(what, done, 0)))


def _copy(wanted: Sequence[BlobFacts], place: Place, work: Path, progress: Tell) -> TableFacts:
    kept = directory_place(work).blobs
    noted: dict[str, BlobFacts] = {}

    class Noting:
        """Keeps the digest of each blob on its way."""

        open = kept.open
        names = kept.names

        def put(self, name: str, pieces: Iterable[bytes]) -> None:
            digest, size = hashlib.sha256(), 0

            def passing() -> Iterator[bytes]:
                nonlocal size
                for piece in pieces:
                    digest.update(piece)
                    size += len(piece)
                    yield piece

            kept.put(name, passing())
            noted[name] = BlobFacts(name, size, digest.hexdigest())

    copy_blobs(wanted, place.blobs, Noting(), progress)
    (work / BLOBS / "incoming").rmdir()
    return archive.write_index(work, (noted[name] for name in sorted(noted)))


def _checked(opened: Archive, ring: Ring | None, *, progress: Tell) -> Findings | None:
    """Restore the rows into a scratch database, as a restore does, and read everything. None: not opened."""
    for each in opened.index():
        _compare(opened, each)
    with _rows_restored(opened, ring) as place:
        _compare_names(opened, place)
        with place.store() as store:
            found = verify_place(store, place, progress)
    if found is not None:
        _raise_for(opened.path, found)
    return found


@contextmanager
def _rows_restored(opened: Archive, ring: Ring | None) -> Iterator[Place]:
    """A scratch database with the rows of a backup, beside the backup's own blobs."""
    with tempfile.TemporaryDirectory(prefix=".check-", dir=_scratch_beside(opened.path)) as made:
        place = directory_place(Path(made), durable=False, blobs=opened.path / BLOBS, ring=ring)
        loader = place.loader()
        try:
            loader.tables(opened.schema)
            for table in opened.tables:
                loader.load(table, opened.rows(table))
            loader.finish(opened.numbers(opened.tables))
        finally:
            loader.close()
        yield place


@contextmanager
def as_place(path: Path, ring: Ring | None = None) -> Iterator[Place]:
    """A backup to read versions from, without restoring it. Errors: as `check`, but for damaged bodies."""
    opened = Archive(path)
    with _rows_restored(opened, ring or _own_ring(opened)) as place:
        yield dataclasses.replace(place, name=str(path))


def _own_ring(opened: Archive) -> Ring | None:
    """The keys that the backup itself has."""
    file = next((each for each in opened.manifest.files if each.name == KEY_FILE), None)
    return Ring(read_keys(opened.read_file(file).decode("ascii"))) if file is not None else None


def _scratch_beside(path: Path) -> Path | None:
    """In the backup's own directory while it is made; a finished one is not written to."""
    return path if path.name.startswith(".") else None


def _raise_for(path: Path, found: Findings) -> None:
    if found.problems:
        raise StorageUnavailable(
            f"cannot make a good copy: {len(found.problems)} versions are damaged in {path.name.lstrip('.')}, first "
            f"{found.problems[0]}",
            hint="the data itself is damaged: restore it from an earlier backup",
        )


def _compare(opened: Archive, facts: BlobFacts) -> None:
    reader = opened.blobs.open(facts.name)
    try:
        digest = hashlib.sha256()
        for offset in range(0, reader.size, _PIECE):
            digest.update(reader.read(offset, _PIECE))
    finally:
        reader.close()
    if reader.size != facts.size or digest.hexdigest() != facts.sha256:
        raise StorageUnavailable(f"cannot use {opened.path}: body {facts.name} is damaged", hint="use another backup")


def _compare_names(opened: Archive, place: Place) -> None:
    snapshot = place.snapshot()
    try:
        if missing := set(blob_names(snapshot)) ^ {each.name for each in opened.index()}:
            raise StorageUnavailable(
                f"cannot use {opened.path}: {len(missing)} bodies are missing, first {min(missing)}",
                hint="use another backup",
            )
    finally:
        snapshot.close()


def _is_there(place: Place, name: str) -> bool:
    if not name or Path(name).name != name or name in (DATABASE, BLOBS, LOCK):
        raise RequestInvalid(
            f"cannot copy {name!r}: not the name of a file of its own in the data directory",
            hint="name a file beside the others, without a slash",
        )
    return place.directory is not None and (place.directory / name).is_file()


def _take(place: Place, work: Path, name: str) -> FileFacts:
    assert place.directory is not None
    raw = (place.directory / name).read_bytes()
    (work / archive.FILES).mkdir(mode=0o700, exist_ok=True)
    _keep(work / archive.FILES / name, raw)
    return FileFacts(name, hashlib.sha256(raw).hexdigest())


def _keep(path: Path, raw: bytes) -> None:
    with open(path, "xb", opener=private) as file:
        file.write(raw)
        file.flush()
        sync_file(file.fileno())
