"""Numbers of audit entries in SQLite: reserved in blocks, never given again, whatever was rolled back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lockhouse.core.ports import Transaction
from lockhouse.core.records import Namespace
from lockhouse.errors import ConditionFailed
from lockhouse.storage.sql import sqlite_transaction
from lockhouse.storage.sql.sqlite import SqliteStore
from tests.unit.storage.broken_disk import BrokenDisk


def adding(count: int, then: Callable[[Transaction], None] = lambda _: None) -> Callable[[Transaction], None]:
    def command(tx: Transaction) -> None:
        for _ in range(count):
            tx.add_entry(b"{}")
        then(tx)

    return command


def numbers(store: SqliteStore) -> list[int]:
    return [number for number, _ in store.read(lambda r: r.unsealed(10_000))]


def refuse(_: Transaction) -> None:
    raise ConditionFailed("no")


def test_numbers_rise_through_blocks_and_restarts_and_are_not_given_again(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(sqlite_transaction, "BLOCK", 10)
    store = SqliteStore(tmp_path / "db")
    store.write(adding(25))
    assert numbers(store) == list(range(1, 26))
    store.close()
    store = SqliteStore(tmp_path / "db")
    store.write(adding(3))
    assert numbers(store) == [*range(1, 26), 31, 32, 33]
    store.close()


def test_what_was_reserved_by_a_command_that_was_undone_is_reserved_anew(tmp_path: Path):
    store = SqliteStore(tmp_path / "db")
    with pytest.raises(ConditionFailed):
        store.write(adding(3, refuse))
    store.write(adding(2))
    with pytest.raises(ConditionFailed):
        store.write(adding(1, refuse))
    store.write(adding(1))
    found = numbers(store)
    assert len(found) == 3
    assert found == sorted(set(found))
    store.close()
    store = SqliteStore(tmp_path / "db")
    store.write(adding(1))
    assert numbers(store)[-1] > found[-1]
    store.close()


def test_entries_of_a_group_cost_one_page_more_only_when_a_block_begins(tmp_path: Path):
    disk = BrokenDisk()
    store = SqliteStore(tmp_path / "db", vfs=disk.name)
    written = []
    for _ in range(3):
        before = disk.written
        store.write(adding(1))
        written.append(disk.written - before)
    assert written[0] > written[1] == written[2]
    store.write(lambda tx: tx.create_namespace(Namespace("acme", 1.0)))
    store.close()
    disk.unregister()
