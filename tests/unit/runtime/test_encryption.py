"""Rotation and retirement: when something is wrong with the file of the keys, and when several are at it at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec.structs import replace

from lockhouse.core.data_keys import DataKey, KeyRecord
from lockhouse.core.ports import Transaction
from lockhouse.core.principals import Grant, Identity, Right
from lockhouse.errors import RequestInvalid, StorageUnavailable
from lockhouse.runtime.encryption import LEARNT_SECONDS, Encryption
from lockhouse.runtime.engine import Engine
from lockhouse.sealing.ring import key_id
from lockhouse.sealing.sources import KEY_FILE, KeyFile, choose_source, open_ring
from lockhouse.service.callers import Caller
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore
from tests.contract.samples import HOME, version, write_version

T = TypeVar("T")
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


@dataclass(frozen=True)
class Gated(KeyFile):
    """A slow disk: a key is made when it may be."""

    entered: list[int] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def make(self, now: float, known=()) -> tuple[bytes, KeyRecord]:
        self.entered.append(1)
        self.gate.wait(60)
        return super().make(now, known)


def test_two_rotations_at_once_are_two_keys_that_a_restart_finds(tmp_path: Path):
    store = MemoryStore()
    source = Gated(tmp_path / KEY_FILE)
    source.gate.set()
    opened = open_ring(source, store, 1.0)
    source.gate.clear()
    source.entered.clear()

    async def both() -> list[str]:
        engine = Engine(store, FileBlobs(tmp_path / "blobs"), now=lambda: 5.0)
        engine.start()
        encryption = Encryption(engine, opened)
        rotations = [asyncio.create_task(encryption.rotate(CALLER)) for _ in range(2)]
        try:
            async with asyncio.timeout(60):
                while not source.entered:
                    await asyncio.to_thread(bool)
                for _ in range(50):  # the other one comes as far as it can
                    await asyncio.to_thread(bool)
                source.gate.set()
                return await asyncio.gather(*rotations)
        finally:
            await encryption.stop()

    made = asyncio.run(both())
    records = {record.id for record in store.read(lambda tx: tx.key_records())}
    assert set(made) < records
    assert len(records) == 3
    again = open_ring(choose_source("", tmp_path, {}), store, 9.0)
    assert again is not None
    assert again.ring.ids == records
    assert opened is not None
    assert opened.ring.newest == made[-1] == again.ring.newest


class Meanwhile(Engine):
    """A version is written between two steps of whoever commands something."""

    act: Callable[[Transaction], object] | None = None

    async def write(self, command: Callable[[Transaction], T]) -> T:
        act, self.act = self.act, None
        if act is not None:
            await super().write(act)
        return await super().write(command)


def test_a_key_is_not_retired_that_sealed_a_version_while_they_were_counted(tmp_path: Path):
    store = MemoryStore()
    opened = open_ring(choose_source("", tmp_path, {}), store, 1.0)
    assert opened is not None
    old = opened.ring.newest

    async def retire() -> None:
        engine = Meanwhile(store, FileBlobs(tmp_path / "blobs"), now=lambda: 5.0)
        engine.start()
        encryption = Encryption(engine, opened)
        await encryption.rotate(CALLER)
        await encryption.stop()
        new = version(1)
        sealed = replace(new, body=replace(new.body, key=DataKey(b"k" * 16, old, b"wrapped", b"")))
        engine.act = lambda tx: write_version(tx, HOME, sealed)
        with pytest.raises(RequestInvalid, match="bodies need it"):
            await encryption.retire(CALLER, old)

    asyncio.run(retire())
    assert old in {record.id for record in store.read(lambda tx: tx.key_records())}


class Shared(MemoryStore):
    """As a database that other servers use, too."""

    reads_are_local = False


def test_a_server_learns_of_a_key_that_another_one_made_before_an_older_one_can_be_retired(tmp_path: Path):
    store, now = Shared(), [5.0]
    here, there = (open_ring(choose_source("", tmp_path, {}), store, 1.0) for _ in range(2))
    assert here is not None
    assert there is not None
    old = here.ring.newest

    async def play() -> None:
        engine = Engine(store, FileBlobs(tmp_path / "blobs"), now=lambda: now[0])
        engine.start()
        one, other = Encryption(engine, here), Encryption(engine, there)
        made = await one.rotate(CALLER)
        assert there.ring.newest == old
        now[0] += LEARNT_SECONDS - 1
        with pytest.raises(RequestInvalid, match="another server may still seal"):
            await one.retire(CALLER, old)
        await other.look()
        assert there.ring.newest == made
        now[0] += 1
        await one.retire(CALLER, old)
        await one.stop()
        await other.stop()
        engine.stop()

    asyncio.run(play())
    assert [record.id for record in store.read(lambda tx: tx.key_records())] == [here.ring.newest]


def test_a_key_in_the_file_that_nobody_entered_seals_nothing(tmp_path: Path):
    store = Shared()
    opened = open_ring(choose_source("", tmp_path, {}), store, 1.0)
    assert opened is not None
    file = KeyFile(tmp_path / KEY_FILE)
    entered = file.make(2.0)[1]
    store.write(lambda tx: tx.save_key_record(entered))
    file.make(3.0)  # and whoever made it ended there

    async def look() -> None:
        engine = Engine(store, FileBlobs(tmp_path / "blobs"))
        engine.start()
        encryption = Encryption(engine, opened)
        await encryption.look()
        await encryption.stop()
        engine.stop()

    asyncio.run(look())
    assert opened.ring.newest == entered.id
