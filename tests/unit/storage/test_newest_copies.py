"""SQLite's copy of each current version's record: always that of the version, and what makes a list cheap."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Transaction
from lockhouse.storage.carry.layout import layout
from lockhouse.storage.carry.sqlite_rows import SqliteLoader, SqliteSnapshot
from lockhouse.storage.sql import migrations, records
from lockhouse.storage.sql.reader import SqlReader
from lockhouse.storage.sql.settled import UNSETTLED, Settled
from lockhouse.storage.sql.sqlite import SqliteStore
from lockhouse.storage.sql.sqlite_schema import SqliteReader
from tests.contract.changes import CHANGES, two_versions
from tests.contract.samples import HOME, version, write_version

PAGE = 50


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "db")
    yield store
    store.close()


class _Statements:
    """A session over a plain connection."""

    def __init__(self, path: Path) -> None:
        self.connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)

    def fetch(self, sql: str, parameters: tuple = ()) -> list:
        return self.connection.execute(sql, parameters).fetchall()

    def change(self, sql: str, parameters: tuple = ()) -> int:
        raise AssertionError(sql, parameters)


def assert_copied(path: Path) -> None:
    """There is a copy for every state, and reading it or the version itself is the same."""
    session = _Statements(path)
    assert session.fetch("SELECT count(*) FROM states WHERE (newest IS NULL) = (current > 0)") == [(0,)]
    copies, versions = (reader(session, Settled(), UNSETTLED) for reader in (SqliteReader, SqlReader))
    assert len(copies.states("acme", live_only=False)) == 1
    assert copies.states("acme", live_only=False) == versions.states("acme", live_only=False)
    assert copies.state_and_version(HOME, packed=False) == versions.state_and_version(HOME, packed=False)
    assert copies.overview("acme", [HOME.key]) == versions.overview("acme", [HOME.key])
    session.connection.close()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_copy_follows_every_change(store: SqliteStore, tmp_path: Path, change: Callable):
    store.write(two_versions)
    assert_copied(tmp_path / "db")

    def run(tx: Transaction) -> None:
        state = tx.state(HOME)
        assert state is not None
        change(tx, state)

    store.write(run)
    assert_copied(tmp_path / "db")


def test_a_change_that_is_undone_leaves_the_copy_as_it_was(store: SqliteStore, tmp_path: Path):
    store.write(two_versions)

    def fails(tx: Transaction) -> None:
        write_version(tx, HOME, version(3))
        raise KeyError

    with pytest.raises(KeyError):
        store.write(fails)
    assert_copied(tmp_path / "db")


def test_data_of_a_lockhouse_without_copies_is_given_them(tmp_path: Path):
    connection = sqlite3.connect(tmp_path / "db", isolation_level=None)
    migrations.migrate(lambda sql, values: connection.execute(sql, values).fetchall(), migrations.SQLITE)
    connection.execute("INSERT INTO states (namespace, key, current, live) VALUES (?, ?, 2, 1)", HOME)
    for seq in (1, 2):
        row = (records.place_of(1, seq), seq, records.version_record(version(seq)))
        connection.execute("INSERT INTO versions (place, state_id, seq, record) VALUES (?, 1, ?, ?)", row)
    connection.close()
    SqliteStore(tmp_path / "db").close()
    assert_copied(tmp_path / "db")


def test_rows_that_are_carried_into_a_directory_are_given_copies(store: SqliteStore, tmp_path: Path):
    store.write(two_versions)
    snapshot, loader = SqliteSnapshot(tmp_path / "db"), SqliteLoader(tmp_path / "other")
    loader.tables(snapshot.schema)
    for table in layout(snapshot.schema):
        loader.load(table, snapshot.rows(table))
    loader.finish(snapshot.numbers(layout(snapshot.schema)))
    loader.close()
    snapshot.close()
    assert_copied(tmp_path / "other")


def test_where_there_is_no_copy_yet_the_version_itself_is_read(store: SqliteStore, tmp_path: Path):
    store.write(two_versions)
    before = store.read(lambda r: (r.states("acme"), r.state_and_version(HOME)))
    with sqlite3.connect(tmp_path / "db") as connection:
        connection.execute("UPDATE states SET newest = NULL")
    connection.close()
    assert store.read(lambda r: (r.states("acme"), r.state_and_version(HOME))) == before


def test_a_page_of_a_list_reads_no_page_for_versions(store: SqliteStore, tmp_path: Path):
    keys = [f"app-{number:05}" for number in range(2000)]
    made = random.Random(3).sample(keys, len(keys))

    def fill(tx: Transaction) -> None:
        for key in made:
            for seq in (1, 2):
                write_version(tx, Address("acme", key), version(seq))

    store.write(fill)
    session = _Statements(tmp_path / "db")
    read = []
    for reader in (SqliteReader, SqlReader):
        session.connection.execute("PRAGMA shrink_memory").fetchall()
        session.connection.status(apsw.SQLITE_DBSTATUS_CACHE_MISS, reset=True)
        assert len(reader(session, Settled(), UNSETTLED).states("acme", after=keys[700], limit=PAGE)) == PAGE
        read.append(session.connection.status(apsw.SQLITE_DBSTATUS_CACHE_MISS)[0])
    with_copies, without = read
    assert with_copies < PAGE + 10
    assert without > with_copies + PAGE / 2
    session.connection.close()
