"""What another task does between two steps of a request: each test plays one order of steps that went wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Facet, Verdict
from lockhouse.core.ports import Transaction
from lockhouse.core.principals import Credential, Grant, Identity, Principal, Right
from lockhouse.core.versions import Body, Version
from lockhouse.errors import (
    AccessDenied,
    BodyIncomplete,
    CredentialExpired,
    CredentialUnknown,
    Problem,
    StorageUnavailable,
)
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.house import House
from lockhouse.service import namespaces
from lockhouse.service.callers import Caller
from lockhouse.service.locks import TakeLock, Taken, Unlock
from lockhouse.service.renewal import renewed
from lockhouse.service.versions import Put
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.directory import open_directory
from lockhouse.storage.memory import MemoryStore

T = TypeVar("T")
ALL = (Grant("*", "", (Right.ADMIN,)),)
STATE = Address("acme", "app/terraform.tfstate")
OTHER = Address("acme", "other/terraform.tfstate")


class Late(Engine):
    """Some of its answers come late: what was commanded is done by then."""

    gate: asyncio.Event
    is_late: Callable[[object], bool] = staticmethod(lambda _: False)
    waiting = False

    async def write(self, command: Callable[[Transaction], T]) -> T:
        result = await super().write(command)
        if self.is_late(result):
            self.waiting = True
            await self.gate.wait()
        return result


class Shared(MemoryStore):
    """As a database that other servers use, too."""

    reads_are_local = False


class Away(Engine):
    """A database that does not answer commands for a while."""

    away = False
    running = 0

    async def write(self, command: Callable[[Transaction], T]) -> T:
        if self.away:
            raise StorageUnavailable("the database is away", hint="wait")
        self.running += 1
        try:
            return await super().write(command)
        finally:
            self.running -= 1


class Meanwhile(Engine):
    """Somebody else does something between two steps of the next command."""

    act: Callable[[], Awaitable[object]] | None = None

    async def write(self, command: Callable[[Transaction], T]) -> T:
        act, self.act = self.act, None
        if act is not None:
            await act()
        return await super().write(command)


def caller(name: str) -> Caller:
    return Caller(Identity(name, name, f"key-{name}", ALL), 1000.0, "dynamodb")


def wants(name: str, address: Address = STATE) -> TakeLock:
    return TakeLock(address, Facet.TABLE, b'{"ID":"%s"}' % name.encode())


def state(serial: int, note: str = "") -> bytes:
    return json.dumps(
        {"version": 4, "serial": serial, "lineage": "line", "outputs": {"note": {"value": note}}}
    ).encode()


async def put(rooms: House, raw: bytes) -> Version:
    async def chunks() -> AsyncIterator[bytes]:
        yield raw

    return await send(rooms, chunks())


async def send(rooms: House, chunks: AsyncIterator[bytes]) -> Version:
    intake = await rooms.take_in(chunks, expect_state=True)
    command = Put(STATE, Body(0, b"", b""), rooms.engine.nonce())
    return (await rooms.put_intake(caller("ann"), command, intake)).version


async def current(rooms: House) -> bytes:
    found = await rooms.get(caller("ann"), STATE)
    given = await rooms.give_out(found.version)
    assert isinstance(given, bytes)
    return given


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Late]:
    with contextlib.closing(open_directory(tmp_path)) as directory:
        directory.store.write(lambda tx: namespaces.create(tx, caller("root"), "acme"))
        yield Late(directory.store, directory.blobs)


def house(engine: Engine, *, known: bool = False) -> House:
    engine.start()
    return House(engine, lock_wait=20.0, max_body=1 << 20, renewed=renewed if known else lambda _tx, caller: caller)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0)


async def never() -> None:
    await asyncio.Event().wait()


def held(engine: Engine) -> str:
    """By whom."""
    state = engine.store.read(lambda tx: tx.state(STATE))
    lock = engine.store.read(lambda tx: tx.lock(state)).lock if state is not None else None
    return lock.name if lock is not None else ""


async def granted_late(engine: Late) -> tuple[House, asyncio.Event, asyncio.Task[Taken | None]]:
    """Bob has waited for Ann's lock and has it, and his request does not know yet: the house, how his client is made
    to leave, and his request."""
    rooms, left = house(engine), asyncio.Event()
    engine.gate = asyncio.Event()
    engine.is_late = lambda result: isinstance(result, Taken) and result.lock.name == "bob"

    async def gone() -> None:
        await left.wait()

    await rooms.locking.take(caller("ann"), wants("ann"), never)
    cut_off = asyncio.create_task(rooms.locking.take(caller("bob"), wants("bob"), gone))
    await until(lambda: rooms.locking.waiting.count)
    await rooms.locking.release(caller("ann"), Unlock(STATE, Facet.TABLE, last_read="ann"))
    await until(lambda: engine.waiting)
    return rooms, left, cut_off


def test_a_lock_that_a_client_was_told_of_when_it_asked_again_is_not_given_back(engine: Late):
    """Its connection breaks while it is granted the lock, and its retry is faster than the withdrawal of the grant."""

    async def play() -> None:
        rooms, left, cut_off = await granted_late(engine)
        assert held(engine) == "bob"
        left.set()
        engine.is_late = lambda _: False
        again = await rooms.locking.take(caller("bob"), wants("bob"), never)
        assert again is not None
        assert again.verdict is Verdict.AGAIN
        engine.gate.set()
        with pytest.raises(BodyIncomplete):
            await cut_off
        assert held(engine) == "bob"

    asyncio.run(play())


def test_a_lock_is_given_back_whose_client_left_and_did_not_ask_again(engine: Late):
    async def play() -> None:
        _, left, cut_off = await granted_late(engine)
        assert held(engine) == "bob"
        left.set()
        await asyncio.sleep(0)
        engine.gate.set()
        with pytest.raises(BodyIncomplete):
            await cut_off
        assert held(engine) == ""

    asyncio.run(play())


def test_a_request_that_ended_while_the_database_was_away_stands_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its place in the queue of all servers could not be removed, and its server lives on."""
    monkeypatch.setattr("lockhouse.runtime.shared_queue.POLL_SECONDS", 0.0)
    engine = Away(Shared(), FileBlobs(tmp_path), now=lambda: 1000.0)
    engine.store.write(lambda tx: namespaces.create(tx, caller("root"), "acme"))

    async def play() -> None:
        rooms, left = house(engine), asyncio.Event()

        async def gone() -> None:
            await left.wait()

        for place in (STATE, OTHER):
            await rooms.locking.take(caller("ann"), wants("ann", place), never)
        leaving = asyncio.create_task(rooms.locking.take(caller("bob"), wants("bob"), gone))
        staying = asyncio.create_task(rooms.locking.take(caller("eve"), wants("eve", OTHER), never))
        await until(lambda: len(engine.store.read(lambda tx: [*tx.queue(STATE), *tx.queue(OTHER)])) == 2)
        await until(
            lambda: (
                not engine.running and not any(each.woken.is_set() for each in rooms.locking.waiting._waiters.values())
            )
        )
        engine.away = True
        left.set()
        with pytest.raises(BodyIncomplete):
            await leaving
        engine.away = False
        await rooms.locking.release(caller("ann"), Unlock(STATE, Facet.TABLE, last_read="ann"))
        taken = await asyncio.wait_for(rooms.locking.take(caller("dora"), wants("dora"), never), 15)
        assert taken is not None
        assert taken.lock.name == "dora"
        assert not staying.done()
        staying.cancel()
        await asyncio.wait([staying])
        engine.stop()

    asyncio.run(play())


