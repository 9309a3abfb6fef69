"""The history of a state's lock in SQLite is found by places that are made a block at a time, and nothing of it is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw
import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Transaction
from lockhouse.core.records import LockEvent, Namespace
from lockhouse.storage.carry.layout import layout
from lockhouse.storage.carry.sqlite_rows import SqliteLoader, SqliteSnapshot
from lockhouse.storage.sql import migrations, records
from lockhouse.storage.sql.sqlite import SqliteStore
from lockhouse.storage.sql.sqlite_events import BLOCK
from tests.contract.samples import event

ADDRESSES = [Address("acme", key) for key in ("a", "b")] + [Address("other", "c")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "db")
    store.write(prepare)
    yield store
    store.close()


def prepare(tx: Transaction) -> None:
    for name in ("acme", "other"):
        tx.create_namespace(Namespace(name, 1.0))
    for address in ADDRESSES:
        tx.ensure_state(address)


def add(store: SqliteStore, number: int) -> None:
    """So many events, of the addresses in turn."""

    def act(tx: Transaction) -> None:
        states = [tx.ensure_state(address) for address in ADDRESSES]
        for each in range(number):
            tx.add_lock_event(states[each % 3], event("taken"))

    store.write(act)


def history(store: SqliteStore, address: Address, size: int) -> Sequence[int]:
    """The numbers of all events of an address, read page by page."""

    def read(tx) -> list[LockEvent]:
        state = tx.state(address)
        found: list[LockEvent] = []
        while page := tx.lock_events(state, found[-1].seq if found else 0, size):
            found += page
        return found

    return [each.seq for each in store.read(read)]


def stored(path: Path, address: Address) -> list[int]:
    connection = apsw.Connection(str(path / "db"), flags=apsw.SQLITE_OPEN_READONLY)
    rows = connection.execute(
        "SELECT e.seq FROM lock_events e JOIN states s ON s.id = e.state_id WHERE s.namespace = ? AND s.key = ? "
        "ORDER BY e.seq DESC",
        address,
    ).fetchall()
    connection.close()
    return [row[0] for row in rows]


@pytest.mark.parametrize("number", [5, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 7])
@pytest.mark.parametrize("size", [1000, 70])
def test_every_event_of_a_state_is_found_once_and_in_order(store: SqliteStore, tmp_path: Path, number: int, size: int):
    add(store, number)
    for address in ADDRESSES:
        found = history(store, address, size)
        assert found == stored(tmp_path, address)
        assert len(found) in (number // 3, number // 3 + 1)


def test_events_that_are_undone_are_not_found_and_the_next_ones_are(store: SqliteStore, tmp_path: Path):
    add(store, BLOCK - 2)

    def fails(tx: Transaction) -> None:
        state = tx.state(ADDRESSES[0])
        assert state is not None
        for _ in range(5):
            tx.add_lock_event(state, event("taken"))
        raise KeyError

    with pytest.raises(KeyError):
        store.write(fails)
    assert sum(len(history(store, address, 1000)) for address in ADDRESSES) == BLOCK - 2
    add(store, 6)
    for address in ADDRESSES:
        assert history(store, address, 1000) == stored(tmp_path, address)


def test_the_history_goes_with_its_namespace_and_a_new_one_begins(store: SqliteStore, tmp_path: Path):
    add(store, BLOCK + 1)  # the last events are those of a namespace that goes

    def recreate(tx: Transaction) -> None:
        for name in ("acme", "other"):
            tx.delete_namespace(name)
        prepare(tx)

    store.write(recreate)
    assert [history(store, address, 1000) for address in ADDRESSES] == [[], [], []]
    for _ in range(2):
        add(store, 7)
        for address in ADDRESSES:
            assert history(store, address, 1000) == stored(tmp_path, address)
    store.close()
    again = SqliteStore(tmp_path / "db")
    add(again, 7)
    for address in ADDRESSES:
        assert history(again, address, 1000) == stored(tmp_path, address)
    again.close()


def test_the_history_of_older_data_is_found(tmp_path: Path):
    connection = sqlite3.connect(tmp_path / "db", isolation_level=None)
    migrations.migrate(lambda sql, values: connection.execute(sql, values).fetchall(), migrations.SQLITE)
    for address in ADDRESSES:
        connection.execute("INSERT INTO states (namespace, key) VALUES (?, ?)", address)
    for each in range(BLOCK + 10):
        row = (each % 3 + 1, records.encode(event("taken")))
        connection.execute("INSERT INTO lock_events (state_id, record) VALUES (?, ?)", row)
    connection.close()
    store = SqliteStore(tmp_path / "db")
    add(store, 5)
    for address in ADDRESSES:
        assert history(store, address, 100) == stored(tmp_path, address)
    store.close()


def test_the_history_that_is_carried_into_a_directory_is_found_there(store: SqliteStore, tmp_path: Path):
    add(store, BLOCK + 10)
    snapshot, loader = SqliteSnapshot(tmp_path / "db"), SqliteLoader(tmp_path / "other")
    loader.tables(snapshot.schema)
    for table in layout(snapshot.schema):
        loader.load(table, snapshot.rows(table))
    loader.finish(snapshot.numbers(layout(snapshot.schema)))
    loader.close()
    snapshot.close()
    other = SqliteStore(tmp_path / "other")
    for address in ADDRESSES:
        assert history(other, address, 100) == stored(tmp_path, address)
    other.close()


def test_an_event_costs_no_page_of_an_index(store: SqliteStore, tmp_path: Path):
    def ask(statement: str) -> int:
        connection = apsw.Connection(str(tmp_path / "db"), flags=apsw.SQLITE_OPEN_READONLY)
        found = connection.execute(statement).get
        connection.close()
        return found

    assert ask("SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'lock_events'") == 0
    for number, placed in ((BLOCK, BLOCK), (BLOCK - 1, BLOCK), (1, 2 * BLOCK)):
        add(store, number)
        assert ask("SELECT count(*) FROM lock_event_places") == placed
