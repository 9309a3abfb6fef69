"""Carrying from a source (a backup, or another place) into a place, and comparing until both are equal.

The order makes an interruption harmless at any point: the place is marked as arriving, then rows are loaded in the
order of their keys (so that a second run goes on after the last), then blobs under their names (those that are there
already are whole), then everything is read back and compared, and only then the mark goes. A server refuses a place so
marked. Nothing is removed at the source.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import msgspec

from lockhouse.core.blobs import BlobReader
from lockhouse.core.ports import Reader, Store
from lockhouse.errors import DataInvalid, StorageUnavailable
from lockhouse.storage.carry.archive import Archive, BlobFacts
from lockhouse.storage.carry.layout import Table, layout
from lockhouse.storage.carry.place import Place, StoredBlobs
from lockhouse.storage.carry.rows import Snapshot, TableFacts, blob_names, facts_of
from lockhouse.storage.sql.records import Row
from lockhouse.storage.verify import Findings, verify

ARRIVING = "arriving"
MOVED = "moved"
_PIECE = 1024 * 1024
_WORKERS = 8
_BATCH = 256


class Progress(msgspec.Struct, frozen=True):
    """`what` is `rows of NAME`, `bodies`, `compare NAME` or `verify`; `total` 0: not known."""

    what: str
    done: int
    total: int


Tell = Callable[[Progress], object]


class Carried(msgspec.Struct, frozen=True):
    """What is in the place now."""

    tables: dict[str, TableFacts]
    blobs: int
    blob_bytes: int
    """As stored."""
    found: Findings | None
    """None: the bodies were not opened, because the keys are not here."""


class OpenBlobs(Protocol):
    def open(self, name: str) -> BlobReader: ...


class Source(Protocol):
    """Where rows and blobs come from."""

    name: str
    schema: int
    blobs: OpenBlobs

    def rows(self, table: Table, after: Row | None = None) -> Iterator[Row]: ...
    def numbers(self, tables: Sequence[Table]) -> dict[str, int]: ...
    def facts(self, table: Table) -> TableFacts: ...
    def index(self) -> Iterable[BlobFacts]:
        """Every blob that the rows refer to, in the order of their names; `size` -1 where that is not known yet."""
        ...


class FromArchive:
    """A backup as a source."""

    def __init__(self, archive: Archive) -> None:
        self.name = str(archive.path)
        self.schema = archive.schema
        self.blobs: OpenBlobs = archive.blobs
        self.rows = archive.rows
        self.numbers = archive.numbers
        self.index = archive.index
        self._archive = archive

    def facts(self, table: Table) -> TableFacts:
        return self._archive.manifest.tables[table.name]


class FromPlace:
    """A place as a source, as one snapshot of it shows it."""

    def __init__(self, place: Place, snapshot: Snapshot, progress: Tell = bool) -> None:
        self.name = place.name
        self.schema = snapshot.schema
        self.blobs: OpenBlobs = place.blobs
        self.rows = snapshot.rows
        self.numbers = snapshot.numbers
        self._snapshot = snapshot
        self._progress = progress

    def facts(self, table: Table) -> TableFacts:
        return facts_of(self._snapshot, table, lambda done: self._progress(Progress(f"compare {table.name}", done, 0)))

    def index(self) -> Iterable[BlobFacts]:
        return (BlobFacts(name, -1, "") for name in blob_names(self._snapshot))


def carry(source: Source, target: Place, *, opens: bool = True, progress: Tell = bool) -> Carried:
    """Everything of the source into the target. `opens`: whether the keys are here, so that bodies can be verified.

    Errors: `data.invalid` (the target holds other data), `storage.unavailable` (something cannot be read or written, is
    damaged, or changed meanwhile), `storage.full`. Run again, it goes on where it ended.
    """
    tables = layout(source.schema)
    loader = target.loader()
    try:
        loader.tables(source.schema)
        _mark(target, loader.notices(), [table for table in tables if loader.last(table) is not None], source.name)
        loader.note(ARRIVING, source.name.encode())
        for table in tables:
            told = _named(progress, f"rows of {table.name}")
            loader.load(table, source.rows(table, loader.last(table)), told)
        blobs, size = copy_blobs(source.index(), source.blobs, target.blobs, progress)
        compare_blobs(source, target.blobs, progress)
        facts = {table.name: source.facts(table) for table in tables}
        for table in _different(target, tables, facts, progress):
            # Somebody wrote at the source between two runs.
            loader.clear(table)
            loader.load(table, source.rows(table), _named(progress, f"rows of {table.name}"))
        if different := _different(target, tables, facts, progress):
            raise StorageUnavailable(
                f"cannot carry {source.name} to {target.name}: the rows of {different[0].name} are not equal",
                hint="is a server writing at the source? stop it, and run this again",
            )
        loader.finish(source.numbers(tables))
    finally:
        loader.close()
    with target.store() as store:
        found = verify_place(store, target, progress) if opens else None
        if found is not None and found.problems:
            raise StorageUnavailable(
                f"cannot carry {source.name} to {target.name}: {len(found.problems)} versions are damaged, first "
                f"{found.problems[0]}",
                hint="the data itself is damaged: use an earlier backup",
            )
        store.write(lambda tx: tx.set_notice(ARRIVING, None))
    return Carried(facts, blobs, size, found)


def check_whole(tx: Reader) -> str:
    """DataInvalid (`data.invalid`) for a place that is half filled; where it was moved to, or nothing."""
    notices: Mapping[str, bytes] = dict(tx.notices())
    if ARRIVING in notices:
        raise DataInvalid(
            f"cannot use this data: it is only partly here, it was being carried from {notices[ARRIVING].decode()}",
            hint="run that restore or move again: it goes on where it ended",
        )
    return notices[MOVED].decode() if MOVED in notices else ""


def check_served(tx: Reader) -> None:
    """DataInvalid (`data.invalid`) for a place that must not be served: half filled, or moved elsewhere."""
    if moved := check_whole(tx):
        raise DataInvalid(
            f"cannot serve this data: it was moved to {moved}",
            hint="use it there; or, to give that move up: lockhouse move --undo PLACE, and PLACE is this one",
        )


def verify_place(store: Store, place: Place, progress: Tell = bool) -> Findings | None:
    """Every body of every version and parked write, against its digest; None when the keys are not here."""
    if not place.opens(store):
        return None

    def tell(so_far: Findings) -> None:
        progress(Progress("verify", so_far.versions + so_far.parked, 0))

    return verify(store, place.plain, tell, ring=place.ring)


def copy_blobs(wanted: Iterable[BlobFacts], source: OpenBlobs, target: StoredBlobs, progress: Tell) -> tuple[int, int]:
    """Those that are not there yet; (number, bytes) of all that are wanted, as far as their size is known."""
    there = {name for name, _ in target.names()}
    count = size = 0

    def copy(each: BlobFacts) -> int:
        return each.size if each.name in there else _copy_blob(source, target, each)

    with ThreadPoolExecutor(_WORKERS, "lockhouse-carry") as pool:
        index = iter(wanted)
        while batch := list(itertools.islice(index, _BATCH)):
            for length in pool.map(copy, batch):
                count += 1
                size += max(0, length)
            progress(Progress("bodies", count, 0))
    return count, size


def compare_blobs(source: Source, target: OpenBlobs, progress: Tell) -> None:
    """Every blob as it is stored there against the digest that the source has, or against the source's own bytes.

    Errors: `storage.unavailable` names the first that differs."""
    count = 0
    with ThreadPoolExecutor(_WORKERS, "lockhouse-compare") as pool:
        index = iter(source.index())
        while batch := list(itertools.islice(index, _BATCH)):
            for each, same in zip(batch, pool.map(lambda one: _same(source.blobs, target, one), batch), strict=True):
                if not same:
                    raise StorageUnavailable(
                        f"cannot carry body {each.name}: what was written is not what was read",
                        hint="remove it at the destination and run this again",
                    )
            count += len(batch)
            progress(Progress("compare bodies", count, 0))


def _same(source: OpenBlobs, target: OpenBlobs, facts: BlobFacts) -> bool:
    return _digest(target, facts.name) == (facts.sha256 or _digest(source, facts.name))


def _digest(blobs: OpenBlobs, name: str) -> str:
    reader = blobs.open(name)
    try:
        digest = hashlib.sha256()
        for offset in range(0, reader.size, _PIECE):
            digest.update(reader.read(offset, min(_PIECE, reader.size - offset)))
        return digest.hexdigest()
    finally:
        reader.close()


def _copy_blob(source: OpenBlobs, target: StoredBlobs, facts: BlobFacts) -> int:
    reader = source.open(facts.name)
    try:
        digest = hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            for offset in range(0, reader.size, _PIECE):
                piece = reader.read(offset, min(_PIECE, reader.size - offset))
                digest.update(piece)
                yield piece
            if facts.sha256 and digest.hexdigest() != facts.sha256:
                raise StorageUnavailable(f"cannot copy body {facts.name}: it is damaged", hint="use another backup")

        target.put(facts.name, pieces())
        return reader.size
    finally:
        reader.close()


def _mark(target: Place, notices: Mapping[str, bytes], filled: Sequence[Table], source: str) -> None:
    arriving = notices.get(ARRIVING)
    if arriving is None and filled:
        raise DataInvalid(
            f"cannot write to {target.name}: there is data in it already", hint="name an empty database or directory"
        )
    if arriving is not None and arriving.decode() != source:
        raise DataInvalid(
            f"cannot write to {target.name}: it is half filled from {arriving.decode()}",
            hint="finish that first, or name an empty database or directory",
        )


def _different(target: Place, tables: Sequence[Table], facts: dict[str, TableFacts], progress: Tell) -> list[Table]:
    snapshot = target.snapshot()
    try:
        return [
            table
            for table in tables
            if facts_of(snapshot, table, _named(progress, f"compare {table.name}")) != facts[table.name]
        ]
    finally:
        snapshot.close()


def _named(progress: Tell, what: str) -> Callable[[int], object]:
    return lambda done: progress(Progress(what, done, 0))
