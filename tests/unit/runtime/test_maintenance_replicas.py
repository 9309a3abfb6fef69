"""Maintenance with several servers on one PostgreSQL database: a waiter is served wherever it is ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from lockhouse.core.locks import Verdict
from lockhouse.core.queues import Queued
from lockhouse.errors import UnderMaintenance
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.house import House
from lockhouse.service import maintenance, namespaces
from lockhouse.service.maintenance import Place
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.sql.postgres import PostgresStore
from tests.contract.conftest import cluster, postgres_store
from tests.unit.runtime.test_waiting import STATE, caller, never, wants

PLACE = Place(STATE.namespace, STATE.key, exact=True)


@pytest.mark.parametrize("how", ["by command", "by time"])
def test_who_waits_at_one_server_is_served_when_it_ends(tmp_path: Path, how: str):
    async def play(here: House, there: House) -> Verdict:
        root = caller("root", now=time.time())
        until = time.time() + 1.5 if how == "by time" else 0.0
        await there.write(lambda tx: maintenance.start(tx, root, PLACE, "m", "moving", until))
        with pytest.raises(UnderMaintenance):
            await there.locking.take(caller("nobody", now=time.time()), wants("nobody"), never)
        waiting = asyncio.create_task(here.locking.take(caller("ann", now=time.time()), wants("ann"), never))
        async with asyncio.timeout(15):
            while not await _queue(there):
                await asyncio.sleep(0.05)
            if how == "by command":
                await there.write(lambda tx: maintenance.end(tx, caller("root", now=time.time()), PLACE))
            taken = await waiting
        assert taken is not None
        assert time.time() >= until
        return taken.verdict

    async def _queue(house: House) -> list[Queued]:
        return (await house.locking.held_requests([STATE]))[0]

    async def both() -> Verdict:
        houses = []
        for store, wait in ((here, 20.0), (there, 0.0)):
            engine = Engine(store, FileBlobs(tmp_path / "blobs"))
            engine.start()
            houses.append(House(engine, lock_wait=wait, max_body=1 << 20))
        return await play(*houses)

    with (
        contextlib.closing(postgres_store(tmp_path)) as here,
        contextlib.closing(PostgresStore(cluster().url)) as there,
    ):
        here.write(lambda tx: namespaces.create(tx, caller("root"), STATE.namespace))
        assert asyncio.run(both()) is Verdict.GRANTED
