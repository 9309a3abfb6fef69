"""The numbers for operators, asked for by several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from lockhouse.core.ports import Reader
from lockhouse.protocols.api.metrics import Metrics
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.house import House
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore

T = TypeVar("T")


class Gated(Engine):
    """Each query has a gate."""

    gates: list[asyncio.Event]

    async def read(self, query: Callable[[Reader], T]) -> T:
        gate = asyncio.Event()
        self.gates.append(gate)
        await gate.wait()
        return await super().read(query)


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_who_asks_while_another_one_is_asking_does_not_make_the_storage_look_away(tmp_path: Path):
    async def play() -> None:
        engine = Gated(MemoryStore(), FileBlobs(tmp_path))
        engine.gates = []
        engine.start()
        metrics = Metrics(House(engine, lock_wait=0, max_body=1))
        first = asyncio.create_task(metrics.text())
        await turns()
        engine.gates[0].set()
        await turns()
        second = asyncio.create_task(metrics.text())
        await turns()
        engine.gates[1].set()  # the last query of the first one
        assert b"lockhouse_storage_up 1.0" in await first
        for _ in range(2):
            engine.gates[-1].set()
            await turns()
        assert b"lockhouse_storage_up 1.0" in await second

    asyncio.run(asyncio.wait_for(play(), 60))
