"""Writes of one command. Specification: `core.ports.Transaction`.

A guarded command opens a savepoint with its first change, and can be undone alone. One that only reads and refuses
costs nothing to undo, guarded or not.
While the disk is full (`tight`) only what frees something may change: releases, deletions, counters, history. All that
would add is refused with StorageFull before it is tried, so that the little room left serves unlocks.
"""

from __future__ import annotations

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.locks import LockRecord
from lockhouse.core.records import ItemRecord, LockEvent, Namespace, Parked, Part, StateRecord, TableRecord, Upload
from lockhouse.core.versions import Facts, Version
from lockhouse.core.workspaces import name_from_key
from lockhouse.errors import StorageFull
from lockhouse.storage.sql import records
from lockhouse.storage.sql.audit import AuditWrites
from lockhouse.storage.sql.blobs import BlobWrites
from lockhouse.storage.sql.data_keys import DataKeyWrites
from lockhouse.storage.sql.maintenance import MaintenanceWrites
from lockhouse.storage.sql.notices import NoticeWrites
from lockhouse.storage.sql.principals import PrincipalWrites
from lockhouse.storage.sql.queues import QueueWrites
from lockhouse.storage.sql.reader import Session, SqlReader
from lockhouse.storage.sql.records import Row, encode
from lockhouse.storage.sql.reviews import ReviewWrites
from lockhouse.storage.sql.sessions import SessionWrites
from lockhouse.storage.sql.settled import UNSETTLED, Settled
from lockhouse.storage.sql.trash import TrashWrites
from lockhouse.storage.sql.webhooks import WebhookWrites
from lockhouse.storage.sql.workspaces import WorkspaceWrites

SAVE_STATE = (
    "UPDATE states SET current = ?, live = ?, next_seq = ?, versions = ?, is_state = ?, require_lock = ?, "
    "highest_serial = ?, parked = ?, share_ssec = ? WHERE id = ?"
)
SAVE_LOCK = "UPDATE locks SET epoch = ?, held = ?, record = ? WHERE state_id = ? AND epoch = ?"
ADD_VERSION = "INSERT INTO versions (place, state_id, seq, blob, record) VALUES (?, ?, ?, ?, ?)"
ADD_BYTES = "INSERT INTO bodies (state_id, seq, packed) VALUES (?, ?, ?)"
ADD_LOCK_EVENT = "INSERT INTO lock_events (state_id, record) VALUES (?, ?)"
_EMPTY_ADDRESSES = (
    "SELECT s.id FROM states s WHERE s.namespace = ? "  # noqa: S608
    f"AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.place > s.id * {records.SPAN} "
    f"AND v.place < s.id * {records.SPAN} + {records.SPAN}) "
    "AND NOT EXISTS (SELECT 1 FROM locks l WHERE l.state_id = s.id AND l.held = 1)"
)


def storage_full() -> StorageFull:
    return StorageFull(
        "cannot write: the disk of the data directory is full; nothing was changed",
        hint="free some space: reads and unlocks still work, and writes resume by themselves",
    )


