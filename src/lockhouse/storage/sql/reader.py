"""Reads, in SQL that walks an index from where a page starts to where it ends: no OFFSET, count or LIKE anywhere.

Text compares as its UTF-8 bytes, which is also how Python compares text by code points; so bounds are chosen here and
the database sees one lower and one upper bound. Specification: `core.ports.Reader`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

import msgspec

from lockhouse.core.addresses import Address, behind
from lockhouse.core.locks import FREE, LockRecord
from lockhouse.core.records import ItemRecord, LockEvent, Namespace, Parked, Part, StateRecord, TableRecord, Upload
from lockhouse.core.versions import Version
from lockhouse.storage.sql import records
from lockhouse.storage.sql.audit import AuditReads
from lockhouse.storage.sql.blobs import BlobReads
from lockhouse.storage.sql.data_keys import DataKeyReads
from lockhouse.storage.sql.maintenance import MaintenanceReads
from lockhouse.storage.sql.notices import NoticeReads
from lockhouse.storage.sql.principals import PrincipalReads
from lockhouse.storage.sql.queues import QueueReads
from lockhouse.storage.sql.records import (
    SPAN,
    STATE_COLUMNS,
    STATE_WIDTH,
    Row,
    after_byte_prefix,
    after_prefix,
    place_of,
)
from lockhouse.storage.sql.reviews import ReviewReads
from lockhouse.storage.sql.sessions import SessionReads
from lockhouse.storage.sql.settled import Settled
from lockhouse.storage.sql.trash import TrashReads
from lockhouse.storage.sql.webhooks import WebhookReads
from lockhouse.storage.sql.workspaces import WorkspaceReads

_FOREVER = 2**62
_LOOKED_AT = 16
"""Keys read at once where most may be stepped over."""
_STATE_AND_LOCK = (
    f"SELECT {STATE_COLUMNS}, (SELECT l.record FROM locks l WHERE l.state_id = s.id) "  # noqa: S608
    "FROM states s WHERE s.namespace = ? AND s.key = ?"
)
"""Not a join: SQLite plans a join with parameters anew each time, which takes six times as long as running it."""
CURRENT_RECORD = f"(SELECT v.record FROM versions v WHERE v.place = s.id * {SPAN} + s.current)"  # noqa: S608
"""The record of the current version of the state `s`."""
_BLOB_NAMES = (
    "SELECT blob FROM versions WHERE blob > ? AND blob <> '' "
    "UNION SELECT blob FROM parts WHERE blob > ? AND blob <> '' "
    "UNION SELECT blob FROM parked WHERE blob > ? AND blob <> '' "
    "UNION SELECT blob FROM trash WHERE blob > ? AND blob <> '' "
    "UNION SELECT blob FROM retired WHERE blob > ?"
)
_KEY_AND_BYTES = (
    "SELECT k.kek, k.wrapped, (SELECT b.packed FROM bodies b WHERE b.state_id = ? AND b.seq = ?) "
    "FROM data_keys k WHERE k.id = ?"
)


class WithCurrent(NamedTuple):
    """Statements that read states with their current versions."""

    bare: str
    """One state, and the version without its bytes."""
    whole: str
    """One state, the version and its bytes."""
    many: str
    """States whose bounds and order follow, and their versions."""
    overview: str
    """States whose keys follow, their locks and their versions."""


def _with_current(record: str) -> WithCurrent:
    """`record`: how the record of the current version of the state `s` is read."""
    one = "FROM states s WHERE s.namespace = ? AND s.key = ?"
    return WithCurrent(
        bare=f"SELECT {STATE_COLUMNS}, {record} {one}",
        whole=f"SELECT {STATE_COLUMNS}, {record}, "  # noqa: S608
        f"(SELECT b.packed FROM bodies b WHERE b.state_id = s.id AND b.seq = s.current) {one}",
        many=f"SELECT {STATE_COLUMNS}, {record} FROM states s WHERE s.namespace = ?",  # noqa: S608
        overview=f"SELECT {STATE_COLUMNS}, "  # noqa: S608
        "(SELECT l.record FROM locks l WHERE l.held = 1 AND l.namespace = s.namespace AND l.key = s.key), "
        f"{record} FROM states s WHERE s.namespace = ? AND s.key IN ",
    )


FROM_VERSIONS = _with_current(CURRENT_RECORD)
FROM_COPIES = _with_current(f"coalesce(s.newest, {CURRENT_RECORD})")
"""Where the store keeps copies of these records beside the states (`sqlite_schema`, `postgres_schema`)."""


class Session(Protocol):
    """A connection inside a transaction."""

    def fetch(self, sql: str, parameters: Row = ()) -> list[Row]: ...
    def change(self, sql: str, parameters: Row = ()) -> int:
        """Answers how many rows changed."""
        ...


class SqlReader(
    WorkspaceReads,
    ReviewReads,
    SessionReads,
    PrincipalReads,
    TrashReads,
    QueueReads,
    AuditReads,
    NoticeReads,
    DataKeyReads,
    BlobReads,
    WebhookReads,
    MaintenanceReads,
):
    """`core.ports.Reader` over one session."""

    _with_current: ClassVar[WithCurrent] = FROM_VERSIONS

    def __init__(self, session: Session, settled: Settled, generation: int) -> None:
        """`generation`: of `settled`, noted before the session's snapshot began."""
        self._session = session
        self._fetch = session.fetch
        self._settled = settled
        self._generation = generation

    def namespace(self, name: str) -> Namespace | None:
        kept = self._settled.get(("namespace", name))
        if kept is not None and kept[0] == self._generation:
            known: Namespace | None = kept[1]
            return known
        rows = self._fetch("SELECT record FROM namespaces WHERE name = ?", (name,))
        found = records.decode_namespace(rows[0][0]) if rows else None
        self._settled.keep("namespace", name, self._generation, found)
        return found

    def namespaces(self, after: str = "", limit: int = 1000) -> Sequence[Namespace]:
        rows = self._fetch("SELECT record FROM namespaces WHERE name > ? ORDER BY name LIMIT ?", (after, limit))
        return [records.decode_namespace(row[0]) for row in rows]

    def document(self, namespace: str, kind: str) -> bytes | None:
        rows = self._fetch("SELECT body FROM documents WHERE namespace = ? AND kind = ?", (namespace, kind))
        return rows[0][0] if rows else None

    def state(self, address: Address) -> StateRecord | None:
        rows = self._fetch(
            f"SELECT {STATE_COLUMNS} FROM states s WHERE s.namespace = ? AND s.key = ?",  # noqa: S608
            (address[0], address[1]),
        )
        return records.state_of(rows[0]) if rows else None

    def states(
        self, namespace: str, prefix: str = "", after: str = "", limit: int = 1000, *, live_only: bool = True
    ) -> Sequence[tuple[StateRecord, Version | None]]:
        bounds, values = bounds_of("s.key", prefix, after)
        living = " AND s.live = 1" if live_only else ""
        rows = self._fetch(
            f"{self._with_current.many}{bounds}{living} ORDER BY s.key LIMIT ?",
            (namespace, *values, limit),
        )
        return [
            (records.state_of(row), records.decode_version(row[STATE_WIDTH]) if row[STATE_WIDTH] is not None else None)
            for row in rows
        ]

    def leading_keys(
        self, namespace: str, prefix: str, delimiter: str, after: str = "", limit: int = 1000
    ) -> Sequence[str]:
        found: list[str] = []
        while len(found) < limit:
            bounds, values = bounds_of("s.key", prefix, after)
            rows = self._fetch(
                f"SELECT s.key FROM states s WHERE s.namespace = ?{bounds} AND s.live = 1 "  # noqa: S608
                "ORDER BY s.key LIMIT ?",
                (namespace, *values, _LOOKED_AT),
            )
            for (key,) in rows:
                if key > after:
                    found.append(key)
                    after = behind(key, prefix, delimiter)
            if len(rows) < _LOOKED_AT:
                break
        return found[:limit]

    def current(self, state: StateRecord, *, packed: bool = True) -> Version | None:
        return self.version(state, state.current, packed=packed) if state.current else None

    def version(self, state: StateRecord, seq: int, *, packed: bool = True) -> Version | None:
        rows = self._fetch("SELECT record FROM versions WHERE place = ?", (place_of(state.id, seq),))
        if not rows:
            return None
        version = records.decode_version(rows[0][0])
        return self._with_base(state, self._with_bytes(state, version)) if packed else version

    def _with_bytes(self, state: StateRecord, version: Version) -> Version:
        seq = version.seq
        if version.body is None:
            return version
        if version.body.key is not None:
            keys = self._fetch(_KEY_AND_BYTES, (state.id, seq, version.body.key.id))
            return records.opened(version, state.address, *(keys[0] if keys else (None, None, None)))
        if version.body.blob:
            return version
        bodies = self._fetch("SELECT packed FROM bodies WHERE state_id = ? AND seq = ?", (state.id, seq))
        return records.with_bytes(version, bodies[0][0]) if bodies else version

    def versions(self, state: StateRecord, before: int = 0, limit: int = 1000) -> Sequence[Version]:
        rows = self._fetch(
            "SELECT record FROM versions WHERE place > ? AND place < ? ORDER BY place DESC LIMIT ?",
            (place_of(state.id, 0), place_of(state.id, before if before > 0 else _FOREVER), limit),
        )
        return [records.decode_version(row[0]) for row in rows]

    def lock(self, state: StateRecord) -> LockRecord:
        rows = self._fetch("SELECT record FROM locks WHERE state_id = ?", (state.id,))
        return records.decode_lock(state.id, rows[0][0]) if rows else FREE

    def state_and_lock(self, address: Address) -> tuple[StateRecord, LockRecord] | None:
        rows = self._fetch(_STATE_AND_LOCK, (address[0], address[1]))
        if not rows:
            return None
        row = rows[0]
        encoded = row[STATE_WIDTH]
        return records.state_of(row), FREE if encoded is None else records.decode_lock(row[0], encoded)

    def state_and_version(self, address: Address, *, packed: bool = True) -> tuple[StateRecord, Version | None] | None:
        rows = self._fetch(self._with_current.whole if packed else self._with_current.bare, (address[0], address[1]))
        if not rows:
            return None
        row = rows[0]
        state = records.state_of(row)
        if row[STATE_WIDTH] is None:
            return state, None
        version = records.decode_version(row[STATE_WIDTH])
        body = version.body
        if packed and body is not None:
            frame = row[STATE_WIDTH + 1]
            if body.key is None:
                version = records.with_bytes(version, frame)
            else:
                kek, wrapped = self._wrapped(body.key.id)
                version = records.opened(version, state.address, kek, wrapped, frame)
            if body.base:
                version = self._with_base(state, version)
        return state, version

    def overview(self, namespace: str, keys: Sequence[str]) -> Sequence[tuple[StateRecord, LockRecord, Version | None]]:
        if not keys:
            return []
        rows = self._fetch(f"{self._with_current.overview}({', '.join('?' * len(keys))})", (namespace, *keys))
        return [
            (
                records.state_of(row),
                FREE if row[STATE_WIDTH] is None else records.decode_lock(row[0], row[STATE_WIDTH]),
                None if row[STATE_WIDTH + 1] is None else records.decode_version(row[STATE_WIDTH + 1]),
            )
            for row in rows
        ]

    def held_locks(
        self, namespace: str = "", prefix: str = "", after: Address | None = None, limit: int = 1000
    ) -> Sequence[tuple[StateRecord, LockRecord]]:
        if namespace:
            if after is not None and after.namespace > namespace:
                return []
            bounds, values = bounds_of(
                "l.key", prefix, after.key if after is not None and after.namespace == namespace else ""
            )
            bounds, values = f" AND l.namespace = ?{bounds}", (namespace, *values)
        else:
            bounds, values = bounds_of("l.key", prefix, "")
            bounds += " AND (l.namespace, l.key) > (?, ?)"
            values = (*values, *(after or ("", "")))
        rows = self._fetch(
            f"SELECT {STATE_COLUMNS}, l.record FROM locks l JOIN states s ON s.id = l.state_id "  # noqa: S608
            f"WHERE l.held = 1{bounds} ORDER BY l.namespace, l.key LIMIT ?",
            (*values, limit),
        )
        return [(records.state_of(row), records.decode_lock(row[0], row[STATE_WIDTH])) for row in rows]

    def lock_events(self, state: StateRecord, before: int = 0, limit: int = 100) -> Sequence[LockEvent]:
        rows = self._fetch(
            "SELECT seq, record FROM lock_events WHERE state_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
            (state.id, before if before > 0 else _FOREVER, limit),
        )
        return [msgspec.structs.replace(records.decode_lock_event(row[1]), seq=row[0]) for row in rows]

    def recent_lock_events(self, before: int = 0, limit: int = 500) -> Sequence[tuple[Address, LockEvent]]:
        rows = self._fetch(
            "SELECT e.seq, e.record, s.namespace, s.key FROM lock_events e CROSS JOIN states s ON s.id = e.state_id "
            "WHERE e.seq < ? ORDER BY e.seq DESC LIMIT ?",
            (before if before > 0 else _FOREVER, limit),
        )
        return [
            (Address(row[2], row[3]), msgspec.structs.replace(records.decode_lock_event(row[1]), seq=row[0]))
            for row in rows
        ]

    def parked(self, parked_id: str) -> Parked | None:
        rows = self._fetch("SELECT record, packed FROM parked WHERE id = ?", (parked_id,))
        if not rows:
            return None
        parked = records.parked_of(rows[0][0], rows[0][1])
        key = parked.body.key
        return parked if key is None else records.opened_parked(parked, *self._wrapped(key.id))

    def parked_writes(self, address: Address | None = None, after: str = "", limit: int = 1000) -> Sequence[Parked]:
        if address is None:
            rows = self._fetch("SELECT record FROM parked WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        else:
            rows = self._fetch(
                "SELECT record FROM parked WHERE namespace = ? AND key = ? AND id > ? ORDER BY id LIMIT ?",
                (*address, after, limit),
            )
        return [records.parked_of(row[0]) for row in rows]

    def upload(self, upload_id: str) -> Upload | None:
        rows = self._fetch("SELECT record FROM uploads WHERE id = ?", (upload_id,))
        return records.decode_upload(rows[0][0]) if rows else None

    def uploads(
        self, namespace: str, prefix: str = "", after: tuple[str, str] = ("", ""), limit: int = 1000
    ) -> Sequence[Upload]:
        bounds, values = bounds_of("key", prefix, "")
        if after[0] >= prefix:
            end = after_prefix(prefix)
            bounds = " AND (key, id) > (?, ?)" + ("" if end is None else " AND key < ?")
            values = (*after,) if end is None else (*after, end)
        rows = self._fetch(
            f"SELECT record FROM uploads WHERE namespace = ?{bounds} ORDER BY key, id LIMIT ?",  # noqa: S608
            (namespace, *values, limit),
        )
        return [records.decode_upload(row[0]) for row in rows]

    def parts(self, upload_id: str, after: int = 0, limit: int = 1000) -> Sequence[Part]:
        rows = self._fetch(
            "SELECT record FROM parts WHERE upload_id = ? AND number > ? ORDER BY number LIMIT ?",
            (upload_id, after, limit),
        )
        found = [records.decode_part(row[0]) for row in rows]
        return [
            part if part.body.key is None else records.opened_part(part, upload_id, *self._wrapped(part.body.key.id))
            for part in found
        ]

    def table(self, name: str) -> TableRecord | None:
        kept = self._settled.get(("table", name))
        if kept is not None and kept[0] == self._generation:
            known: TableRecord | None = kept[1]
            return known
        rows = self._fetch("SELECT name, body FROM lock_tables WHERE name = ?", (name,))
        found = TableRecord(*rows[0]) if rows else None
        self._settled.keep("table", name, self._generation, found)
        return found

    def tables(self, after: str = "", limit: int = 100) -> Sequence[TableRecord]:
        rows = self._fetch("SELECT name, body FROM lock_tables WHERE name > ? ORDER BY name LIMIT ?", (after, limit))
        return [TableRecord(*row) for row in rows]

    def item(self, table: str, hash_key: bytes, range_key: bytes) -> ItemRecord | None:
        rows = self._fetch(
            "SELECT hash_key, range_key, body, expires_at FROM items "
            "WHERE table_name = ? AND hash_key = ? AND range_key = ?",
            (table, hash_key, range_key),
        )
        return ItemRecord(*rows[0]) if rows else None

    def items(
        self,
        table: str,
        hash_key: bytes | None = None,
        after: tuple[bytes, bytes] | None = None,
        limit: int = 1000,
        *,
        descending: bool = False,
        hash_prefix: bytes = b"",
    ) -> Sequence[ItemRecord]:
        clauses = ["table_name = ?"]
        values: list[object] = [table]
        beyond, order = ("<", " DESC") if descending else (">", "")
        if hash_key is not None:
            if not hash_key.startswith(hash_prefix):
                return []
            clauses.append("hash_key = ?")
            values.append(hash_key)
            if after is not None and after[0] == hash_key:
                clauses.append(f"range_key {beyond} ?")
                values.append(after[1])
            elif after is not None and (hash_key > after[0]) == descending:
                return []
        else:
            end = after_byte_prefix(hash_prefix)
            starts_inside = after is not None and (
                (end is None or after[0] < end) if descending else after[0] >= hash_prefix
            )
            if after is not None and starts_inside:
                clauses.append(f"(hash_key, range_key) {beyond} (?, ?)")
                values += after
            if hash_prefix and (descending or not starts_inside):
                clauses.append("hash_key >= ?")
                values.append(hash_prefix)
            if end is not None and not (descending and starts_inside):
                clauses.append("hash_key < ?")
                values.append(end)
        rows = self._fetch(
            f"SELECT hash_key, range_key, body, expires_at FROM items WHERE {' AND '.join(clauses)} "  # noqa: S608
            f"ORDER BY hash_key{order}, range_key{order} LIMIT ?",
            (*values, limit),
        )
        return [ItemRecord(*row) for row in rows]

    def blob_names(self, after: str = "", limit: int = 1000) -> Sequence[str]:
        rows = self._fetch(f"{_BLOB_NAMES} ORDER BY blob LIMIT ?", (after, after, after, after, after, limit))
        return [row[0] for row in rows]


def bounds_of(column: str, prefix: str, after: str) -> tuple[str, Row]:
    """Keys below the prefix and beyond `after`, as one lower and at most one upper bound."""
    end = after_prefix(prefix)
    lower, start = (f" AND {column} > ?", after) if after >= prefix else (f" AND {column} >= ?", prefix)
    return (lower, (start,)) if end is None else (f"{lower} AND {column} < ?", (start, end))
