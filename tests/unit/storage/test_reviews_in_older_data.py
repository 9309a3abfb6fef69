"""Data of a Lockhouse that knew no reviews is brought up to date when it is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.records import LockEvent
from lockhouse.core.reviews import ReviewRecord
from lockhouse.storage.sql.migrations import SQLITE, migrate
from lockhouse.storage.sql.sqlite import SqliteStore


class OldEvent(msgspec.Struct, omit_defaults=True):
    """A lock event as it was written before it named the client's version."""

    seq: int
    at: float
    verb: str
    lock_id: str
    epoch: int
    facet: str
    principal: str
    name: str


def test_older_data_takes_reviews_and_shows_its_old_lock_events(tmp_path: Path):
    connection = sqlite3.connect(tmp_path / "db", isolation_level=None)
    first = next(number for number, step in enumerate(SQLITE) if any("CREATE TABLE reviews" in each for each in step))
    without = SQLITE[:first]
    migrate(lambda sql, parameters: connection.execute(sql, parameters).fetchall(), without)
    connection.execute("INSERT INTO states (namespace, key) VALUES ('acme', 'a')")
    old = msgspec.msgpack.encode(OldEvent(0, 5.0, "taken", "L", 1, "table", "p", "ann"))
    connection.execute("INSERT INTO lock_events (state_id, record) VALUES (1, ?)", (old,))
    connection.close()
    store = SqliteStore(tmp_path / "db")
    kept = store.write(lambda tx: tx.add_review(ReviewRecord(0, "r", 1.0, "/a", "", "p", "ann", 2, {}), b"{}"))
    assert store.read(lambda r: r.review("r")) == kept
    event = LockEvent(1, 5.0, "taken", "L", 1, "table", "p", "ann")
    assert store.read(lambda r: r.recent_lock_events()) == [(Address("acme", "a"), event)]
    store.close()
