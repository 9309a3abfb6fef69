"""Telling webhooks: no receiver holds up another, and none is told twice at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from lockhouse.audit import segments
from lockhouse.audit.signing import Signer
from lockhouse.core.audit import Entry, encode
from lockhouse.core.ports import Transaction
from lockhouse.core.webhooks import Progress, Webhook
from lockhouse.errors import StorageUnavailable
from lockhouse.runtime.dispatcher import NOTE_EVERY, Dispatcher
from lockhouse.runtime.engine import Engine
from lockhouse.service import audit
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore

T = TypeVar("T")
SIGNER = Signer(bytes(32))


class Rough(Engine):
    """A database that refuses the next command of those that it is told to."""

    refuses: Callable[[object], bool] | None = None

    async def write(self, command: Callable[[Transaction], T]) -> T:
        if self.refuses is not None and self.refuses(command):
            self.refuses = None
            raise StorageUnavailable("the database is away", hint="wait")
        return await super().write(command)


class Receivers:
    """All of them. Who has a gate answers when it is opened."""

    def __init__(self) -> None:
        self.got: list[tuple[str, int]] = []
        self.under_way: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def send(self, webhook: Webhook, _event: str, number: int, _body: bytes) -> str:
        assert webhook.name not in self.under_way, "two tell one receiver"
        self.under_way.append(webhook.name)
        if webhook.name in self.gates:
            await self.gates[webhook.name].wait()
        self.under_way.remove(webhook.name)
        self.got.append((webhook.name, number))
        return ""

    def numbers(self, name: str) -> list[int]:
        return [number for each, number in self.got if each == name]


@pytest.fixture
def engine(tmp_path: Path) -> Rough:
    made = Rough(MemoryStore(), FileBlobs(tmp_path))
    for name in ("quick", "slow"):
        webhook = Webhook(f"wh-{name}", name, "https://receiver.test/", ("lock.forced",), 1.0, "ann", b"n")
        made.store.write(lambda tx, each=webhook: tx.save_webhook(each, Progress()))
    return made


def happen(engine: Engine, count: int = 1) -> None:
    def command(tx: Transaction) -> None:
        for _ in range(count):
            tx.add_entry(encode(Entry(at=5.0, action="lock.forced")))
        audit.seal(tx, lambda after, raws: segments.build(after, raws, 5.0, SIGNER), 500)

    engine.store.write(command)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0)


def test_a_receiver_that_does_not_answer_holds_up_no_other(engine: Rough):
    async def play() -> None:
        engine.start()
        receivers = Receivers()
        receivers.gates["slow"] = asyncio.Event()
        dispatcher = Dispatcher(engine, receivers.send)
        happen(engine, 2)
        await asyncio.wait_for(dispatcher.round(), 30)
        await until(lambda: receivers.numbers("quick") == [1, 2] and receivers.under_way == ["slow"])
        happen(engine)
        await until(lambda: len(dispatcher._telling) == 1)
        await asyncio.wait_for(dispatcher.round(), 30)
        await until(lambda: receivers.numbers("quick") == [1, 2, 3])
        receivers.gates["slow"].set()
        await until(lambda: not dispatcher._telling)
        await dispatcher.round()
        await until(lambda: receivers.numbers("slow") == [1, 2, 3])
        await dispatcher.stop()

    asyncio.run(play())


def test_a_receiver_is_not_told_twice_at_once_when_the_place_of_another_could_not_be_noted(engine: Rough):
    async def play() -> None:
        engine.start()
        receivers = Receivers()
        receivers.gates["slow"] = asyncio.Event()
        dispatcher = Dispatcher(engine, receivers.send)
        happen(engine, NOTE_EVERY)
        engine.refuses = lambda _: True  # the first place that is noted is that of the quick one
        for _ in range(3):
            try:
                await asyncio.wait_for(dispatcher.round(), 30)
            except StorageUnavailable:
                continue
            await until(lambda: receivers.under_way == ["slow"] and len(dispatcher._telling) == 1)
        receivers.gates["slow"].set()
        await until(lambda: not dispatcher._telling)
        await dispatcher.stop()
        assert receivers.numbers("slow") == list(range(1, NOTE_EVERY + 1))
        assert receivers.numbers("quick") == [*range(1, NOTE_EVERY + 1)] * 2  # sent, and not noted the first time

    asyncio.run(play())


def test_a_dispatcher_that_ends_waits_for_what_is_under_way_and_notes_it(engine: Rough):
    async def play() -> None:
        engine.start()
        receivers = Receivers()
        receivers.gates["slow"] = asyncio.Event()
        dispatcher = Dispatcher(engine, receivers.send)
        happen(engine, 3)
        await dispatcher.round()
        await until(lambda: receivers.under_way == ["slow"])
        ending = asyncio.create_task(dispatcher.stop())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not ending.done()
        receivers.gates["slow"].set()
        await ending

    asyncio.run(play())
    places = {webhook.name: progress.number for webhook, progress in engine.store.read(lambda tx: tx.webhooks())}
    assert places == {"quick": 3, "slow": 1}
