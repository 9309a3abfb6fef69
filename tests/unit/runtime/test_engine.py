"""Commands of the event loop are delivered in the order in which they were written, whoever runs and commits them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lockhouse.core.ports import Transaction
from lockhouse.core.records import Namespace
from lockhouse.errors import ConditionFailed
from lockhouse.runtime.engine import GROUP, Engine
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore
from lockhouse.storage.sql.sqlite import SqliteStore


@pytest.fixture(params=["sqlite", "memory"])
def engine(request, tmp_path: Path):
    store = SqliteStore(tmp_path / "db") if request.param == "sqlite" else MemoryStore()
    yield Engine(store, FileBlobs(tmp_path / "blobs"))
    store.close()


def changes_then_fails(tx: Transaction) -> None:
    tx.create_namespace(Namespace("half", 1.0))
    raise ConditionFailed("no")


def test_what_comes_behind_a_group_that_was_queued_is_delivered_behind_it(engine: Engine):
    asyncio.run(queued_then_offered(engine))


async def queued_then_offered(engine: Engine) -> None:
    engine.start()
    done: list[object] = []

    async def write(name: str) -> None:
        def command(tx: Transaction) -> str:
            tx.create_namespace(Namespace(name, float(len(tx.namespaces()))))
            return name

        done.append(await engine.write(command))

    async def fail() -> None:
        with pytest.raises(ConditionFailed):
            await engine.write(changes_then_fails)
        done.append("failed")

    first = asyncio.gather(write("one"), fail())  # cannot be undone alone, so this group is queued
    while engine.commands_waiting == 0:
        await asyncio.sleep(0)
    while engine.commands_waiting:
        await asyncio.sleep(0)
    second = asyncio.gather(*(write(f"later-{number:03}") for number in range(GROUP + 10)))
    await asyncio.gather(first, second)
    assert done == ["one", "failed", *(f"later-{number:03}" for number in range(GROUP + 10))]
    assert [space.at for space in await engine.read(lambda tx: tx.namespaces())] == [
        *map(float, range(1, GROUP + 11)),
        0.0,
    ]
