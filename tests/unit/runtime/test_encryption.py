"""Rotation, when something is wrong with the file of the keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from lockhouse.core.principals import Grant, Identity, Right
from lockhouse.errors import StorageUnavailable
from lockhouse.runtime.encryption import Encryption
from lockhouse.runtime.engine import Engine
from lockhouse.sealing.ring import key_id
from lockhouse.sealing.sources import KEY_FILE, KeyFile, choose_source, open_ring
from lockhouse.service.callers import Caller
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore

CALLER = Caller(
    Identity(principal="p", name="ann", credential="c", grants=(Grant("*", "", (Right.ADMIN,)),)), 5.0, "api"
)


def rotated(path: Path, before: Callable[[], object]) -> MemoryStore:
    """A house whose keys were rotated, after something happened to the file."""
    store = MemoryStore()
    opened = open_ring(choose_source("", path, {}), store, 1.0)

    async def rotate() -> None:
        engine = Engine(store, FileBlobs(path / "blobs"), now=lambda: 5.0)
        engine.start()
        encryption = Encryption(engine, opened)
        try:
            await encryption.rotate(CALLER)
        finally:
            await encryption.stop()
            engine.stop()

    before()
    asyncio.run(rotate())
    return store


def test_a_file_that_was_lost_meanwhile_gets_the_keys_of_the_server_back(tmp_path: Path):
    store = rotated(tmp_path, (tmp_path / KEY_FILE).unlink)
    needed = [record.id for record in store.read(lambda tx: tx.key_records())]
    assert [key_id(each) for each in KeyFile(tmp_path / KEY_FILE).load(())] == needed
    assert len(needed) == 2
    open_ring(choose_source("", tmp_path, {}), store, 9.0)  # and the server starts again


def test_a_file_that_cannot_be_used_is_an_answer_and_no_failure(tmp_path: Path):
    with pytest.raises(StorageUnavailable, match="others may read it"):
        rotated(tmp_path, lambda: (tmp_path / KEY_FILE).chmod(0o644))
