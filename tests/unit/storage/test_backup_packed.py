"""A backup of a packed history: every version of the restored copy has the digest that it had when it came."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockhouse.core.records import Namespace
from lockhouse.errors import StorageUnavailable
from lockhouse.storage.blobs.sweep import sweep
from lockhouse.storage.carry.archive import Manifest
from lockhouse.storage.carry.backup import check, create, drill, restore
from lockhouse.storage.carry.place import directory_place, serving
from lockhouse.storage.directory import DataDirectory, open_directory
from lockhouse.storage.verify import verify
from tests.contract.packed import RING, Place, state

SMALL, LARGE = range(1, 6), range(6, 10)


@pytest.fixture
def packed(tmp_path: Path) -> Iterator[tuple[DataDirectory, Place]]:
    """Versions in rows and in blobs, one of them in the trash, all but the newest packed; and one that came since."""
    directory = open_directory(tmp_path / "data")
    directory.store.write(lambda tx: tx.create_namespace(Namespace("acme", 1.0)))
    place = Place(directory.store, directory.blobs)
    for seq in SMALL:
        place.write(seq, state(seq, 20))
    for seq in LARGE:
        place.write(seq, state(seq, 4000), blob=True)
    place.discard(3)
    assert place.pack().versions == 8
    place.write(10, state(10, 4000), blob=True)
    yield directory, place
    directory.close()


def copy(directory: DataDirectory, target: Path) -> Manifest:
    return create(serving(directory, RING), target, now=5.0)


def restored(copied: Path, target: Path) -> DataDirectory:
    """A new data directory from a backup, with the keys at hand."""
    target.mkdir()
    restore(copied, directory_place(target, ring=RING))
    return open_directory(target)


def digests(place: Place) -> dict[int, bytes]:
    return {seq: hashlib.sha256(raw).digest() for seq, raw in place.written.items()}


def test_every_version_of_a_restored_packed_history_has_its_digest(packed: tuple[DataDirectory, Place], tmp_path: Path):
    directory, place = packed
    manifest = copy(directory, tmp_path / "copy")
    assert manifest.tables["packs"].rows == 8
    assert check(tmp_path / "copy", RING) == (manifest, True)
    practised = drill(tmp_path / "copy", tmp_path, ring=RING)
    assert practised.opened
    assert practised.tables == manifest.tables
    assert practised.bytes == sum(map(len, place.written.values()))
    again = restored(tmp_path / "copy", tmp_path / "again")
    try:
        found = verify(again.store, again.blobs, ring=RING)
        assert (found.versions, found.problems) == (10, [])
        there = Place(again.store, again.blobs)
        there.written = place.written
        there.check()
        assert {seq: there.body(seq).sha256 for seq in place.written} == digests(place)
        assert [there.body(seq).base for seq in place.written] == [place.body(seq).base for seq in place.written]
        assert there.pack().versions > 0  # and it goes on where it was
        there.check()
    finally:
        again.close()


def test_a_backup_during_which_a_history_is_packed_is_whole(packed: tuple[DataDirectory, Place], tmp_path: Path):
    """What the snapshot refers to is still there when it is copied: packing leaves blobs, and the sweep waits."""
    directory, place = packed
    done: list[int] = []

    def meanwhile(_: object) -> None:
        if not done:
            done.append(place.pack().versions)
            directory.store.write(lambda tx: tx.forget_retired(1e12, 1000))
            done.append(sweep(directory.blobs, directory.store, now=time.time() + 1.0, grace=0.0))

    create(serving(directory, RING), tmp_path / "copy", now=5.0, progress=meanwhile)
    assert done[0] > 0
    again = restored(tmp_path / "copy", tmp_path / "again")
    try:
        there = Place(again.store, again.blobs)
        there.written = place.written
        there.check()
    finally:
        again.close()
    place.check()


def test_a_flipped_bit_in_the_version_that_others_are_packed_against_fails_the_backup(
    packed: tuple[DataDirectory, Place], tmp_path: Path
):
    directory, place = packed
    file = next(iter((tmp_path / "data" / "blobs").rglob(place.body(9).blob or place.body(10).blob)))
    good = file.read_bytes()
    file.write_bytes(good[:1000] + bytes([good[1000] ^ 1]) + good[1001:])
    with pytest.raises(StorageUnavailable):
        copy(directory, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    file.write_bytes(good)
    copy(directory, tmp_path / "copy")
