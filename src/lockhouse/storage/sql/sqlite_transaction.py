"""Writes of one command in SQLite, where one thread at a time writes. Specification: `core.ports.Transaction`.

The number of an audit entry is never given again. SQLite would see to that by writing the highest number to a table of
its own with each entry: one more page in every commit. So numbers are reserved there a block at a time, and each entry
names its own. What is left of a block when the process ends is never used.

States and locks that were read or locked a moment ago are kept, and the newest version of a state that was written a
moment ago: nobody else can change them. A statement that is not known to leave them alone makes all of them forgotten,
and so does whatever is undone.
"""

from __future__ import annotations

from lockhouse.core.addresses import Address
from lockhouse.core.locks import LockRecord
from lockhouse.core.records import StateRecord
from lockhouse.core.versions import Version
from lockhouse.storage.sql.data_keys import ADD_KEY
from lockhouse.storage.sql.reader import FROM_COPIES, Session
from lockhouse.storage.sql.records import Row
from lockhouse.storage.sql.settled import Settled
from lockhouse.storage.sql.sqlite_events import ADD_EVENT, PLACE, SqliteEventWrites
from lockhouse.storage.sql.transaction import (
    ADD_BYTES,
    ADD_VERSION,
    SAVE_LOCK,
    SAVE_STATE,
    SqlTransaction,
)

BLOCK = 100_000
MAX_AT_HAND = 4096
MAX_NEWEST = 1024
_ENTRIES = "audit_entries"
_ADD_ENTRY = "INSERT INTO audit_entries (id, entry) VALUES (?, ?)"
_HARMLESS = frozenset(
    {ADD_EVENT, *PLACE, _ADD_ENTRY, ADD_VERSION, ADD_BYTES, ADD_KEY, SAVE_LOCK, SAVE_STATE},
)
"""Statements that change no state, no lock and no version, and those whose effect `save_lock` and `save_state` keep
themselves."""


class SqliteTransaction(SqliteEventWrites, SqlTransaction):
    """See the module."""

    _with_current = FROM_COPIES

    def __init__(self, session: Session, settled: Settled) -> None:
        super().__init__(session, settled)
        self._entry = 0
        """The number of the next audit entry."""
        self._last_entry = -1
        """The last number that is reserved."""
        self._at_hand: dict[Address, tuple[StateRecord, LockRecord]] = {}
        self._newest: dict[int, Version] = {}
        """Without bytes, by the ids of states: that which was added last, and which may be the newest."""

    def forget(self) -> None:
        """Something was rolled back: what was reserved may not be, and what was kept may never have been."""
        self._last_entry = -1
        self._last_event = 0
        self._at_hand.clear()
        self._newest.clear()

    def _change(self, sql: str, parameters: Row) -> int:
        if sql not in _HARMLESS:
            self._at_hand.clear()
            self._newest.clear()
        if self._guarded and not self._changed:
            self._begin_change()
        self._changed = True
        return self._session.change(sql, parameters)

    def current(self, state: StateRecord, *, packed: bool = True) -> Version | None:
        newest = None if packed else self._newest.get(state.id)
        if newest is not None and newest.seq == state.current:
            return newest
        return super().current(state, packed=packed)

    def save_state(self, state: StateRecord) -> None:
        before = self._at_hand.pop(state.address, None)
        super().save_state(state)
        if before is not None and before[0].id == state.id:
            self._at_hand[state.address] = (state, before[1])

    def _added(self, state: StateRecord, bare: Version) -> None:
        if len(self._newest) >= MAX_NEWEST:
            self._newest.clear()
        self._newest[state.id] = bare

    def state_and_lock(self, address: Address) -> tuple[StateRecord, LockRecord] | None:
        found = self._at_hand.get(address)
        if found is None:
            found = super().state_and_lock(address)
            if found is not None:
                if len(self._at_hand) >= MAX_AT_HAND:
                    self._at_hand.clear()
                self._at_hand[address] = found
        return found

    def save_lock(self, state: StateRecord, record: LockRecord, expected_epoch: int) -> bool:
        before = self._at_hand.pop(state.address, None)
        saved = super().save_lock(state, record, expected_epoch)
        if saved and before is not None and before[0].id == state.id:
            self._at_hand[state.address] = (before[0], record)
        return saved

    def undo(self) -> bool:
        if self._changed:
            self.forget()
        return super().undo()

    def add_entry(self, raw: bytes) -> None:
        if self._entry > self._last_entry:
            self._reserve()
        self._change(_ADD_ENTRY, (self._entry, raw))
        self._entry += 1

    def _reserve(self) -> None:
        rows = self._fetch("SELECT seq FROM sqlite_sequence WHERE name = ?", (_ENTRIES,))
        given = rows[0][0] if rows else 0
        if rows:
            self._change("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (given + BLOCK, _ENTRIES))
        else:
            self._change("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (_ENTRIES, given + BLOCK))
        self._entry, self._last_entry = given + 1, given + BLOCK
