"""The last use of a credential outlives the process, at the price of one small command a minute."""

from __future__ import annotations

import asyncio

from lockhouse.auth import keys
from lockhouse.auth.authenticator import Authenticator
from lockhouse.errors import StorageUnavailable
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.uses import Uses
from lockhouse.service import access
from lockhouse.service.access import HOUSE, NewPrincipal
from lockhouse.service.callers import Caller
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore


def test_uses_are_written_down_once_and_at_the_end(tmp_path):
    store, now = MemoryStore(), [100.0]
    authenticator = Authenticator(store, b"m" * 32, lambda: now[0])
    token = keys.new_token("P1", now[0])
    new = NewPrincipal("P1", "ci", access.default_grants(), credentials=(token.credential,))
    store.write(lambda tx: access.create(tx, Caller(HOUSE, 1.0, "cli"), new))

    async def run() -> None:
        engine = Engine(store, FileBlobs(tmp_path), now=lambda: now[0])
        engine.start()
        uses = Uses(engine, authenticator.take_uses)
        for _ in range(3):
            now[0] += 1
            assert authenticator.token(token.text) is not None
        await uses.save()
        assert store.read(lambda tx: tx.uses("P1")) == {token.credential.id: 103.0}
        assert authenticator.take_uses() == {}
        uses.start()
        now[0] += 1
        authenticator.token(token.text)
        await uses.stop()

    asyncio.run(run())
    assert store.read(lambda tx: tx.uses("P1")) == {token.credential.id: 104.0}
    store.close()


def test_a_use_that_could_not_be_written_is_written_later_and_a_newer_one_wins(tmp_path):
    store = MemoryStore()
    taken = [{"C1": 5.0, "C2": 6.0}, {"C2": 7.0}, {}]

    async def run() -> None:
        engine = Engine(store, FileBlobs(tmp_path))
        engine.start()
        uses = Uses(engine, lambda: taken.pop(0))
        write, engine.write = engine.write, _down
        await uses.save()
        engine.write = write
        await uses.save()
        assert store.read(lambda tx: tx.last_uses(["C1", "C2"])) == {"C1": 5.0, "C2": 7.0}
        await uses.save()

    asyncio.run(run())
    store.close()


async def _down(_command) -> None:
    raise StorageUnavailable("cannot reach the database", hint="try again")


def test_many_credentials_at_once_lose_no_use(monkeypatch):
    monkeypatch.setattr("lockhouse.auth.authenticator._MAX_CACHED", 2)
    store, now = MemoryStore(), [100.0]
    authenticator = Authenticator(store, b"m" * 32, lambda: now[0])
    made = [keys.new_token("P1", now[0]) for _ in range(5)]
    credentials = tuple(each.credential for each in made)
    new = NewPrincipal("P1", "ci", access.default_grants(), credentials=credentials)
    store.write(lambda tx: access.create(tx, Caller(HOUSE, 1.0, "cli"), new))
    for each in made:
        assert authenticator.token(each.text) is not None
    assert authenticator.take_uses() == dict.fromkeys((each.id for each in credentials), 100.0)
    store.close()
