"""What the commands of one transaction write, gathered and sent as one statement for each table.

A statement costs the same for one row as for sixty. So the few that every run makes (a lock, its history, a version,
the audit log) are kept back as rows until the transaction ends, or until one of its commands asks something that they
could change. They are about different tables, or about rows that no two commands share, so their order does not matter;
rows of the same table keep theirs, and of several changes of one row the last is sent.

A changed row is never inferred from a count: the change of locks compares the epochs that were read, and divides by
whether all were found, so that it fails with its transaction.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from lockhouse.storage.sql.postgres_session import Session
from lockhouse.storage.sql.queues import SAVE_RECOLLECTION
from lockhouse.storage.sql.records import Row
from lockhouse.storage.sql.transaction import SAVE_STATE
from lockhouse.storage.sql.workspaces import ADD_WORKSPACE, AWAITS

ADD_EVENT = "INSERT INTO lock_events (state_id, record) VALUES (?, ?)"
_SAVE_LOCK = (
    "WITH changed AS (UPDATE locks SET epoch = ?, held = ?, record = ? WHERE state_id = ? AND epoch = ? RETURNING 1) "
    "SELECT 1 / count(*) FROM changed"
)
_SAVE_LOCKS = (
    "WITH changed AS (UPDATE locks l SET epoch = n.epoch, held = n.held, record = n.record FROM "
    "unnest(?::bigint[], ?::bigint[], ?::bytea[], ?::bigint[], ?::bigint[]) AS n (epoch, held, record, id, expected) "
    "WHERE l.state_id = n.id AND l.epoch = n.expected RETURNING 1) "
    "SELECT 1 / (CASE WHEN count(*) = ? THEN 1 ELSE 0 END) FROM changed"
)
_ADD_LOCK = "INSERT INTO locks (state_id, namespace, key, epoch, held, record) VALUES (?, ?, ?, ?, ?, ?)"
_ADD_LOCKS = (
    "INSERT INTO locks (state_id, namespace, key, epoch, held, record) SELECT * FROM "
    "unnest(?::bigint[], ?::text[], ?::text[], ?::bigint[], ?::bigint[], ?::bytea[])"
)


class _Many(msgspec.Struct, frozen=True):
    """The statement that does for columns of rows what another does for one row."""

    sql: str
    key: tuple[int, ...] = ()
    """The parameters that say which row it is, where a row may be written again."""


_MANY = {
    ADD_EVENT: _Many(
        "INSERT INTO lock_events (state_id, record) SELECT n.state_id, n.record FROM "
        "unnest(?::bigint[], ?::bytea[]) WITH ORDINALITY AS n (state_id, record, place) ORDER BY n.place"
    ),
    "INSERT INTO audit_entries (entry) VALUES (?)": _Many(
        "INSERT INTO audit_entries (entry) SELECT n.entry FROM unnest(?::bytea[]) WITH ORDINALITY AS n (entry, place) "
        "ORDER BY n.place"
    ),
    SAVE_STATE: _Many(
        "UPDATE states s SET current = n.current, live = n.live, next_seq = n.next_seq, versions = n.versions, "
        "is_state = n.is_state, require_lock = n.require_lock, highest_serial = n.highest_serial, parked = n.parked, "
        "share_ssec = n.share_ssec FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], "
        "?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[]) AS n (current, live, next_seq, versions, "
        "is_state, require_lock, highest_serial, parked, share_ssec, id) WHERE s.id = n.id",
        (9,),
    ),
    "INSERT INTO versions (place, state_id, seq, blob, record) VALUES (?, ?, ?, ?, ?)": _Many(
        "INSERT INTO versions (place, state_id, seq, blob, record) SELECT * FROM "
        "unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::text[], ?::bytea[])"
    ),
    "INSERT INTO bodies (state_id, seq, packed) VALUES (?, ?, ?)": _Many(
        "INSERT INTO bodies (state_id, seq, packed) SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::bytea[])"
    ),
    "INSERT INTO data_keys (id, kek, wrapped) VALUES (?, ?, ?)": _Many(
        "INSERT INTO data_keys (id, kek, wrapped) SELECT * FROM unnest(?::bytea[], ?::text[], ?::bytea[])"
    ),
    ADD_WORKSPACE: _Many(
        "INSERT INTO workspaces (id, namespace, name, key, record) SELECT * FROM "
        "unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::bytea[])"
    ),
    AWAITS: _Many(
        "UPDATE states s SET awaits = n.awaits FROM unnest(?::text[], ?::text[], ?::text[]) "
        'AS n (awaits, namespace, key) WHERE s.namespace = n.namespace COLLATE "C" AND s.key = n.key COLLATE "C"',
        (1, 2),
    ),
    SAVE_RECOLLECTION: _Many(
        "INSERT INTO recollections (credential, namespace, key, at, record) SELECT * FROM "
        "unnest(?::text[], ?::text[], ?::text[], ?::double precision[], ?::bytea[]) "
        "ON CONFLICT (credential, namespace, key) DO UPDATE SET at = excluded.at, record = excluded.record",
        (0, 1, 2),
    ),
}


class Batches:
    """The rows that one transaction has kept back."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rows: dict[str, dict[object, Row]] = {}
        self._added_locks: dict[int, Row] = {}
        self._saved_locks: dict[int, Row] = {}

    def clear(self) -> None:
        """Forget them, with the transaction."""
        self._rows.clear()
        self._added_locks.clear()
        self._saved_locks.clear()

    def keep(self, sql: str, parameters: Row) -> bool:
        """Keep a row back; False when this statement is none of those that are."""
        many = _MANY.get(sql)
        if many is None:
            return False
        rows = self._rows.setdefault(sql, {})
        rows[tuple(parameters[place] for place in many.key) if many.key else len(rows)] = parameters
        return True

    def add_lock(self, values: Row) -> None:
        """The first lock of a state; `values` as the columns of the table."""
        self._added_locks[values[0]] = values

    def save_lock(self, state_id: int, expected: int, values: Row) -> None:
        """A lock with other values (epoch, held, record), if its epoch is still the expected one."""
        added = self._added_locks.get(state_id)
        if added is not None:
            self._added_locks[state_id] = (*added[:3], *values)
            return
        saved = self._saved_locks.get(state_id)
        self._saved_locks[state_id] = (*values, state_id, expected if saved is None else saved[4])

    def send(self) -> None:
        """Send them all. Errors: Lost, others of psycopg, or a later call has them."""
        if self._saved_locks:
            rows = list(self._saved_locks.values())
            if len(rows) == 1:
                self._session.send(_SAVE_LOCK, rows[0])
            else:
                self._session.send(_SAVE_LOCKS, (*_columns(rows), len(rows)))
        _send(self._session, _ADD_LOCK, _ADD_LOCKS, self._added_locks.values())
        for sql, kept in self._rows.items():
            _send(self._session, sql, _MANY[sql].sql, kept.values())
        self.clear()


def _send(session: Session, one: str, many: str, kept: Iterable[Row]) -> None:
    rows = list(kept)
    if len(rows) == 1:
        session.send(one, rows[0])
    elif rows:
        session.send(many, _columns(rows))


def _columns(rows: list[Row]) -> Row:
    return tuple(map(list, zip(*rows, strict=True)))
