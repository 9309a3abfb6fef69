"""Commands on PostgreSQL, where others run at the same time, on this replica and on every other one.

The law, by which no two commands ever decide on the same thing at once:

- Every command holds the *structure*, a lock of the whole database that ends with its transaction. It is held together
  with others (`GROUP`, `ALONE`) or by one alone (`EXCLUSIVE`).
- What belongs to one address (state, versions, lock, history, announced versions) is read and written only while its
  row in `states` is locked; an ordinary item while the advisory lock of its key is held; an unfinished upload while its
  row is locked. These, and lines in logs that no decision reads, are all that may be written while the structure is
  shared.
- Everything else (namespaces, tables, principals, workspaces, documents, reviews, …) is written by a command that has
  the structure for itself, and so may be read by all others without any lock. Lists of what belongs to addresses are
  read in the same way. A command that finds that it needs this stops with `Later` and is run again, alone.
- A `GROUP` of commands in one transaction never waits for anybody: what another transaction holds is left to be run
  `ALONE`, which waits. So groups neither block each other nor deadlock.

Under READ COMMITTED a lock must be had before the statement that reads begins; so they are two statements, sent
together. A changed row is never inferred from a count: a compare-and-set that was sent ahead divides by the number of
rows that it changed, and so fails with its transaction. Specification: `core.ports.Transaction`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.data_keys import DataKey
from lockhouse.core.locks import FREE, LockRecord
from lockhouse.core.principals import Credential, Membership, Principal
from lockhouse.core.queues import Queued, Recollection
from lockhouse.core.records import ItemRecord, LockEvent, Parked, Part, StateRecord, Upload
from lockhouse.core.versions import Facts, Version
from lockhouse.core.workspaces import StateUpload, name_from_key
from lockhouse.storage.sql import records
from lockhouse.storage.sql.postgres_batches import ADD_EVENT
from lockhouse.storage.sql.postgres_holding import Holding, Later, Mode, Wait
from lockhouse.storage.sql.postgres_session import Cursor
from lockhouse.storage.sql.reader import SqlReader
from lockhouse.storage.sql.records import Row, encode
from lockhouse.storage.sql.transaction import SAVE_STATE

_MAKE = "INSERT INTO states (namespace, key, awaits) VALUES (?, ?, ?) ON CONFLICT (namespace, key) DO NOTHING"
_TRY_MAKE = (
    "INSERT INTO states (namespace, key, awaits) SELECT ?, ?, ? WHERE pg_try_advisory_xact_lock(?) "
    "ON CONFLICT (namespace, key) DO NOTHING"
)


class PostgresTransaction(Holding):
    """`core.ports.Transaction`; used for one transaction after the other."""

    def save_principal(self, principal: Principal) -> None:
        super().save_principal(principal)
        self.access_changed()

    def save_credential(self, credential: Credential) -> None:
        super().save_credential(credential)
        self.access_changed()

    def save_membership(self, membership: Membership) -> None:
        super().save_membership(membership)
        self.access_changed()

    def delete_membership(self, team: str, member: str) -> None:
        super().delete_membership(team, member)
        self.access_changed()

    def access_changed(self) -> None:
        """Another aggregate that decides who may do what has changed: every replica reads it anew within a second."""
        self._alone()
        self.house_changes = (self.house_changes[0], 1)

    # What belongs to an address

    def state(self, address: Address) -> StateRecord | None:
        return self.hold(address)

    def ensure_state(self, address: Address) -> StateRecord:
        state = self.hold(address)
        if state is not None:
            return state
        self._absent.discard(address)
        place, new = _number("address", *address), (*address, name_from_key(address.key))
        if self.mode is Mode.GROUP:
            self._send(_TRY_MAKE, (*new, place))
        else:
            if self.mode is Mode.ALONE:
                self._pg.send("SELECT pg_advisory_xact_lock(?)", (place,))
            self._send(_MAKE, new)
        state = self.hold(address)
        if state is None:  # another transaction is making it
            raise Later(Mode.ALONE if self.mode is Mode.GROUP else Mode.EXCLUSIVE)
        return state

    def save_state(self, state: StateRecord) -> None:
        self._held(state)
        self._send(SAVE_STATE, records.state_values(state))
        self._states[state.address] = state

    def lock(self, state: StateRecord) -> LockRecord:
        held = self.hold(state.address)
        record = self._locks.get(held.id) if held is not None and held.id == state.id else None
        return FREE if record is None else records.decode_lock(state.id, record)

    def state_and_lock(self, address: Address) -> tuple[StateRecord, LockRecord] | None:
        state = self.hold(address)
        return None if state is None else (state, self.lock(state))

    def state_and_version(self, address: Address, *, packed: bool = True) -> tuple[StateRecord, Version | None] | None:
        state = self.hold(address)
        return None if state is None else (state, self.current(state, packed=packed))

    def save_lock(self, state: StateRecord, record: LockRecord, expected_epoch: int) -> bool:
        stored = self._locks[self._held(state).id]
        held, encoded = int(record.lock is not None), records.encode_lock(state.id, record)
        if stored is not None:
            if records.decode_lock(state.id, stored).epoch != expected_epoch:
                return False
            self._batches.save_lock(state.id, expected_epoch, (record.epoch, held, encoded))
        elif expected_epoch == 0:
            self._batches.add_lock((state.id, *state.address, record.epoch, held, encoded))
        else:
            return False
        self.touched = self.dirty = True
        self._locks[state.id] = encoded
        return True

    def version(self, state: StateRecord, seq: int, *, packed: bool = True) -> Version | None:
        self.hold(state.address)
        return super().version(state, seq, packed=packed)

    def versions(self, state: StateRecord, before: int = 0, limit: int = 1000) -> Sequence[Version]:
        self.hold(state.address)
        return super().versions(state, before, limit)

    def lock_events(self, state: StateRecord, before: int = 0, limit: int = 100) -> Sequence[LockEvent]:
        self.hold(state.address)
        return super().lock_events(state, before, limit)

    def add_version(self, state: StateRecord, version: Version) -> None:
        self._held(state)
        body, place = version.body, records.place_of(state.id, version.seq)
        self._send(
            "INSERT INTO versions (place, state_id, seq, blob, record) VALUES (?, ?, ?, ?, ?)",
            (place, state.id, version.seq, body.blob if body else "", records.version_record(version)),
        )
        if body is not None and body.packed:
            self._send(
                "INSERT INTO bodies (state_id, seq, packed) VALUES (?, ?, ?)", (state.id, version.seq, body.packed)
            )
        self._keep_key(body)

    def _with_owner(self, sql: str, parameters: Row) -> None:
        self._send(sql, parameters)

    def _add_blob_row(self, sql: str, parameters: Row) -> None:
        self._send(sql, parameters)

    def rewrap(self, key: DataKey, old_kek: str) -> bool:
        # One row that compares and sets: nothing else needs to be held.
        self.touched = self.dirty = True
        return bool(
            self._pg.change(
                "UPDATE data_keys SET kek = ?, wrapped = ? WHERE id = ? AND kek = ?",
                (key.kek, key.wrapped, key.id, old_kek),
            )
        )

    def set_facts(self, state: StateRecord, seq: int, facts: Facts) -> None:
        self._held(state)
        super().set_facts(state, seq, facts)

    def set_tags(self, state: StateRecord, seq: int, tags: dict[str, str]) -> None:
        self._held(state)
        super().set_tags(state, seq, tags)

    def _save_version(self, state: StateRecord, version: Version) -> None:
        self._send(
            "UPDATE versions SET record = ? WHERE place = ?",
            (records.version_record(version), records.place_of(state.id, version.seq)),
        )

    def delete_version(self, state: StateRecord, seq: int) -> None:
        self._held(state)
        version = self.version(state, seq, packed=False)
        self._destroy_key(version.body if version is not None else None)
        self._send("DELETE FROM versions WHERE place = ?", (records.place_of(state.id, seq),))
        self._send("DELETE FROM bodies WHERE state_id = ? AND seq = ?", (state.id, seq))

    def _write_at(self, address: Address, sql: str, parameters: Row) -> None:
        if self.hold(address) is None:
            self._alone()
        self._send(sql, parameters)

    def _of_state(self, state_id: int, sql: str, parameters: Row) -> None:
        if state_id not in self._locks:
            self._alone()
        self._send(sql, parameters)

    def _append(self, sql: str, parameters: Row) -> None:
        self._send(sql, parameters)

    def add_lock_event(self, state: StateRecord, event: LockEvent) -> None:
        self._append(ADD_EVENT, (state.id, encode(event)))

    def add_parked(self, parked: Parked) -> None:
        body = parked.body
        bare = msgspec.structs.replace(parked, body=records.bare(body))
        self._write_at(
            parked.address,
            "INSERT INTO parked (id, namespace, key, blob, record, packed) VALUES (?, ?, ?, ?, ?, ?)",
            (parked.id, *parked.address, body.blob, encode(bare), body.packed or None),
        )
        self._keep_key(body)

    def state_upload(self, upload_id: str) -> StateUpload | None:
        upload = super().state_upload(upload_id)
        if upload is None or self.mode is Mode.EXCLUSIVE or upload.address in self._states:
            return upload
        self.hold(upload.address)
        return super().state_upload(upload_id)

    def pending_uploads(self, address: Address) -> Sequence[StateUpload]:
        self.hold(address)
        return super().pending_uploads(address)

    def recollection(self, credential: str, address: Address) -> Recollection | None:
        pair = (credential, address)
        if pair not in self._recalled:
            self._to_recall[pair] = None
            if self.asking and not self.touched:
                self._wanted[address] = None
                raise Wait
            self.flush()
            self._bring([] if address in self._absent else [address], self._to_recall)
            self._to_recall.clear()
        return self._recalled[pair]

    def save_recollection(self, credential: str, address: Address, found: Recollection, now: float) -> None:
        super().save_recollection(credential, address, found, now)
        self._recalled[credential, address] = found

    def queue(self, address: Address) -> Sequence[tuple[Queued, float]]:
        return [] if address in self._lonely else super().queue(address)

    def enqueue(self, queued: Queued) -> None:
        self._lonely.discard(queued.address)
        super().enqueue(queued)

    def delete_namespace(self, name: str) -> None:
        super().delete_namespace(name)
        self._states.clear()
        self._locks.clear()
        self._absent.clear()

    # Unfinished uploads

    def upload(self, upload_id: str) -> Upload | None:
        if self.mode is Mode.EXCLUSIVE or upload_id in self._uploads:
            return super().upload(upload_id)
        skip = " SKIP LOCKED" if self.mode is Mode.GROUP else ""
        rows = self._fetch(f"SELECT record FROM uploads WHERE id = ? FOR UPDATE{skip}", (upload_id,))  # noqa: S608
        if not rows:
            if self.mode is Mode.GROUP:
                raise Later(Mode.ALONE)  # it is gone, or somebody has it: that is seen by waiting
            return None
        self._uploads.add(upload_id)
        return records.decode_upload(rows[0][0])

    def add_upload(self, upload: Upload) -> None:
        self._append(
            "INSERT INTO uploads (id, namespace, key, record) VALUES (?, ?, ?, ?)",
            (upload.id, *upload.address, encode(upload)),
        )
        self._uploads.add(upload.id)

    def _of_upload(self, upload_id: str, sql: str, parameters: Row) -> None:
        if upload_id not in self._uploads:
            self._alone()
        self._send(sql, parameters)

    def delete_upload(self, upload_id: str) -> None:
        self._of_upload(upload_id, "DELETE FROM uploads WHERE id = ?", (upload_id,))
        for (record,) in self._fetch("SELECT record FROM parts WHERE upload_id = ?", (upload_id,)):
            self._destroy_key(records.decode_part(record).body)
        self._of_upload(upload_id, "DELETE FROM parts WHERE upload_id = ?", (upload_id,))

    def save_part(self, upload_id: str, part: Part) -> None:
        if upload_id not in self._uploads:
            self._alone()
        rows = self._fetch("SELECT record FROM parts WHERE upload_id = ? AND number = ?", (upload_id, part.number))
        self._destroy_key(records.decode_part(rows[0][0]).body if rows else None)
        self._of_upload(
            upload_id,
            "INSERT INTO parts (upload_id, number, blob, record) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (upload_id, number) DO UPDATE SET blob = excluded.blob, record = excluded.record",
            (upload_id, part.number, part.body.blob, records.part_record(part)),
        )
        self._keep_key(part.body)

    def parts(self, upload_id: str, after: int = 0, limit: int = 1000) -> Sequence[Part]:
        if upload_id not in self._uploads:
            self._alone()
        return super().parts(upload_id, after, limit)

    # Ordinary items

    def item(self, table: str, hash_key: bytes, range_key: bytes) -> ItemRecord | None:
        asked = self._hold_item(table, hash_key, range_key)
        found = super().item(table, hash_key, range_key)
        self._require_item(asked, (table, hash_key, range_key))
        return found

    def _require_item(self, asked: Cursor | None, place: tuple[str, bytes, bytes]) -> None:
        if asked is not None and not self._pg.rows(asked)[0][0]:
            self._items.discard(place)
            raise Later(Mode.ALONE)

    def _hold_item(self, table: str, hash_key: bytes, range_key: bytes) -> Cursor | None:
        """Hold its key; in a group the answer tells whether that was possible."""
        place = (table, hash_key, range_key)
        if self.mode is Mode.EXCLUSIVE or place in self._items:
            return None
        self._items.add(place)
        verb = "pg_try_advisory_xact_lock" if self.mode is Mode.GROUP else "pg_advisory_xact_lock"
        asked = self._pg.send(f"SELECT {verb}(?)", (_number("item", table, hash_key, range_key),))
        return asked if self.mode is Mode.GROUP else None

    def put_item(self, table: str, item: ItemRecord) -> None:
        self._of_item(
            (table, item.hash_key, item.range_key),
            "INSERT INTO items (table_name, hash_key, range_key, expires_at, body) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (table_name, hash_key, range_key) "
            "DO UPDATE SET expires_at = excluded.expires_at, body = excluded.body",
            (table, item.hash_key, item.range_key, item.expires_at, item.body),
        )

    def delete_item(self, table: str, hash_key: bytes, range_key: bytes) -> None:
        self._of_item(
            (table, hash_key, range_key),
            "DELETE FROM items WHERE table_name = ? AND hash_key = ? AND range_key = ?",
            (table, hash_key, range_key),
        )

    def _of_item(self, place: tuple[str, bytes, bytes], sql: str, parameters: Row) -> None:
        self._require_item(self._hold_item(*place), place)
        self._send(sql, parameters)

    def expire_items(self, now: float, limit: int = 1000) -> int:
        self._alone()
        return super().expire_items(now, limit)


def _only_alone(name: str) -> Any:  # noqa: ANN401 - the signature of the method that it stands before
    below = getattr(SqlReader, name)

    def method(self: PostgresTransaction, *arguments: object, **named: object) -> object:
        self._alone()
        return below(self, *arguments, **named)

    method.__name__ = name
    return method


LISTS = ("states", "leading_keys", "held_locks", "recent_lock_events", "parked_writes", "uploads", "items",
         "unnamed_states", "adoptable_states", "states_suggesting", "blob_names", "trash_due", "packing_due",
         "kept_places", "data_keys", "is_wrapping", "overview")  # fmt: skip
"""Reads of what is written while the structure is shared, and that no held row protects. (One parked write by its id is
none of them: it never changes, is added while its address is held, and goes only by a command that runs alone.)"""
for _name in LISTS:
    setattr(PostgresTransaction, _name, _only_alone(_name))


def _number(*parts: str | bytes) -> int:
    """The advisory lock of something: 64 bits of a digest, so two things hardly ever share one (and may)."""
    digest = hashlib.blake2b(digest_size=8, person=b"lockhouse")
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return int.from_bytes(digest.digest(), "big", signed=True)
