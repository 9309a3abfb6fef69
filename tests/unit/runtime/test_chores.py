"""A round of chores: what is over goes, wherever it lies, and a chore that fails holds no other up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Transaction
from lockhouse.core.records import ItemRecord, Namespace, TableRecord, Upload
from lockhouse.runtime.chores import UPLOAD_SECONDS, Chores
from lockhouse.runtime.engine import Engine
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore

NOW = 2 * UPLOAD_SECONDS
Sweep = Callable[[Callable[[], bool]], int]


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    made = MemoryStore()
    yield made
    made.close()


def chores(store: MemoryStore, tmp_path: Path, sweep: Sweep = lambda _: 0) -> Chores:
    engine = Engine(store, FileBlobs(tmp_path), now=lambda: NOW)
    engine.start()
    return Chores(engine, sweep, restore_window=1.0, retention_floor=1.0)


def test_an_abandoned_upload_is_found_behind_pages_of_young_ones(store: MemoryStore, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("lockhouse.service.uploads._PAGE", 2)

    def fill(tx: Transaction) -> None:
        tx.create_namespace(Namespace("acme", 1.0))
        for key, at in (("a", NOW), ("b", NOW), ("c", NOW), ("d", 1.0), ("e", NOW)):
            tx.add_upload(Upload(f"upload-{key}", Address("acme", key), at, "P1", b""))

    store.write(fill)

    async def run() -> int:
        return await chores(store, tmp_path).end_uploads()

    assert asyncio.run(run()) == 1
    assert [each.address.key for each in store.read(lambda tx: tx.uploads("acme"))] == ["a", "b", "c", "e"]


def test_a_chore_that_fails_is_logged_and_the_others_are_done(store: MemoryStore, tmp_path: Path, caplog):
    def sweep(_stop: Callable[[], bool]) -> int:
        raise OSError("the disk")

    def fill(tx: Transaction) -> None:
        tx.save_table(TableRecord("locks", b"{}"))
        tx.put_item("locks", ItemRecord(b"old", b"", b"{}", expires_at=1.0))
        tx.put_item("locks", ItemRecord(b"new", b"", b"{}", expires_at=NOW + 1))

    store.write(fill)

    async def run() -> None:
        rounds = chores(store, tmp_path, sweep).rounds
        rounds.start()
        while len(store.read(lambda tx: tx.items("locks"))) == 2 or "Cannot sweep blobs" not in caplog.text:
            await asyncio.sleep(0.001)
        await rounds.stop(patience=60.0)

    asyncio.run(asyncio.wait_for(run(), 60))
    assert [each.hash_key for each in store.read(lambda tx: tx.items("locks"))] == [b"new"]
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == ["Cannot sweep blobs"]


def test_a_sweep_is_told_that_the_server_ends(store: MemoryStore, tmp_path: Path):
    """It goes on in a thread, for which a process waits before it ends."""
    asked: list[Callable[[], bool]] = []

    def sweep(stop: Callable[[], bool]) -> int:
        asked.append(stop)
        return 0

    async def run() -> None:
        made = chores(store, tmp_path, sweep)
        await made.sweep_blobs()
        assert not asked[0]()
        made.rounds.start()
        await made.rounds.stop()
        assert asked[0]()

    asyncio.run(asyncio.wait_for(run(), 60))
