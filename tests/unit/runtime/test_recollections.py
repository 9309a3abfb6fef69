"""Who was refused a moment ago is shown by which lock: in memory and in the store alike, whoever else reads meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Facet
from lockhouse.core.principals import Identity
from lockhouse.core.records import Namespace
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.memory import REFUSAL_SECONDS
from lockhouse.runtime.recollections import Asker, InMemory, InStore, Recollections
from lockhouse.service.callers import Caller
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore

HERE = Address("acme", "app.tfstate")
HELD = ("L1", b"{}")
GO = "aws-sdk-go-v2/1.41.5 ua/2.1 os/linux lang/go#1.25.10 md/GOOS#linux api/s3#1.97.3"
TAKES = f"APN/1.0 HashiCorp/1.0 Terraform/1.15.5 (+https://www.terraform.io) {GO} ft/s3-transfer m/G,Z,g"
ASKS = f"APN/1.0 HashiCorp/1.0 Terraform/1.15.5 (+https://www.terraform.io) {GO} m/b,g"
SCRIPT = "aws-cli/1.46.3 md/Botocore#1.43.62 ua/2.1 os/linux lang/python#3.11.7 m/N,b,D,g,Z botocore/1.43.62"


class Room:
    """What is remembered, at one address, of callers who share a credential."""

    def __init__(self, store: MemoryStore, remembered: Recollections) -> None:
        self.store = store
        self.remembered = remembered
        self.now = 1000.0
        self.engine: Engine | None = None

    def run(self, play: Callable[[], Awaitable[None]]) -> None:
        async def started() -> None:
            if self.engine is not None:
                self.engine.start()
            await play()

        asyncio.run(started())

    def asker(self, agent: str, credential: str = "shared") -> Asker:
        return Asker.of(Caller(Identity("p", "ci", credential, ()), self.now, "s3", agent=agent))

    async def refuse(self, agent: str, credential: str = "shared") -> None:
        await self.remembered.refused(self.asker(agent, credential), HERE, Facet.LOCKFILE, HELD, self.now)

    async def read(self, agent: str, *, held: bool, credential: str = "shared") -> tuple[str, bytes] | None:
        return await self.remembered.saw(self.asker(agent, credential), HERE, HELD if held else None, self.now)

    async def release(self, agent: str) -> None:
        """As Terraform does it: it reads and deletes."""
        await self.read(agent, held=True)
        who = self.asker(agent)
        self.store.write(lambda tx: self.remembered.releases(tx, who, HERE, Facet.LOCKFILE, self.now))
        self.remembered.released(who, HERE, Facet.LOCKFILE)


@pytest.fixture(params=["in memory", "in the store"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Room]:
    store = MemoryStore()
    store.write(lambda tx: tx.create_namespace(Namespace("acme", 1.0)))
    store.write(lambda tx: tx.ensure_state(HERE))
    made = Room(store, InMemory())
    if request.param == "in the store":
        made.engine = Engine(store, FileBlobs(tmp_path / "blobs"), now=lambda: made.now)
        made.remembered = InStore(made.engine)
    yield made
    store.close()


def test_what_a_script_reads_with_the_credential_of_a_run_takes_nothing_from_the_run(room: Room):
    async def play() -> None:
        await room.refuse(TAKES)
        for _ in range(3):
            assert await room.read(SCRIPT, held=True) == HELD
        await room.release(ASKS)
        assert await room.read(SCRIPT, held=False) is None
        assert await room.read(ASKS, held=False, credential="another") is None
        assert await room.read(ASKS, held=False) == HELD
        assert await room.read(ASKS, held=False) is None

    room.run(play)


def test_each_of_several_refusals_is_explained_once_to_its_program(room: Room):
    async def play() -> None:
        for agent in (TAKES, SCRIPT, TAKES):
            await room.refuse(agent)
        await room.read(ASKS, held=True)
        await room.release(ASKS)
        for agent, owed in ((ASKS, HELD), (ASKS, None), (SCRIPT, HELD), (SCRIPT, None)):
            assert await room.read(agent, held=False) == owed

    room.run(play)


def test_a_refusal_that_named_its_holder_is_explained_already_and_none_is_explained_late(room: Room):
    async def play() -> None:
        await room.refuse(TAKES)
        await room.remembered.told(room.asker(SCRIPT), HERE)
        await room.remembered.told(room.asker(ASKS), HERE)
        assert await room.read(ASKS, held=False) is None
        await room.refuse(TAKES)
        room.now += REFUSAL_SECONDS
        assert await room.read(ASKS, held=False) is None
        await room.refuse(TAKES)
        assert await room.read(ASKS, held=False) == HELD

    room.run(play)


def test_a_client_that_changes_its_name_all_the_time_is_remembered_by_the_last_ones(room: Room):
    async def play() -> None:
        for each in range(20):
            await room.refuse(f"bot/{each}")
        assert await room.read("bot/19", held=False) == HELD
        kept = room.store.read(lambda tx: tx.recollection("shared", HERE))
        assert kept is None or len(kept.owed_to) <= 8

    room.run(play)
