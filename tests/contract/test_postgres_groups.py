"""Commands that share a transaction on PostgreSQL read and write together, and none of them notices."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import pytest
from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Facet, Release, Take, release, take
from lockhouse.core.ports import Reader, Store, Transaction
from lockhouse.core.queues import Recollection
from lockhouse.core.versions import Version
from lockhouse.errors import LockHeld
from lockhouse.storage.memory import MemoryStore
from lockhouse.storage.sql import postgres_queue
from lockhouse.storage.sql.delivering import Waiting
from lockhouse.storage.sql.postgres import PostgresStore
from lockhouse.storage.sql.postgres_holding import Holding, Mode
from lockhouse.storage.sql.postgres_session import Session
from tests.contract.conftest import cluster
from tests.contract.samples import event, version, write_version

Command = Callable[[Transaction], object]
ODD = "nul\x00 one\x01 é"


@pytest.fixture
def store() -> Iterator[PostgresStore]:
    name = f"groups_{threading.get_ident()}"
    with closing(PostgresStore(cluster().create_database(name))) as opened:
        yield opened
    cluster().drop_database(name)


def together(store: PostgresStore, commands: Sequence[Command]) -> list[object]:
    """The answers of commands that were all queued before any of them was begun."""
    free, entered = threading.Event(), threading.Semaphore(0)

    def block(tx: Transaction) -> None:
        del tx
        entered.release()
        free.wait(10)

    waiting = [Waiting() for _ in range(postgres_queue.GROUPS)]
    for each in waiting:
        store.submit(block, each)
        assert entered.acquire(timeout=10)
    answers = [Waiting() for _ in commands]
    for command, answer in zip(commands, answers, strict=True):
        store.submit(command, answer)
    free.set()
    return [answer.exception(10) or answer.result() for answer in answers]


def grab(key: str, name: str) -> Command:
    def command(tx: Transaction) -> str:
        address = Address("acme", key)
        state = tx.ensure_state(address)
        record = tx.lock(state)
        if record.lock is not None:
            raise LockHeld(f"{key} is held", info=b"", hint="", holder=record.lock.name)
        outcome = take(record, Take(Facet.HTTP, name, b"{}", name, name, name, 1.0))
        assert tx.save_lock(state, outcome.record, record.epoch)
        tx.add_lock_event(state, replace(event("taken"), lock_id=name))
        tx.add_entry(name.encode())
        return name

    return command


def leave(key: str, name: str) -> Command:
    def command(tx: Transaction) -> str:
        address = Address("acme", key)
        found = tx.recollection(name, address) or Recollection()
        known = tx.state_and_lock(address)
        assert known is not None
        state, record = known
        outcome = release(record, Release(Facet.HTTP, name, 2.0, 0, id=name))
        assert tx.save_lock(state, outcome.record, record.epoch)
        tx.save_recollection(name, address, replace(found, pin_seq=found.pin_seq + 1), 2.0)
        tx.add_lock_event(state, replace(event("released"), lock_id=name))
        return str(outcome.verdict)

    return command


def put(key: str, body: bytes) -> Command:
    def command(tx: Transaction) -> int:
        address = Address("acme", key)
        state = tx.ensure_state(address)
        write_version(tx, address, version(state.next_seq, packed=body))
        return state.next_seq

    return command


def everything(reader: Reader, keys: Sequence[str]) -> list[object]:
    found: list[object] = []
    for key in keys:
        state = reader.state(Address("acme", key))
        if state is None:
            found.append(None)
            continue
        versions: list[Version | None] = [reader.version(state, seq) for seq in range(1, state.next_seq)]
        events = [(each.verb, each.lock_id) for each in reader.lock_events(state)]
        found.append([replace(state, id=0), reader.lock(state), versions, events])
        found.append([reader.recollection(name, state.address) for name in ("a", "b", ODD)])
    found.append(sorted(entry for _, entry in reader.unsealed()))
    return found


KEYS = ["one", "two", "three", ODD, *(f"key-{number}" for number in range(8))]
ROUNDS: list[list[Command]] = [
    [grab("one", "a"), grab("two", "a"), put("three", b"1"), grab(ODD, ODD), put("key-0", b"x")],
    [leave("one", "a"), grab("one", "b"), grab("two", "b"), put("three", b"2"), put("three", b"3"), leave(ODD, ODD)],
    [*(grab(f"key-{number}", "a") for number in range(8)), leave("one", "b"), grab(ODD, "b")],
    [*(leave(f"key-{number}", "a") for number in range(8)), grab("one", "a"), leave("one", "a"), grab("one", "b")],
]


def test_a_group_leaves_what_its_commands_leave_one_by_one(store: PostgresStore):
    reference: Store = MemoryStore()
    for commands in ROUNDS:
        expected = []
        for command in commands:
            try:
                expected.append(reference.write(command))
            except LockHeld as problem:
                expected.append(problem)
        answers = together(store, commands)
        assert [str(each) for each in answers] == [str(each) for each in expected]
        assert store.read(lambda r: everything(r, KEYS)) == reference.read(lambda r: everything(r, KEYS))


def test_a_command_that_changes_something_and_refuses_takes_nobody_with_it(store: PostgresStore):
    def half(tx: Transaction) -> None:
        put("two", b"half")(tx)
        raise LockHeld("after all not", info=b"", hint="", holder="")

    store.write(put("two", b"whole"))
    answers = together(store, [grab("one", "a"), half, put("three", b"1")])
    assert [str(each) for each in answers] == ["a", "after all not", "1"]
    assert store.read(lambda r: r.state(Address("acme", "two"))).versions == 1
    assert store.read(lambda r: r.state(Address("acme", "three"))).versions == 1


def test_a_state_that_somebody_holds_makes_nobody_else_of_the_group_wait(store: PostgresStore):
    keys = [f"key-{number}" for number in range(6)]
    for key in keys:
        store.write(grab(key, "a"))
    held = Session(store._options)
    held.begin(b"BEGIN")
    held.fetch("SELECT 1 FROM states WHERE key = ? FOR UPDATE", ("key-3",))
    done: list[str] = []

    def noted(key: str) -> Command:
        return lambda tx: done.append(key) or leave(key, "a")(tx)

    finished = threading.Thread(target=together, args=(store, [noted(key) for key in keys]))
    finished.start()
    end = threading.Event()
    while {k for k in keys if store.read(lambda r, k=k: r.lock(r.state(Address("acme", k)))).lock is None} != {
        key for key in keys if key != "key-3"
    }:
        assert not end.wait(0.02)
    held.roll_back()
    finished.join(10)
    assert store.read(lambda r: r.lock(r.state(Address("acme", "key-3")))).lock is None
    held.drop()


def test_a_group_of_thirty_sends_as_many_statements_as_a_group_of_three(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
):
    """What a lock costs under load."""
    keys = [f"key-{number}" for number in range(30)]
    for key in keys:
        store.write(grab(key, "a"))
        store.write(leave(key, "a"))
    counts = []
    for number in (3, 30):
        for act in (grab, leave):
            with monkeypatch.context() as patched:
                sent = statements_of_the_last_group(patched)
                together(store, [act(key, "a") for key in keys[:number]])
                counts.append(len(sent))
    assert counts[2:] == counts[:2]
    assert max(counts) <= 14


def statements_of_the_last_group(patched: pytest.MonkeyPatch) -> list[str]:
    sent: list[str] = []
    sessions: list[Session] = []
    run, start = Session._run, Holding.start

    def noting_run(self: Session, connection, sql, parameters=()):
        if self in sessions:
            sent.append(sql.decode())
        return run(self, connection, sql, parameters)

    def noting_start(self: Holding, mode: Mode):
        sent.clear()
        sessions[:] = [self._pg]
        start(self, mode)

    patched.setattr(Session, "_run", noting_run)
    patched.setattr(Holding, "start", noting_start)
    return sent
