"""Atomic, isolated, durable before delivered, and undone one by one."""

from __future__ import annotations

import threading

import pytest

from lockhouse.core.locks import FREE
from lockhouse.core.ports import Delivery, Reader, Store, Transaction
from lockhouse.core.records import Namespace
from lockhouse.errors import ConditionFailed, LockHeld, Problem
from tests.contract.samples import HOME, held, version, write_version


class Inbox:
    """Collects deliveries and waits for a number of them."""

    def __init__(self, store: Store) -> None:
        self.deliveries: list[Delivery] = []
        self.groups: list[int] = []
        self._news = threading.Condition()
        store.deliver_to(self)

    def __call__(self, group: list[Delivery]) -> None:
        with self._news:
            self.deliveries += group
            self.groups.append(len(group))
            self._news.notify_all()

    def wait_for(self, number: int) -> list[Delivery]:
        with self._news:
            assert self._news.wait_for(lambda: len(self.deliveries) >= number, timeout=20)
            return self.deliveries


def test_write_answers_what_the_command_returns(store: Store):
    assert store.write(lambda tx: tx.ensure_state(HOME).address) == HOME


def test_write_raises_what_the_command_raises(store: Store):
    def refuse(tx: Transaction) -> None:
        raise LockHeld("held", info=b"{}", hint="wait")

    with pytest.raises(LockHeld) as caught:
        store.write(refuse)
    assert caught.value.info == b"{}"


def test_a_command_that_raises_leaves_nothing_behind(store: Store):
    def change_then_fail(tx: Transaction) -> None:
        write_version(tx, HOME, version(1))
        tx.create_namespace(Namespace("acme", 1.0))
        raise ConditionFailed("no")

    with pytest.raises(ConditionFailed):
        store.write(change_then_fail)
    assert store.read(lambda r: r.state(HOME)) is None
    assert store.read(lambda r: r.namespace("acme")) is None


def test_a_failing_command_in_a_group_leaves_the_others(store: Store):
    inbox = Inbox(store)
    gate = threading.Event()
    store.submit(lambda tx: gate.wait(20), "gate")  # everything behind it forms one group where groups exist

    def named(number: int):
        def command(tx: Transaction) -> int:
            tx.create_namespace(Namespace(f"space-{number}", 1.0))
            tx.set_document(f"space-{number}", "policy", b"x")
            if number % 3 == 0:
                raise ConditionFailed("every third")
            return number

        return command

    for number in range(30):
        store.submit(named(number), number)
    gate.set()
    answers = {token: (result, error) for token, result, error in inbox.wait_for(31)}
    for number in range(30):
        result, error = answers[number]
        assert isinstance(error, Problem) if number % 3 == 0 else (result == number and error is None)
    kept = store.read(lambda r: [space.name for space in r.namespaces()])
    assert sorted(kept) == sorted(f"space-{number}" for number in range(30) if number % 3)
    for number in range(30):
        document = store.read(lambda r, number=number: r.document(f"space-{number}", "policy"))
        assert (document == b"x") == (number % 3 != 0)


def test_commands_see_each_other_and_run_in_order_where_the_store_says_so(store: Store):
    inbox = Inbox(store)

    def append(number: int):
        def command(tx: Transaction) -> None:
            before = tx.document("acme", "log") or b""
            tx.set_document("acme", "log", before + bytes([number]))

        return command

    for number in range(200):
        store.submit(append(number), number)
    tokens = [token for token, _, _ in inbox.wait_for(200)]
    log = store.read(lambda r: r.document("acme", "log"))
    assert log is not None
    assert sorted(tokens) == sorted(log) == list(range(200))
    if store.in_order:
        assert tokens == list(log) == list(range(200))


def test_a_reader_sees_what_was_delivered(store: Store):
    seen: list[bool] = []
    done = threading.Event()

    def look(group: list[Delivery]) -> None:
        for token, _, _ in group:
            seen.append(store.read(lambda r, token=token: r.namespace(str(token))) is not None)
        if len(seen) == 100:
            done.set()

    store.deliver_to(look)
    for number in range(100):
        store.submit(lambda tx, number=number: tx.create_namespace(Namespace(str(number), 1.0)), number)
    assert done.wait(20)
    assert all(seen)


def test_a_query_sees_one_moment(store: Store):
    store.write(lambda tx: tx.set_document("acme", "n", b"0"))

    def query(reader: Reader) -> tuple[bytes | None, bytes | None]:
        first = reader.document("acme", "n")
        writer = threading.Thread(target=lambda: store.write(lambda tx: tx.set_document("acme", "n", b"1")))
        writer.start()
        writer.join(20)
        return first, reader.document("acme", "n")

    assert store.read(query) == (b"0", b"0")
    assert store.read(lambda r: r.document("acme", "n")) == b"1"


def test_of_many_that_want_the_lock_one_gets_it(store: Store):
    store.write(lambda tx: tx.ensure_state(HOME))
    granted: list[int] = []

    def race(number: int) -> None:
        def command(tx: Transaction) -> bool:
            state = tx.ensure_state(HOME)
            return tx.save_lock(state, held(FREE, f"L{number}", f"c{number}"), 0)

        if store.write(command):
            granted.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(granted) == 1
    state = store.read(lambda r: r.state(HOME))
    lock = store.read(lambda r: r.lock(state)).lock
    assert lock is not None and lock.id == f"L{granted[0]}"


def test_close_commits_what_is_queued(store: Store):
    inbox = Inbox(store)
    for number in range(50):
        store.submit(lambda tx, number=number: tx.create_namespace(Namespace(str(number), 1.0)), number)
    store.close()
    assert [error for _, _, error in inbox.deliveries] == [None] * 50
