"""A transaction of commands on PostgreSQL: what it holds, and what it keeps back.

`postgres_transaction` has the law. Here is how it is kept: an address is read when its row in `states` is locked, and
then nobody else changes what belongs to it, so one reading is enough. A group of commands is run as far as each gets
without asking (`Wait`); then what they wait for is read with a few statements for all of them (`bring`), and they are
run again. So a group of thirty costs the round trips of one. What they write is kept back, too (`postgres_batches`).

Under READ COMMITTED a lock must be had before the statement that reads begins; so they are two statements, sent
together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import IntEnum

from lockhouse.core.addresses import Address
from lockhouse.core.queues import Recollection
from lockhouse.core.records import StateRecord
from lockhouse.storage.sql import records
from lockhouse.storage.sql.postgres_batches import Batches
from lockhouse.storage.sql.postgres_dated import Dated, HouseRow
from lockhouse.storage.sql.postgres_session import READ_WRITE, Session
from lockhouse.storage.sql.queues import decode_recollection
from lockhouse.storage.sql.records import STATE_COLUMNS, STATE_WIDTH, Row
from lockhouse.storage.sql.settled import UNSETTLED, Settled
from lockhouse.storage.sql.transaction import SqlTransaction

STRUCTURE = 7373_0002
"""The advisory lock of the structure."""
_HOLD = "SELECT 1 FROM states WHERE namespace = ? AND key = ? FOR UPDATE"
_STATE = (
    f"SELECT {STATE_COLUMNS}, l.record, "  # noqa: S608
    "EXISTS (SELECT 1 FROM waiters w WHERE w.namespace = s.namespace AND w.key = s.key) "
    "FROM states s LEFT JOIN locks l ON l.state_id = s.id "
    "WHERE s.namespace = ? AND s.key = ?"
)
_HOLD_MANY = (
    "SELECT s.id FROM unnest(?::text[], ?::text[]) AS w (namespace, key) JOIN states s ON s.namespace = w.namespace "
    'COLLATE "C" AND s.key = w.key COLLATE "C" FOR UPDATE OF s'
)
_STATE_MANY = (
    f"SELECT {STATE_COLUMNS}, l.record, "  # noqa: S608
    "EXISTS (SELECT 1 FROM waiters w WHERE w.namespace = s.namespace AND w.key = s.key) "
    'FROM unnest(?::text[], ?::text[]) AS a (namespace, key) JOIN states s ON s.namespace = a.namespace COLLATE "C" '
    'AND s.key = a.key COLLATE "C" LEFT JOIN locks l ON l.state_id = s.id'
)
_RECALL_MANY = (
    "SELECT r.credential, r.namespace, r.key, r.record FROM unnest(?::text[], ?::text[], ?::text[]) AS a (credential, "
    'namespace, key) JOIN recollections r ON r.credential = a.credential COLLATE "C" AND r.namespace = a.namespace '
    'COLLATE "C" AND r.key = a.key COLLATE "C"'
)


class Mode(IntEnum):
    """How a command runs; each does more than the one before."""

    GROUP = 1
    ALONE = 2
    EXCLUSIVE = 3


class Later(BaseException):
    """The command must be run again in another mode. No command may catch it."""

    def __init__(self, mode: Mode) -> None:
        super().__init__(mode)
        self.mode = mode


class Wait(BaseException):
    """The command is run again when what it asked for has been read, for all commands of its group at once (`bring`).
    It has changed nothing. No command may catch it."""


class Holding(SqlTransaction):
    """The mechanism; used for one transaction after the other."""

    def __init__(self, session: Session, settled: Settled) -> None:
        self._dated = Dated(session, settled)
        super().__init__(self._dated, settled)
        self._fetch = self._ask
        self._pg = session
        self._batches = Batches(session)
        self.mode = Mode.GROUP
        self.asking = False
        """Whether a command that asks for an address may be told to wait."""
        self.touched = False
        """Whether the command that runs has changed something."""
        self.dirty = False
        """Whether the transaction has."""
        self.house_changes = (0, 0)
        """By how much the counts (settled, access) rise with the commit."""
        self._states: dict[Address, StateRecord] = {}
        """Of the addresses that are held: nobody else changes them now."""
        self._locks: dict[int, bytes | None] = {}
        """The lock records of their states."""
        self._lonely: set[Address] = set()
        """Of those, where nobody waited for the lock."""
        self._busy: set[Address] = set()
        """Addresses that another transaction held when they were asked for."""
        self._absent: set[Address] = set()
        """Addresses without a state."""
        self._recalled: dict[tuple[str, Address], Recollection | None] = {}
        self._wanted: dict[Address, None] = {}
        self._to_recall: dict[tuple[str, Address], None] = {}
        self._items: set[tuple[str, bytes, bytes]] = set()
        self._uploads: set[str] = set()

    def start(self, mode: Mode) -> None:
        """Begin the session's transaction. Errors: as `Session.begin`."""
        self.mode = mode
        self.asking = self.touched = self.dirty = self.unsettled = False
        self.house_changes = (0, 0)
        self._states.clear()
        self._locks.clear()
        for kept in (self._lonely, self._busy, self._absent, self._recalled, self._wanted, self._to_recall):
            kept.clear()
        self._batches.clear()
        self._items.clear()
        self._uploads.clear()
        shared = "" if mode is Mode.EXCLUSIVE else "_shared"
        self._pg.begin(READ_WRITE, first=f"pg_advisory_xact_lock{shared}({STRUCTURE})")
        self._dated.begin(trusting=mode is not Mode.EXCLUSIVE)
        self._generation = self._dated.generation

    def flush(self) -> None:
        """Send what was kept back."""
        self._batches.send()

    def bring(self) -> None:
        """Read, and hold, what the commands of the group wait for; nobody is waited for."""
        self._bring(self._wanted, self._to_recall)
        self._wanted.clear()
        self._to_recall.clear()

    def _bring(self, addresses: Iterable[Address], recalled: Collection[tuple[str, Address]]) -> None:
        wanted = [address for address in addresses if address not in self._states]
        where = ([address[0] for address in wanted], [address[1] for address in wanted])
        skip = " SKIP LOCKED" if self.mode is Mode.GROUP else ""
        held = self._pg.send(_HOLD_MANY + skip, where) if wanted and self.mode is not Mode.EXCLUSIVE else None
        found = self._pg.send(_STATE_MANY, where) if wanted else None
        asked = None
        if recalled:
            who = ([each[0] for each in recalled], [each[1][0] for each in recalled], [each[1][1] for each in recalled])
            asked = self._pg.send(_RECALL_MANY, who)
        ids = {row[0] for row in self._pg.rows(held)} if held is not None else None
        there = {Address(row[1], row[2]): row for row in self._pg.rows(found)} if found is not None else {}
        for address in wanted:
            row = there.get(address)
            if row is None:
                self._absent.add(address)
            elif ids is not None and row[0] not in ids:
                self._busy.add(address)
            else:
                self._note(row)
        if asked is not None:
            records_found = {(row[0], Address(row[1], row[2])): row[3] for row in self._pg.rows(asked)}
            for pair in recalled:
                record = records_found.get(pair)
                self._recalled[pair] = None if record is None else decode_recollection(record)
        self._dated.verify()

    def verify(self) -> HouseRow:
        """The counts that this transaction found. Outdated as `Dated.verify`."""
        self._dated.verify()
        assert self._dated.house is not None
        return self._dated.house

    # What needs the structure for itself

    def _alone(self) -> None:
        if self.mode is not Mode.EXCLUSIVE:
            raise Later(Mode.EXCLUSIVE)

    def _unsettle(self) -> None:
        self._alone()
        if not self.unsettled:
            self.unsettled = True
            self._generation = UNSETTLED
            self.house_changes = (1, self.house_changes[1])

    def _ask(self, sql: str, parameters: Row = ()) -> list[Row]:
        self.flush()
        return self._dated.fetch(sql, parameters)

    def _change(self, sql: str, parameters: Row) -> int:
        self._alone()
        self.touched = self.dirty = True
        self.flush()
        return self._pg.change(sql, parameters)

    def _grow(self, sql: str, parameters: Row) -> int:
        return self._change(sql, parameters)

    def _put(self, sql: str, parameters: Row) -> None:
        self._alone()
        self._send(sql, parameters)

    def _send(self, sql: str, parameters: Row) -> None:
        self.touched = self.dirty = True
        if not self._batches.keep(sql, parameters):
            self.flush()
            self._pg.send(sql, parameters)

    # What belongs to an address

    def hold(self, address: Address) -> StateRecord | None:
        """The state of an address, held until the transaction ends; None when there is none."""
        found = self._states.get(address)
        if found is not None:
            return found
        if address in self._absent:
            return None
        if address in self._busy:
            raise Later(Mode.ALONE)
        if self.asking and not self.touched:
            self._wanted[address] = None
            raise Wait
        where = (address[0], address[1])
        if self.mode is Mode.EXCLUSIVE:
            rows = self._fetch(_STATE, where)
        elif self.mode is Mode.ALONE:
            self._pg.send(_HOLD, where)
            rows = self._fetch(_STATE, where)
        else:
            held = self._pg.send(_HOLD + " SKIP LOCKED", where)
            rows = self._fetch(_STATE, where)
            if rows and not self._pg.rows(held):
                raise Later(Mode.ALONE)
        if not rows:
            return None
        return self._note(rows[0])

    def _note(self, row: Row) -> StateRecord:
        """A state that is held now, from its row and that of its lock."""
        state = records.state_of(row)
        self._states[state.address] = state
        self._locks[state.id] = row[STATE_WIDTH]
        if not row[STATE_WIDTH + 1]:
            self._lonely.add(state.address)
        return state

    def _held(self, state: StateRecord) -> StateRecord:
        """The stored state for a record that the caller may have from elsewhere. ValueError when it is not there."""
        held = self.hold(state.address)
        if held is None or held.id != state.id:
            raise ValueError(f"state {state.id} is not there")
        return held
