"""Groups that run in the thread which offers them: the same promises as for queued commands."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lockhouse.core.ports import Delivery, Transaction
from lockhouse.core.records import Namespace
from lockhouse.errors import ConditionFailed, StorageFull, StorageUnavailable
from lockhouse.storage.reserve import Reserve
from lockhouse.storage.sql.pace import FIRST_PAUSE, QUICK_SECONDS
from lockhouse.storage.sql.sqlite import SqliteStore
from tests.unit.storage.broken_disk import BrokenDisk


class Inbox:
    """Collects deliveries and waits for a number of them."""

    def __init__(self, store: SqliteStore) -> None:
        self.answers: dict[object, Delivery] = {}
        self._news = threading.Condition()
        store.deliver_to(self)

    def __call__(self, group: list[Delivery]) -> None:
        with self._news:
            self.answers.update({delivery[0]: delivery for delivery in group})
            self._news.notify_all()

    def wait_for(self, number: int) -> dict[object, Delivery]:
        with self._news:
            assert self._news.wait_for(lambda: len(self.answers) >= number, timeout=20)
            return self.answers


def naming(name: str) -> Callable[[Transaction], str]:
    def command(tx: Transaction) -> str:
        tx.create_namespace(Namespace(name, 1.0))
        return name

    return command


def names(store: SqliteStore) -> list[str]:
    return [space.name for space in store.read(lambda r: r.namespaces())]


def test_an_offered_group_runs_here_and_is_delivered_after_one_sync(tmp_path: Path):
    disk = BrokenDisk()
    store = SqliteStore(tmp_path / "db", vfs=disk.name)
    inbox = Inbox(store)
    store.write(naming("warm"))
    before, threads = disk.syncs, []

    def here(tx: Transaction) -> None:
        threads.append(threading.current_thread())

    group = [(naming(f"n{number}"), number) for number in range(20)]
    assert store.offer([(here, "here"), *group])
    assert threads == [threading.current_thread()]
    answers = inbox.wait_for(21)
    assert disk.syncs == before + 1
    assert [answers[number][1] for number in range(20)] == [f"n{number}" for number in range(20)]
    assert set(names(store)) == {"warm", *(f"n{number}" for number in range(20))}
    store.close()
    disk.unregister()


class Clock:
    """Each commit takes the next of these times; then none takes any."""

    def __init__(self, *seconds: float) -> None:
        self.now = 100.0
        self._left = [step for each in seconds for step in (0.0, 0.0, each)]

    def __call__(self) -> float:
        self.now += self._left.pop(0) if self._left else 0.0
        return self.now


def test_a_quick_commit_is_made_and_delivered_where_its_commands_ran(tmp_path: Path):
    threads: list[threading.Thread] = []
    store = SqliteStore(tmp_path / "db", clock=Clock())
    store.deliver_to(lambda _: threads.append(threading.current_thread()))
    assert store.offer([(naming("one"), 1)])
    assert threads == [threading.current_thread()]
    assert names(store) == ["one"]
    store.close()


def test_after_a_slow_commit_another_thread_waits_for_the_next_ones_for_a_while(tmp_path: Path):
    clock = Clock(2 * QUICK_SECONDS)
    store = SqliteStore(tmp_path / "db", clock=clock)
    here, elsewhere = [], threading.Event()

    def delivered(group: list[Delivery]) -> None:
        if threading.current_thread() is threading.main_thread():
            here.append(group[0][1])
        else:
            elsewhere.set()

    store.deliver_to(delivered)
    assert store.offer([(naming("one"), 1)])
    assert here == ["one"]
    assert store.offer([(naming("two"), 2)])
    assert elsewhere.wait(20)
    assert here == ["one"]
    clock.now += 2 * FIRST_PAUSE
    while not store.offer([(naming("three"), 3)]):  # until the thread has given the turn back
        pass
    assert here == ["one", "three"]
    store.close()


def test_a_commit_that_fails_where_its_commands_ran_ends_the_process(tmp_path: Path):
    disk, ended = BrokenDisk(), []
    store = SqliteStore(tmp_path / "db", vfs=disk.name, fail_stop=ended.append, clock=Clock())
    inbox = Inbox(store)
    store.write(naming("warm"))
    disk.failing = True
    assert store.offer([(naming("one"), 1)])
    assert isinstance(inbox.answers[1][2], StorageUnavailable)
    assert len(ended) == 1
    assert not store.offer([(naming("two"), 2)])
    disk.failing = False
    store.close()
    disk.unregister()


def test_a_command_that_only_refuses_is_answered_within_its_group(tmp_path: Path):
    store = SqliteStore(tmp_path / "db")
    inbox = Inbox(store)

    def refuse(tx: Transaction) -> None:
        raise ConditionFailed("no")

    assert store.offer([(naming("one"), 1), (refuse, 2), (naming("three"), 3)])
    answers = inbox.wait_for(3)
    assert isinstance(answers[2][2], ConditionFailed)
    assert names(store) == ["one", "three"]
    store.close()


def test_a_group_with_a_command_to_undo_is_left_to_the_writer(tmp_path: Path):
    store = SqliteStore(tmp_path / "db")
    inbox = Inbox(store)

    def change_then_fail(tx: Transaction) -> None:
        tx.create_namespace(Namespace("half", 1.0))
        raise ConditionFailed("no")

    group = [(naming("one"), 1), (change_then_fail, 2)]
    assert not store.offer(group)
    assert names(store) == []
    for command, token in group:
        store.submit(command, token)
    assert isinstance(inbox.wait_for(2)[2][2], ConditionFailed)
    assert names(store) == ["one"]
    assert store.offer([(naming("two"), 3)])
    inbox.wait_for(3)
    store.close()


def test_an_offer_is_declined_while_the_writer_works_and_the_writer_waits_for_an_offered_group(tmp_path: Path):
    store = SqliteStore(tmp_path / "db")
    inbox = Inbox(store)
    begun, gate = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        begun.set()
        gate.wait(20)

    store.submit(hold, "hold")
    assert begun.wait(20)
    assert not store.offer([(naming("one"), 1)])
    gate.set()
    inbox.wait_for(1)
    while not store.offer([(naming("one"), 1)]):  # until the writer has given its turn back
        pass
    assert store.write(naming("two")) == "two"
    inbox.wait_for(2)
    assert names(store) == ["one", "two"]
    store.close()


@pytest.mark.parametrize("seconds", [(), (2 * QUICK_SECONDS,)], ids=["found here", "found by the thread"])
def test_of_an_offered_group_on_a_full_disk_only_what_does_not_fit_is_refused(tmp_path: Path, seconds):
    disk, clock = BrokenDisk(), Clock(*seconds)
    reserve = Reserve(tmp_path / "reserve", 1024 * 1024)
    reserve.take()
    store = SqliteStore(tmp_path / "db", vfs=disk.name, reserve=reserve, fail_stop=pytest.fail, clock=clock)
    inbox = Inbox(store)
    store.write(naming("warm"))
    if seconds:
        assert store.offer([(lambda tx: None, "slow")])
    disk.room = lambda: not (tmp_path / "reserve").exists()
    with disk.filled():
        assert store.offer([(naming("new"), "new"), (lambda tx: tx.delete_namespace("warm"), "delete")])
        answers = inbox.wait_for(3 if seconds else 2)
    assert isinstance(answers["new"][2], StorageFull)
    assert answers["delete"][2] is None
    assert names(store) == []
    store.close()
    disk.unregister()


def test_an_offered_group_that_meets_a_full_disk_before_its_commit_is_left_to_the_writer(tmp_path: Path):
    disk = BrokenDisk()
    store = SqliteStore(tmp_path / "db", vfs=disk.name, fail_stop=pytest.fail, clock=Clock())
    inbox = Inbox(store)

    def fill(tx: Transaction) -> None:
        for number in range(10_000):  # more than the cache holds
            tx.set_document("a", str(number), bytes(4000))

    with disk.filled():
        assert not store.offer([(naming("one"), 1), (fill, 2)])
        store.submit(fill, 2)
        assert isinstance(inbox.wait_for(1)[2][2], StorageFull)
    while not store.offer([(naming("two"), 3)]):  # until the writer has given its turn back
        pass
    assert names(store) == ["two"]
    store.close()
    disk.unregister()


def test_a_closed_store_declines(tmp_path: Path):
    store = SqliteStore(tmp_path / "db")
    store.close()
    assert not store.offer([(naming("one"), 1)])
    with pytest.raises(StorageUnavailable):
        store.submit(naming("one"), 1)