@pytest.mark.parametrize("often", [1, 100])
def test_a_restore_never_takes_a_serial_that_somebody_else_took_while_its_bytes_were_made(tmp_path: Path, often: int):
    engine = Meanwhile(MemoryStore(), FileBlobs(tmp_path))
    engine.store.write(lambda tx: namespaces.create(tx, caller("root"), "acme"))

    async def play() -> None:
        rooms = house(engine)
        first = await put(rooms, state(1, "first"))
        await put(rooms, state(2, "second"))
        serial, left = 2, often

        async def write() -> None:
            nonlocal serial, left
            serial, left = serial + 1, left - 1
            await put(rooms, state(serial, "somebody else's"))
            engine.act = write if left else None

        engine.act = write
        if often == 100:
            with pytest.raises(StorageUnavailable, match="somebody wrote it"):
                await rooms.restore(caller("ann"), STATE, first.id)
            assert b"somebody else's" in await current(rooms)
        else:
            restored = await rooms.restore(caller("ann"), STATE, first.id)
            assert restored.version.facts is not None
            assert restored.version.facts.serial == 4
            assert json.loads(await current(rooms)) == json.loads(state(4, "first"))

    asyncio.run(play())


REVOKED = "revoked"
TAKEN = "taken away"
OVER = "over"


