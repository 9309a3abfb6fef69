"""Entries of reads and refusals: each is appended once, in its order, however slow or broken the database is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from lockhouse.core.audit import decode
from lockhouse.core.ports import Transaction
from lockhouse.errors import StorageUnavailable
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.journal import Journal, Trail
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore

T = TypeVar("T")


class Slow(Engine):
    """A database that answers a command when it is allowed to, or not at all."""

    gate: asyncio.Event
    away = False

    async def write(self, command: Callable[[Transaction], T]) -> T:
        await self.gate.wait()
        if self.away:
            raise StorageUnavailable("the database is away", hint="wait")
        return await super().write(command)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Slow]:
    made = Slow(MemoryStore(), FileBlobs(tmp_path))
    yield made
    made.store.close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lockhouse.runtime.journal.DELAY_SECONDS", 0.0)


def refuse(journal: Journal, *names: str) -> None:
    for name in names:
        trail = Trail(code="access.denied", action=name)
        journal.saw(trail, method="GET", protocol="s3", peer="", agent="", request=name, status=403)


def appended(engine: Engine) -> list[str]:
    return [decode(raw).request for _, raw in engine.store.read(lambda tx: tx.unsealed())]


async def turns() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


def opened(engine: Slow) -> Journal:
    engine.gate = asyncio.Event()
    engine.start()
    return Journal(engine, lambda after, raws: pytest.fail("nothing is sealed here"))


def test_what_comes_while_a_slow_database_appends_is_neither_lost_nor_there_twice(engine: Slow):
    async def run() -> None:
        journal = opened(engine)
        refuse(journal, "a", "b", "c")
        await turns()
        refuse(journal, "d")
        await turns()
        engine.gate.set()
        await turns()
        refuse(journal, "e", "f")
        await journal.stop()
        assert journal.waiting == 0

    asyncio.run(asyncio.wait_for(run(), 60))
    assert appended(engine) == ["a", "b", "c", "d", "e", "f"]


def test_what_could_not_be_appended_is_tried_again_though_nobody_asks_for_anything_more(engine: Slow):
    async def run() -> None:
        journal = opened(engine)
        engine.away = True
        engine.gate.set()
        refuse(journal, "a", "b")
        await turns()
        assert journal.waiting == 2
        engine.away = False
        await turns()
        assert journal.waiting == 0
        await journal.stop()

    asyncio.run(asyncio.wait_for(run(), 60))
    assert appended(engine) == ["a", "b"]


def test_a_server_stops_while_its_database_is_away(engine: Slow):
    async def run() -> None:
        journal = opened(engine)
        engine.away = True
        engine.gate.set()
        refuse(journal, "a")
        await turns()
        await journal.stop()
        assert journal.waiting == 1

    asyncio.run(asyncio.wait_for(run(), 60))
    assert appended(engine) == []