class SqlTransaction(
    WorkspaceWrites,
    ReviewWrites,
    SessionWrites,
    PrincipalWrites,
    TrashWrites,
    QueueWrites,
    NoticeWrites,
    AuditWrites,
    DataKeyWrites,
    BlobWrites,
    WebhookWrites,
    MaintenanceWrites,
    SqlReader,
):
    """`core.ports.Transaction` over one session; used for one command after the other."""

    def __init__(self, session: Session, settled: Settled) -> None:
        super().__init__(session, settled, settled.generation)
        self.tight = False
        self.unsettled = False
        """Whether the group has changed what is kept in `settled`."""
        self._guarded = True
        self._changed = False

    def begin(self, *, guarded: bool) -> None:
        """Before the first command of a group."""
        self._guarded = guarded
        self._changed = False
        self._generation = self._settled.generation
        self.unsettled = False

    def _unsettle(self) -> None:
        self._generation = UNSETTLED
        self.unsettled = True

    def keep(self) -> None:
        """End the command and keep its changes."""
        if self._changed:
            if self._guarded:
                self._fetch("RELEASE command")
            self._changed = False

    def undo(self) -> bool:
        """End the command as if it had never run; False when it cannot be undone alone."""
        if not self._changed:
            return True
        if not self._guarded:
            return False
        self._fetch("ROLLBACK TO command")
        self._fetch("RELEASE command")
        self._changed = False
        return True

    def _change(self, sql: str, parameters: Row) -> int:
        if self._guarded and not self._changed:
            self._begin_change()
        self._changed = True
        return self._session.change(sql, parameters)

    def _begin_change(self) -> None:
        """Before the first change of a guarded command."""
        self._fetch("SAVEPOINT command")

    def _of_state(self, state_id: int, sql: str, parameters: Row) -> None:  # noqa: ARG002 - a store with many writers asks
        """A change of what belongs to one state, which the command has read."""
        self._change(sql, parameters)

    def _grow(self, sql: str, parameters: Row) -> int:
        if self.tight:
            raise storage_full()
        return self._change(sql, parameters)

    def _put(self, sql: str, parameters: Row) -> None:
        """As `_grow`, where nobody asks how many rows changed."""
        self._grow(sql, parameters)

    def _write_at(self, address: Address, sql: str, parameters: Row) -> None:
        """A write of what belongs to this address."""
        del address  # one thread writes here; where many do, they hold it
        self._change(sql, parameters)

    def _append(self, sql: str, parameters: Row) -> None:
        """A line in a log that no command ever reads to decide."""
        self._change(sql, parameters)

    def create_namespace(self, namespace: Namespace) -> None:
        self._unsettle()
        self._grow("INSERT INTO namespaces (name, record) VALUES (?, ?)", (namespace.name, encode(namespace)))

    def save_namespace(self, namespace: Namespace) -> None:
        self._unsettle()
        self._grow(
            "INSERT INTO namespaces (name, record) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET record = excluded.record",
            (namespace.name, encode(namespace)),
        )

    def delete_namespace(self, name: str) -> None:
        self._unsettle()
        self._change("DELETE FROM namespaces WHERE name = ?", (name,))
        self._change("DELETE FROM documents WHERE namespace = ?", (name,))
        self._change("DELETE FROM maintenances WHERE namespace = ?", (name,))
        self._forget_namespace(name)
        for (state_id,) in self._fetch(_EMPTY_ADDRESSES, (name,)):
            self._forget_events(state_id)
            self._change("DELETE FROM locks WHERE state_id = ?", (state_id,))
            for table in ("trash", "packs", "packing"):
                self._change(f"DELETE FROM {table} WHERE state_id = ?", (state_id,))  # noqa: S608
            self._change("DELETE FROM bodies WHERE state_id = ?", (state_id,))
            self._change("DELETE FROM states WHERE id = ?", (state_id,))

    def _forget_events(self, state_id: int) -> None:
        self._change("DELETE FROM lock_events WHERE state_id = ?", (state_id,))

    def set_document(self, namespace: str, kind: str, body: bytes | None) -> None:
        if body is None:
            self._change("DELETE FROM documents WHERE namespace = ? AND kind = ?", (namespace, kind))
            return
        self._grow(
            "INSERT INTO documents (namespace, kind, body) VALUES (?, ?, ?) "
            "ON CONFLICT (namespace, kind) DO UPDATE SET body = excluded.body",
            (namespace, kind, body),
        )

    def ensure_state(self, address: Address) -> StateRecord:
        state = self.state(address)
        if state is not None:
            return state
        self._grow(
            "INSERT INTO states (namespace, key, awaits) VALUES (?, ?, ?)",
            (address[0], address[1], name_from_key(address[1])),
        )
        state = self.state(address)
        assert state is not None
        return state

    def save_state(self, state: StateRecord) -> None:
        if self._change(SAVE_STATE, records.state_values(state)) != 1:
            raise ValueError(f"state {state.id} is not there")

    def add_version(self, state: StateRecord, version: Version) -> None:
        body, seq, bare = version.body, version.seq, records.bare_version(version)
        place = records.place_of(state.id, seq)
        self._grow(ADD_VERSION, (place, state.id, seq, body.blob if body else "", encode(bare)))
        if body is not None and body.packed:
            self._change(ADD_BYTES, (state.id, seq, body.packed))
        self._keep_key(body)
        self._added(state, bare)

    def _added(self, state: StateRecord, bare: Version) -> None:
        """A version was added; `bare`: as its record holds it."""

    def set_facts(self, state: StateRecord, seq: int, facts: Facts) -> None:
        version = self.version(state, seq, packed=False)
        if version is not None:
            self._save_version(state, msgspec.structs.replace(version, facts=facts))

    def set_tags(self, state: StateRecord, seq: int, tags: dict[str, str]) -> None:
        version = self.version(state, seq, packed=False)
        if version is not None:
            self._save_version(state, msgspec.structs.replace(version, tags=dict(tags)))

    def _save_version(self, state: StateRecord, version: Version) -> None:
        self._grow(
            "UPDATE versions SET record = ? WHERE place = ?",
            (records.version_record(version), records.place_of(state.id, version.seq)),
        )

    def delete_version(self, state: StateRecord, seq: int) -> None:
        version = self.version(state, seq, packed=False)
        self._destroy_key(version.body if version is not None else None)
        self._change("DELETE FROM versions WHERE place = ?", (records.place_of(state.id, seq),))
        self._change("DELETE FROM bodies WHERE state_id = ? AND seq = ?", (state.id, seq))

    def save_lock(self, state: StateRecord, record: LockRecord, expected_epoch: int) -> bool:
        if self.tight and record.lock is not None and record.epoch > expected_epoch:
            raise storage_full()
        held, encoded = int(record.lock is not None), records.encode_lock(state.id, record)
        if self._change(
            SAVE_LOCK,
            (record.epoch, held, encoded, state.id, expected_epoch),
        ):
            return True
        return expected_epoch == 0 and bool(
            self._change(
                "INSERT INTO locks (state_id, namespace, key, epoch, held, record) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (state_id) DO NOTHING",
                (state.id, state.address.namespace, state.address.key, record.epoch, held, encoded),
            )
        )

    def add_lock_event(self, state: StateRecord, event: LockEvent) -> None:
        self._change(ADD_LOCK_EVENT, (state.id, encode(event)))

    def add_parked(self, parked: Parked) -> None:
        body = parked.body
        bare = msgspec.structs.replace(parked, body=records.bare(body))
        self._grow(
            "INSERT INTO parked (id, namespace, key, blob, record, packed) VALUES (?, ?, ?, ?, ?, ?)",
            (parked.id, *parked.address, body.blob, encode(bare), body.packed or None),
        )
        self._keep_key(body)

    def delete_parked(self, parked_id: str) -> None:
        rows = self._fetch("SELECT record FROM parked WHERE id = ?", (parked_id,))
        self._destroy_key(records.parked_of(rows[0][0]).body if rows else None)
        self._change("DELETE FROM parked WHERE id = ?", (parked_id,))

    def add_upload(self, upload: Upload) -> None:
        self._grow(
            "INSERT INTO uploads (id, namespace, key, record) VALUES (?, ?, ?, ?)",
            (upload.id, *upload.address, encode(upload)),
        )

    def delete_upload(self, upload_id: str) -> None:
        self._change("DELETE FROM uploads WHERE id = ?", (upload_id,))
        for (record,) in self._fetch("SELECT record FROM parts WHERE upload_id = ?", (upload_id,)):
            self._destroy_key(records.decode_part(record).body)
        self._change("DELETE FROM parts WHERE upload_id = ?", (upload_id,))

    def save_part(self, upload_id: str, part: Part) -> None:
        rows = self._fetch("SELECT record FROM parts WHERE upload_id = ? AND number = ?", (upload_id, part.number))
        self._destroy_key(records.decode_part(rows[0][0]).body if rows else None)
        self._grow(
            "INSERT INTO parts (upload_id, number, blob, record) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (upload_id, number) DO UPDATE SET blob = excluded.blob, record = excluded.record",
            (upload_id, part.number, part.body.blob, records.part_record(part)),
        )
        self._keep_key(part.body)

    def save_table(self, table: TableRecord) -> None:
        self._unsettle()
        self._grow(
            "INSERT INTO lock_tables (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body",
            (table.name, table.body),
        )

    def delete_table(self, name: str) -> None:
        self._unsettle()
        self._change("DELETE FROM lock_tables WHERE name = ?", (name,))
        self._change("DELETE FROM items WHERE table_name = ?", (name,))

    def put_item(self, table: str, item: ItemRecord) -> None:
        self._grow(
            "INSERT INTO items (table_name, hash_key, range_key, expires_at, body) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (table_name, hash_key, range_key) "
            "DO UPDATE SET expires_at = excluded.expires_at, body = excluded.body",
            (table, item.hash_key, item.range_key, item.expires_at, item.body),
        )

    def delete_item(self, table: str, hash_key: bytes, range_key: bytes) -> None:
        self._change(
            "DELETE FROM items WHERE table_name = ? AND hash_key = ? AND range_key = ?", (table, hash_key, range_key)
        )

    def expire_items(self, now: float, limit: int = 1000) -> int:
        due = self._fetch(
            "SELECT table_name, hash_key, range_key FROM items WHERE expires_at > 0 AND expires_at <= ? "
            "ORDER BY expires_at, table_name, hash_key, range_key LIMIT ?",
            (now, limit),
        )
        for row in due:
            self.delete_item(*row)
        return len(due)
