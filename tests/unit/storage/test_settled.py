"""Namespaces and tables are kept between queries, and never shown once a delivered command has changed them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.records import Namespace, TableRecord
from lockhouse.storage.sql.sqlite import SqliteStore
from tests.contract.samples import HOME

ACME = Namespace("acme", 1.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "db")
    yield opened
    opened.close()


def test_a_change_is_seen_by_the_next_query(store: SqliteStore):
    assert store.read(lambda r: r.table("locks")) is None
    store.write(lambda tx: tx.save_table(TableRecord("locks", b"1")))
    assert store.read(lambda r: r.table("locks")) == TableRecord("locks", b"1")
    store.write(lambda tx: tx.save_table(TableRecord("locks", b"2")))
    assert store.read(lambda r: r.table("locks")) == TableRecord("locks", b"2")
    store.write(lambda tx: tx.delete_table("locks"))
    assert store.read(lambda r: r.table("locks")) is None


def test_a_transaction_sees_its_own_changes_and_an_undone_one_leaves_none(store: SqliteStore):
    def make(tx: Transaction) -> Namespace | None:
        assert tx.namespace("acme") is None
        tx.create_namespace(ACME)
        return tx.namespace("acme")

    def fail(tx: Transaction) -> None:
        assert make(tx) == ACME
        raise LookupError

    with pytest.raises(LookupError):
        store.write(fail)
    assert store.read(lambda r: r.namespace("acme")) is None
    assert store.write(make) == ACME
    assert store.read(lambda r: r.namespace("acme")) == ACME


def test_a_query_that_began_before_a_change_keeps_its_moment_to_itself(store: SqliteStore):
    store.write(lambda tx: tx.create_namespace(ACME))
    begun, changed = threading.Event(), threading.Event()

    def slow(reader: Reader) -> Namespace | None:
        reader.state(HOME)  # its snapshot begins
        begun.set()
        assert changed.wait(20)
        return reader.namespace("acme")

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(store.read, slow)
        assert begun.wait(20)
        store.write(lambda tx: tx.delete_namespace("acme"))
        changed.set()
        assert answer.result(20) == ACME
    assert store.read(lambda r: r.namespace("acme")) is None
