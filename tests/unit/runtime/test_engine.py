"""Commands of the event loop are delivered in the order in which they were written, whoever runs and commits them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from lockhouse.core.ports import Transaction
from lockhouse.core.records import Namespace
from lockhouse.errors import ConditionFailed, StorageUnavailable
from lockhouse.runtime.engine import GROUP, Command, Engine
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


class Noting(SqliteStore):
    """A store that notes how large the groups were that it was offered."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.sizes: list[int] = []

    def offer(self, group: Sequence[tuple[Command, object]]) -> bool:
        self.sizes.append(len(group))
        return super().offer(group)


@pytest.fixture
def noting(tmp_path: Path):
    store = Noting(tmp_path / "db")
    yield store
    store.close()


def test_who_comes_a_turn_later_is_in_the_same_group(noting: Noting, tmp_path: Path):
    asyncio.run(turn_after_turn(Engine(noting, FileBlobs(tmp_path / "blobs"))))
    assert noting.sizes == [10]


async def turn_after_turn(engine: Engine) -> None:
    engine.start()

    async def write(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await engine.write(lambda tx: tx.namespaces())

    await asyncio.gather(*(write(turns) for turns in range(10)))


def test_a_group_is_full_at_some_time(noting: Noting, tmp_path: Path):
    asyncio.run(without_end(Engine(noting, FileBlobs(tmp_path / "blobs"))))
    assert max(noting.sizes) == GROUP
    assert sum(noting.sizes) == 3 * GROUP


async def without_end(engine: Engine) -> None:
    engine.start()
    asked = []
    for _ in range(3 * GROUP):
        asked.append(asyncio.ensure_future(engine.write(lambda tx: tx.namespaces())))
        await asyncio.sleep(0)
    assert asked[0].done()
    await asyncio.gather(*asked)


def test_one_alone_waits_for_nobody(noting: Noting, tmp_path: Path):
    turns = asyncio.run(alone(Engine(noting, FileBlobs(tmp_path / "blobs"))))
    assert noting.sizes == [1, 1, 1]
    assert turns[0] > turns[1] == turns[2] == 1


async def alone(engine: Engine) -> list[int]:
    """For three commands, one after the other: the turns until the store was given each."""
    engine.start()
    found = []
    for _ in range(3):
        asked = asyncio.ensure_future(engine.write(lambda tx: tx.namespaces()))
        await asyncio.sleep(0)
        turns = 0
        while engine.commands_waiting:
            await asyncio.sleep(0)
            turns += 1
        found.append(turns)
        await asked
    return found


def test_a_read_for_which_there_is_no_thread_is_refused_and_not_counted_for_ever(engine: Engine):
    """After enough of them everybody would be told that the database is busy."""

    async def play() -> None:
        engine.start()
        assert await engine.elsewhere(lambda: 1) == 1
        engine.stop()
        for _ in range(3):
            with pytest.raises(StorageUnavailable):
                await engine.elsewhere(lambda: 1)
        assert engine.reads_waiting == 0

    asyncio.run(play())
