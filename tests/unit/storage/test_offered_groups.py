"""Groups that run in the thread which offers them: the same promises as for queued commands."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lockhouse.core.ports import Delivery, Namespace, Transaction
from lockhouse.errors import ConditionFailed, StorageFull, StorageUnavailable
from lockhouse.storage.reserve import Reserve
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


def test_of_an_offered_group_on_a_full_disk_only_what_does_not_fit_is_refused(tmp_path: Path):
    disk = BrokenDisk()
    reserve = Reserve(tmp_path / "reserve", 1024 * 1024)
    reserve.take()
    store = SqliteStore(tmp_path / "db", vfs=disk.name, reserve=reserve, fail_stop=pytest.fail)
    inbox = Inbox(store)
    store.write(naming("warm"))
    disk.room = lambda: not (tmp_path / "reserve").exists()
    with disk.filled():
        assert store.offer([(naming("new"), "new"), (lambda tx: tx.delete_namespace("warm"), "delete")])
        answers = inbox.wait_for(2)
    assert isinstance(answers["new"][2], StorageFull)
    assert answers["delete"][2] is None
    assert names(store) == []
    store.close()
    disk.unregister()


def test_a_closed_store_declines(tmp_path: Path):
    store = SqliteStore(tmp_path / "db")
    store.close()
    assert not store.offer([(naming("one"), 1)])
    with pytest.raises(StorageUnavailable):
        store.submit(naming("one"), 1)
