"""Packing works on every store with every blobs, and reads back as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lockhouse.storage.blobs.rows import RowBlobs
from lockhouse.storage.blobs.sweep import sweep
from lockhouse.storage.sql.postgres import PostgresStore
from lockhouse.storage.sql.sqlite import SqliteStore
from lockhouse.storage.verify import verify
from tests.contract.conftest import BLOBS, STORES
from tests.contract.packed import RING, Place, state

PLACES = {
    "sqlite with files": ("sqlite", "files"),
    "sqlite with rows": ("sqlite", ""),
    "postgres with rows": ("postgres", ""),
    "postgres with a bucket of moto": ("postgres", "objects of moto"),
    "postgres with a bucket of lockhouse": ("postgres", "objects of lockhouse"),
}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    of_records, of_bodies = PLACES[request.param]
    store = STORES[of_records](tmp_path)
    assert isinstance(store, SqliteStore | PostgresStore)
    yield Place(store, BLOBS[of_bodies](tmp_path) if of_bodies else RowBlobs(store))
    store.close()


def test_a_history_is_packed_swept_and_read_back(place: Place):
    for seq in range(1, 6):
        place.write(seq, state(seq, 20))
    for seq in range(6, 9):
        place.write(seq, state(seq, 4000), blob=True)
    packed = place.pack()
    assert (packed.states, packed.versions, packed.failed) == (1, 7, 0)
    assert [bool(place.body(seq).base) for seq in range(1, 9)] == [True] * 7 + [False]
    place.store.write(lambda tx: tx.forget_retired(1e12, 1000))
    sweep(place.blobs, place.store, now=1e12, grace=0.0)
    kept = {place.body(seq).blob for seq in range(1, 9)} - {""}
    assert {name for name, _ in place.blobs.names()} == kept
    place.check()
    found = verify(place.store, place.blobs, ring=RING)
    assert (found.versions, found.problems) == (8, [])
    for seq in range(9, 11):
        place.write(seq, state(seq, 4000), blob=True)
    assert place.pack().failed == 0
    place.check()


def test_two_servers_that_pack_one_history_leave_it_whole(place: Place):
    """Each version is packed by the one that comes first; the other's work is left, and swept."""
    for seq in range(1, 6):
        place.write(seq, state(seq, 3000), blob=True)
    one, other = place.pack_twice()
    assert one.failed == other.failed == 0
    assert [bool(place.body(seq).base) for seq in range(1, 6)] == [True] * 4 + [False]
    place.check()