@pytest.mark.parametrize(
    ("what", "refused"), [(REVOKED, CredentialUnknown), (TAKEN, AccessDenied), (OVER, CredentialExpired)]
)
def test_who_lost_its_rights_while_it_waited_does_not_get_the_lock(tmp_path: Path, what: str, refused: type[Problem]):
    """Else the lock would be held by somebody who can neither write nor unlock."""
    now = [1000.0]
    engine = Engine(MemoryStore(), FileBlobs(tmp_path), now=lambda: now[0])
    engine.store.write(lambda tx: namespaces.create(tx, caller("root"), "acme"))

    async def play() -> None:
        rooms = house(engine, known=True)
        for name in ("ann", "bob", "eve"):
            credential = Credential(f"key-{name}", name, "token", 1.0)
            await rooms.write(lambda tx, each=name: tx.save_principal(Principal(each, each, ALL, 1.0)))
            await rooms.write(lambda tx, each=credential: tx.save_credential(each))
        await rooms.locking.take(caller("ann"), wants("ann"), never)
        waiting = asyncio.create_task(rooms.locking.take(caller("bob"), wants("bob"), never))
        await until(lambda: rooms.locking.waiting.count)
        behind = asyncio.create_task(rooms.locking.take(caller("eve"), wants("eve"), never))
        await until(lambda: rooms.locking.waiting.count == 2)
        kept = engine.store.read(lambda tx: tx.credential("key-bob"))
        assert kept is not None
        if what == REVOKED:
            await rooms.write(lambda tx: tx.save_credential(replace(kept, revoked_at=1.0)))
        elif what == OVER:
            await rooms.write(lambda tx: tx.save_credential(replace(kept, expires_at=1001.0)))
            now[0] = 1001.0
        else:
            await rooms.write(lambda tx: tx.save_principal(Principal("bob", "bob", (), 1.0)))
        await rooms.locking.release(caller("ann"), Unlock(STATE, Facet.TABLE, last_read="ann"))
        with pytest.raises(refused):
            await waiting
        taken = await behind
        assert taken is not None
        assert taken.lock.name == "eve"

    asyncio.run(play())


def test_what_is_still_being_sent_when_its_credential_is_revoked_is_not_written(tmp_path: Path):
    now = [1000.0]
    engine = Engine(MemoryStore(), FileBlobs(tmp_path), now=lambda: now[0])
    engine.store.write(lambda tx: namespaces.create(tx, caller("root"), "acme"))

    async def play() -> None:
        rooms = house(engine, known=True)
        await rooms.write(lambda tx: tx.save_principal(Principal("ann", "ann", ALL, 1.0)))
        await rooms.write(lambda tx: tx.save_credential(Credential("key-ann", "ann", "token", 1.0)))
        await put(rooms, state(1))

        async def slowly() -> AsyncIterator[bytes]:
            yield state(2)[:20]
            now[0] += 60.0
            await rooms.write(lambda tx: tx.save_credential(Credential("key-ann", "ann", "token", 1.0, revoked_at=2.0)))
            yield state(2)[20:]

        with pytest.raises(CredentialUnknown):
            await send(rooms, slowly())
        assert json.loads(await current(rooms)) == json.loads(state(1))

    asyncio.run(play())


