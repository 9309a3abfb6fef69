"""Held lock requests: in order, never for a client that has gone, and never in front of the holder's own retry."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Facet, Verdict
from lockhouse.core.principals import Grant, Identity, Right
from lockhouse.errors import BodyIncomplete, LockHeld, UnderMaintenance
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.house import House
from lockhouse.service import maintenance, namespaces
from lockhouse.service.callers import Caller
from lockhouse.service.locks import TakeLock, Unlock
from lockhouse.service.maintenance import Place
from lockhouse.storage.directory import open_directory

ALL = (Grant("*", "", (Right.ADMIN,)),)
STATE = Address("acme", "app/terraform.tfstate")
OTHER = Address("acme", "other/terraform.tfstate")


def caller(name: str, **more: str) -> Caller:
    return msgspec.structs.replace(Caller(Identity(name, name, f"key-{name}", ALL), 1000.0, "dynamodb"), **more)


def wants(lock_id: str, address: Address = STATE) -> TakeLock:
    return TakeLock(address, Facet.TABLE, b'{"ID":"%s"}' % lock_id.encode())


async def never() -> None:
    await asyncio.Event().wait()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with contextlib.closing(open_directory(tmp_path)) as directory:
        directory.store.write(lambda tx: namespaces.create(tx, caller("root"), "acme"))
        yield Engine(directory.store, directory.blobs)


def house(engine: Engine, lock_wait: float = 20.0) -> House:
    engine.start()
    return House(engine, lock_wait=lock_wait, max_body=1 << 20)


async def queued(rooms: House, count: int, address: Address = STATE) -> None:
    async with asyncio.timeout(10):
        while len(rooms.locking.waiting.queue(address)) != count:
            await asyncio.sleep(0)


def unlock(name: str) -> Unlock:
    return Unlock(STATE, Facet.TABLE, last_read=name)


def test_held_requests_are_served_in_the_order_in_which_they_came(engine: Engine) -> None:
    async def play() -> list[str]:
        rooms = house(engine)
        served: list[str] = []

        async def turn(name: str) -> None:
            await rooms.locking.take(caller(name), wants(name), never)
            served.append(name)
            await rooms.locking.release(caller(name), unlock(name))

        await rooms.locking.take(caller("first"), wants("first"), never)
        tasks = []
        for number, name in enumerate(("b", "a", "d", "c"), 1):
            tasks.append(asyncio.create_task(turn(name)))
            await queued(rooms, number)
        await rooms.locking.release(caller("first"), unlock("first"))
        await asyncio.gather(*tasks)
        return served

    assert asyncio.run(play()) == ["b", "a", "d", "c"]


def test_a_client_that_left_while_it_waited_never_gets_the_lock(engine: Engine) -> None:
    async def play() -> None:
        rooms = house(engine)
        await rooms.locking.take(caller("ann"), wants("ann"), never)
        gone = asyncio.Event()
        left = asyncio.create_task(rooms.locking.take(caller("bob"), wants("bob"), lambda: _wait(gone)))
        await queued(rooms, 1)
        patient = asyncio.create_task(rooms.locking.take(caller("eve"), wants("eve"), never))
        await queued(rooms, 2)
        gone.set()
        with pytest.raises(BodyIncomplete):
            await left
        await rooms.locking.release(caller("ann"), unlock("ann"))
        assert (await patient).lock.name == "eve"

    asyncio.run(play())


def test_when_the_wait_is_over_the_refusal_names_the_holder(engine: Engine) -> None:
    async def play() -> None:
        rooms = house(engine, lock_wait=0.05)
        await rooms.locking.take(caller("ann"), wants("ann"), never)
        with pytest.raises(LockHeld) as refused:
            await rooms.locking.take(caller("bob"), wants("bob"), never)
        assert refused.value.info == b'{"ID":"ann"}'
        assert not rooms.locking.waiting.queue(STATE)
        assert [poller.name for poller in rooms.locking.waiting.pollers(STATE, 1000.0)] == ["bob"]

    asyncio.run(play())


def test_with_waiting_off_a_refusal_comes_at_once(engine: Engine) -> None:
    async def play() -> None:
        rooms = house(engine, lock_wait=0)
        await rooms.locking.take(caller("ann"), wants("ann"), never)
        with pytest.raises(LockHeld):
            await rooms.locking.take(caller("bob"), wants("bob"), never)

    asyncio.run(play())


def test_the_holders_own_retry_does_not_queue_behind_the_waiters(engine: Engine) -> None:
    async def play() -> Verdict:
        rooms = house(engine)
        await rooms.locking.take(caller("ann"), wants("ann"), never)
        waiting = asyncio.create_task(rooms.locking.take(caller("bob"), wants("bob"), never))
        await queued(rooms, 1)
        again = await rooms.locking.take(caller("ann"), wants("ann"), never)
        waiting.cancel()
        return again.verdict

    assert asyncio.run(play()) is Verdict.AGAIN


def test_one_state_never_waits_for_another(engine: Engine) -> None:
    async def play() -> None:
        rooms = house(engine)
        await rooms.locking.take(caller("ann"), wants("ann"), never)
        waiting = asyncio.create_task(rooms.locking.take(caller("bob"), wants("bob"), never))
        await queued(rooms, 1)
        assert (await rooms.locking.take(caller("eve"), wants("eve", OTHER), never)).verdict is Verdict.GRANTED
        waiting.cancel()

    asyncio.run(play())


def test_stopping_answers_every_held_request(engine: Engine) -> None:
    async def play() -> None:
        rooms = house(engine)
        await rooms.locking.take(caller("ann"), wants("ann"), never)
        tasks = []
        for number in (1, 2):
            tasks.append(asyncio.create_task(rooms.locking.take(caller(f"w{number}"), wants(f"w{number}"), never)))
            await queued(rooms, number)
        rooms.locking.waiting.end_all()
        for task in tasks:
            with pytest.raises(LockHeld):
                await task

    asyncio.run(play())


def test_many_waiters_and_random_departures_never_make_two_holders_or_lose_the_queue(engine: Engine) -> None:
    async def play() -> int:
        rooms = house(engine)
        inside = 0
        served = 0

        async def turn(number: int) -> None:
            nonlocal inside, served
            name = f"n{number}"
            try:
                await rooms.locking.take(caller(name), wants(name), never if number % 3 else _soon)
            except BodyIncomplete:
                return
            inside += 1
            assert inside == 1
            served += 1
            await asyncio.sleep(0)
            inside -= 1
            await rooms.locking.release(caller(name), unlock(name))

        async with asyncio.timeout(30):
            await asyncio.gather(*(turn(number) for number in range(60)))
        assert not rooms.locking.waiting.queue(STATE)
        return served

    assert asyncio.run(play()) >= 40


async def _under_maintenance(rooms: House, until: float = 0.0) -> tuple[list[str], list[asyncio.Task[None]]]:
    """(who was served, three who wait in order) under maintenance that began while the first one held the lock."""
    served: list[str] = []

    async def turn(name: str) -> None:
        await rooms.locking.take(caller(name, now=time.time()), wants(name), never)
        served.append(name)
        await rooms.locking.release(caller(name, now=time.time()), unlock(name))

    await rooms.locking.take(caller("ann"), wants("ann"), never)
    root = caller("root", now=time.time())
    place = Place(STATE.namespace, STATE.key)
    made, _ = await rooms.write(lambda tx: maintenance.start(tx, root, place, "m", "moving", until))
    rooms.locking.maintenance_changed(made)
    tasks = []
    for number, name in enumerate(("b", "a", "c"), 1):
        tasks.append(asyncio.create_task(turn(name)))
        await queued(rooms, number)
    await rooms.locking.release(caller("ann"), unlock("ann"))
    return served, tasks


def test_who_waits_under_maintenance_is_served_in_order_when_somebody_ends_it(engine: Engine) -> None:
    async def play() -> list[str]:
        rooms = house(engine)
        served, tasks = await _under_maintenance(rooms)
        with pytest.raises(UnderMaintenance, match="moving"):
            await house(engine, lock_wait=0.05).locking.take(caller("late", now=time.time()), wants("late"), never)
        assert served == []
        assert rooms.locking.waiting.count == 3
        root = caller("root", now=time.time())
        ended = await rooms.write(lambda tx: maintenance.end(tx, root, Place(STATE.namespace, STATE.key)))
        rooms.locking.maintenance_changed(ended)
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks)
        return served

    assert asyncio.run(play()) == ["b", "a", "c"]


def test_who_waits_under_maintenance_is_served_in_order_when_its_time_is_over(engine: Engine) -> None:
    async def play() -> list[str]:
        rooms = house(engine)
        until = time.time() + 0.3
        served, tasks = await _under_maintenance(rooms, until)
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks)
        assert time.time() >= until
        return served

    assert asyncio.run(play()) == ["b", "a", "c"]


def test_maintenance_that_lasts_longer_than_a_request_is_held_refuses_with_its_reason(engine: Engine) -> None:
    async def play() -> None:
        rooms = house(engine, lock_wait=0.2)
        _, tasks = await _under_maintenance(rooms)
        for refused in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(refused, UnderMaintenance)
            assert "moving" in refused.message

    asyncio.run(play())


async def _soon() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
