"""Sessions of people: every place where they can be kept, and the records below the default one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec.structs import replace

from lockhouse.core.ports import Store
from lockhouse.core.sessions import Method, Session, Sessions, belongs, id_of, is_living, new_session
from lockhouse.errors import StorageUnavailable
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.sessions import DatabaseSessions
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore
from lockhouse.storage.redis.sessions import RedisSessions
from lockhouse.storage.sql.sqlite import SqliteStore
from tests.contract.samples import refused
from tests.redis_server import RedisServer

T = TypeVar("T")
NOW = 1_800_000_000.0
IDLE = 600.0


def name(number: int) -> str:
    return f"{number:064x}"


def session(number: int, principal: str = "P1", lifetime: float = 3600.0) -> Session:
    return new_session(name(number), principal=principal, method=Method.OIDC, now=NOW, lifetime=lifetime)


class Kept:
    """Sessions with the loop that they run on."""

    def __init__(self, sessions: Sessions, runner: asyncio.Runner) -> None:
        self.sessions = sessions
        self._runner = runner

    def do(self, act: Callable[[Sessions], Awaitable[T]]) -> T:
        async def run() -> T:
            return await act(self.sessions)

        return self._runner.run(run())

    def add(self, *added: Session) -> None:
        for each in added:
            self.do(lambda s, each=each: s.add(each, IDLE))

    def ids(self, principal: str = "") -> list[str]:
        return [each.id for each in self.do(lambda s: s.of(principal))]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    with asyncio.Runner() as runner:
        if request.param == "redis":
            server: RedisServer = request.getfixturevalue("redis")
            shared = RedisSessions(server.url, prefix=tmp_path.name)
            yield Kept(shared, runner)
            runner.run(shared.close())
            return
        opened = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "lockhouse.db")
        engine = Engine(opened, FileBlobs(tmp_path / "blobs"))

        async def start() -> None:
            engine.start()

        runner.run(start())
        yield Kept(DatabaseSessions(engine), runner)
        opened.close()


def test_a_session_is_found_by_its_id_until_it_is_ended(kept: Kept):
    one = replace(session(1), credential="c", peer="192.0.2.1", agent="Firefox")
    kept.add(one)
    assert kept.do(lambda s: s.find(one.id)) == one
    assert kept.do(lambda s: s.find(id_of(name(2)))) is None
    assert kept.do(lambda s: s.end(one.id)) is True
    assert kept.do(lambda s: s.end(one.id)) is False
    assert kept.do(lambda s: s.find(one.id)) is None
    assert kept.ids() == kept.ids("P1") == []


def test_all_sessions_of_a_principal_end_and_no_others(kept: Kept):
    mine, other = [session(1), session(2), session(3)], session(4, "P2")
    kept.add(*mine, other)
    assert kept.ids("P1") == sorted(each.id for each in mine)
    assert kept.ids() == sorted(each.id for each in (*mine, other))
    assert kept.do(lambda s: s.end_all("P1")) == 3
    assert kept.do(lambda s: s.end_all("P1")) == 0
    assert kept.ids() == kept.ids("P2") == [other.id]


def test_a_use_is_noted_and_never_brings_an_ended_session_back(kept: Kept):
    one = session(1)
    kept.add(one)
    kept.do(lambda s: s.touch(one, NOW + 60, IDLE))
    found = kept.do(lambda s: s.find(one.id))
    assert found == replace(one, seen=NOW + 60)
    kept.do(lambda s: s.end(one.id))
    kept.do(lambda s: s.touch(found, NOW + 120, IDLE))
    assert kept.do(lambda s: s.find(one.id)) is None
    assert kept.ids() == []


def test_what_has_ended_is_removed(kept: Kept):
    short, long = session(1, lifetime=0.001), session(2)
    kept.add(short, long)
    kept.do(lambda s: s.sweep(NOW + 1))
    deadline = 200
    while kept.ids("P1") != [long.id] and deadline:
        deadline -= 1
    assert kept.ids() == [long.id]


def test_a_name_opens_only_its_own_session():
    one = session(1)
    assert belongs(one, name(1))
    assert not belongs(one, name(2))
    assert not belongs(replace(one, digest=bytes(32)), name(1))


@pytest.mark.parametrize(
    ("seen", "now", "living"),
    [(0.0, 0.0, True), (0.0, 599.9, True), (0.0, 600.0, False), (3500.0, 3599.9, True), (3500.0, 3600.0, False)],
)
def test_a_session_ends_with_its_time_and_by_not_being_used(seen: float, now: float, living: bool):
    assert is_living(replace(session(1), seen=NOW + seen), NOW + now, IDLE) is living


def test_records_of_sessions_are_paged_by_id_and_never_made_twice(store: Store):
    made = sorted((session(number) for number in range(5)), key=lambda each: each.id)
    for each in made:
        store.write(lambda tx, each=each: tx.add_session(each))
    assert refused(store, lambda tx: tx.add_session(made[0]))
    assert store.read(lambda tx: tx.sessions(limit=2)) == made[:2]
    assert store.read(lambda tx: tx.sessions("P1", after=made[1].id, limit=2)) == made[2:4]
    assert store.write(lambda tx: tx.save_session(replace(session(9), seen=1.0))) is False
    assert store.write(lambda tx: tx.delete_session(made[0].id)) is True
    assert store.write(lambda tx: tx.expire_sessions(NOW + 3600.0, 3)) == 3
    assert store.write(lambda tx: tx.expire_sessions(NOW + 3600.0, 3)) == 1


def test_a_redis_that_is_gone_is_said_to_be_so_and_found_again_when_it_is_back(tmp_path: Path):
    server = RedisServer(tmp_path / "durable", durable=True)
    try:
        with asyncio.Runner() as runner:
            kept = Kept(RedisSessions(server.url), runner)
            one = session(1)
            kept.add(one)
            server.kill()
            for act in (
                lambda s: s.find(one.id), lambda s: s.add(session(2), IDLE), lambda s: s.end(one.id),
                lambda s: s.end_all("P1"), lambda s: s.of(), lambda s: s.touch(one, NOW + 1, IDLE),
            ):  # fmt: skip
                with pytest.raises(StorageUnavailable):
                    kept.do(act)
            server.start()
            assert kept.do(lambda s: s.find(one.id)) == one
            assert kept.do(lambda s: s.end_all("P1")) == 1
            server.restart()
            assert kept.do(lambda s: s.find(one.id)) is None
            runner.run(kept.sessions.close())
    finally:
        server.kill()