def test_a_lock_that_cannot_be_given_back_at_once_is_given_back_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its client has gone while it was granted, and then the database goes away for a moment."""
    monkeypatch.setattr("lockhouse.runtime.locking.WITHDRAWN_AGAIN", (0.0, 0.0, 0.0))

    class Rough(Late):
        refused = 0

        async def write(self, command: Callable[[Transaction], T]) -> T:
            if self.waiting and self.refused < 2:
                self.refused += 1
                raise StorageUnavailable("the database is away", hint="wait")
            return await super().write(command)

    engine = Rough(MemoryStore(), FileBlobs(tmp_path))
    engine.store.write(lambda tx: namespaces.create(tx, caller("root"), "acme"))

    async def play() -> None:
        _, left, cut_off = await granted_late(engine)
        left.set()
        await asyncio.sleep(0)
        engine.gate.set()
        with pytest.raises(BodyIncomplete):
            await cut_off
        assert (engine.refused, held(engine)) == (2, "")

    asyncio.run(play())


@pytest.mark.parametrize("store", [MemoryStore, Shared])
def test_a_range_is_never_of_another_version_than_the_last_head_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: type[MemoryStore]
):
    """A state that was large was read a moment ago, and has become a small one since."""
    monkeypatch.setattr("lockhouse.runtime.recollections.RANGED_BYTES", 1000)
    engine = Engine(store(), FileBlobs(tmp_path), now=lambda: 1000.0)
    engine.store.write(lambda tx: namespaces.create(tx, caller("root"), "acme"))

    async def play() -> None:
        rooms = house(engine)
        large, small = await put(rooms, state(1, "x" * 2000)), await put(rooms, state(2))
        assert (await rooms.head(caller("ann"), STATE)).version.seq == small.seq
        third = await put(rooms, state(3, "y" * 2000))
        assert (await rooms.head(caller("ann"), STATE)).version.seq == third.seq
        fourth = await put(rooms, state(4))
        assert (await rooms.get(caller("ann"), STATE, ranged=True)).version.seq == third.seq
        assert (await rooms.head(caller("ann"), STATE)).version.seq == fourth.seq
        assert (await rooms.get(caller("ann"), STATE, ranged=True)).version.seq == fourth.seq
        assert large.seq == 1
        engine.stop()

    asyncio.run(play())


def test_a_server_says_that_it_lives_also_when_its_clock_was_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Else whoever waits there would be passed over until the clock had caught up."""
    for name in ("POLL_SECONDS", "SAY_SECONDS"):
        monkeypatch.setattr(f"lockhouse.runtime.shared_queue.{name}", 0.0)
    now = [10_000.0]
    engine = Engine(Shared(), FileBlobs(tmp_path), now=lambda: now[0])
    engine.store.write(lambda tx: namespaces.create(tx, caller("root"), "acme"))

    async def play() -> None:
        rooms = house(engine)
        await rooms.locking.take(caller("ann"), wants("ann"), never)
        waiting = asyncio.create_task(rooms.locking.take(caller("bob"), wants("bob"), never))
        await until(lambda: engine.store.read(lambda tx: tx.queue(STATE)))
        for now[0] in (10_001.0, 6_400.0):
            await until(lambda: engine.store.read(lambda tx: tx.queue(STATE))[0][1] == now[0])
        waiting.cancel()
        await asyncio.wait([waiting])
        engine.stop()

    asyncio.run(play())
