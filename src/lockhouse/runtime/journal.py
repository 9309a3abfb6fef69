"""What goes into the audit log beside changes: every other request, and every request that was refused.

A change is told of in its own transaction (`service.audit.note`). A read changes nothing, so its entry is collected
here and appended with others within `DELAY_SECONDS`; a server that is killed may lose those of that last moment.
Refusals of strangers are counted instead of written one by one when they come faster than `STRANGERS_PER_SECOND`, so
that nobody can fill the log without a credential.

Appended entries get their place in the chain here too: a sealer runs while there is something to seal, and removes what
is older than the retention.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.audit import ALLOWED, REFUSED, Entry, Segment, clipped, encode
from lockhouse.core.ports import Transaction
from lockhouse.core.principals import Identity
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.rounds import Rounds
from lockhouse.service import audit
from lockhouse.service.callers import Caller

DELAY_SECONDS = 0.5
SEAL_SECONDS = 2.0
SEAL_ENTRIES = 500
"""Entries in one segment at most, and how many are sealed at once rather than after `SEAL_SECONDS`."""
STRANGERS_PER_SECOND = 50
MAX_WAITING = 50_000
"""Entries that are kept while the database cannot be written; more are counted."""
DAY_SECONDS = 86_400.0
_BATCH = 200
_FAILED = "failed"
_REFUSED_STATUS = frozenset({401, 403, 409, 412, 423, 429})
_REFUSED_CODES = ("access.", "condition.", "credential.", "signature.", "lock.", "write.", "delete.")
_READING = ("Get", "Query", "Scan", "BatchGet", "Describe", "List")
_STATE_READS = frozenset(
    {
        "s3:GetObject",
        "http:GET",
        "cloud:GET state-versions/{id}/download",
        "api:GET /namespaces/{namespace}/state/body",
    }
)
MAX_KNOWN = 100_000
_log = logging.getLogger("lockhouse.audit")


class Trail(msgspec.Struct, eq=False):
    """What a room finds out about one request, for the log."""

    protocol: str = ""
    """Where it is narrower than the room: the AWS service."""
    who: Identity | None = None
    action: str = ""
    """The operation in its protocol's words, without the protocol."""
    address: Address | None = None
    code: str = ""
    """Of the problem that was answered."""


class Journal:
    """Collects, appends and seals. Start it on the event loop, after the engine."""

    def __init__(self, engine: Engine, build: audit.Build, *, retention_days: float = 0.0, reads: bool = True) -> None:
        """`retention_days`: 0 keeps everything. `reads`: whether requests that were allowed and changed nothing are
        told of."""
        self._engine = engine
        self._build = build
        self._retention = retention_days * DAY_SECONDS
        self._reads = reads
        self._waiting: list[Entry] = []
        self._failing: type[Exception] | None = None
        """What is told already, until it is over."""
        self._dropped = 0
        self._second = 0
        self._strangers = 0
        self._known: set[tuple[str, str, str]] = set()
        """Who is known to have read what, so that the database is not asked each time."""
        self._flushing: asyncio.Task[None] | None = None
        """There while anything waits: two that append at once would each write the first entries, and then take out
        twice as many."""
        self._ending = False
        self._sealing = Rounds("seal the audit log", self._seal_all, seconds=SEAL_SECONDS, log=_log)

    @property
    def waiting(self) -> int:
        """Entries that are not in the database yet."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin to seal; call from the event loop."""
        self._sealing.start()

    async def stop(self) -> None:
        """Append what was collected, and end."""
        self._ending = True
        await self._sealing.stop()
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
        await self._append()

    def tells(self, trail: Trail, method: str, protocol: str, status: int) -> bool:
        """Whether `saw` has anything to do for a request that was answered so: a change is told of elsewhere."""
        return bool(trail.code) or status >= 400 or (self._reads and _is_read(method, protocol, trail.action))

    def saw(
        self, trail: Trail, *, method: str, protocol: str, peer: str, agent: str, request: str, status: int
    ) -> None:
        """A request was answered."""
        who, code = trail.who, trail.code
        outcome = ALLOWED
        if code or status >= 400:
            outcome = REFUSED if status in _REFUSED_STATUS or code.startswith(_REFUSED_CODES) else _FAILED
            if who is None and not self._may_tell_of_stranger():
                self._dropped += 1
                return
        elif who is None or not self._reads or not _is_read(method, protocol, trail.action):
            return
        namespace, key = trail.address if trail.address is not None else ("", "")
        principal = name = credential = session = detail = ""
        now = self._engine.now()
        if who is not None:
            principal, name, credential, session = who.principal, who.name, who.credential, who.session
            detail = f"in grace, {audit.in_grace(who, now)}" if who.ended_at else ""
        self._collect(
            Entry(
                now,
                f"{protocol}:{clipped(trail.action) or method}",
                outcome,
                code or (str(status) if outcome != ALLOWED else ""),
                principal,
                name,
                credential,
                session,
                protocol,
                peer,
                clipped(agent),
                request,
                clipped(namespace),
                clipped(key),
                detail=detail,
            )
        )

    def saw_waiting(self, caller: Caller, address: Address, waited: float) -> None:
        """Somebody has been asking for a lock for long (seconds)."""
        who = caller.who
        self._collect(
            Entry(
                at=self._engine.now(),
                action="lock.waiting",
                principal=who.principal,
                name=who.name,
                credential=who.credential,
                session=who.session,
                protocol=caller.protocol,
                peer=caller.peer,
                agent=clipped(caller.agent),
                request=caller.request,
                namespace=address.namespace,
                key=address.key,
                detail=f"for {waited:.0f} s",
                count=int(waited),
            )
        )

    def _collect(self, entry: Entry) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._dropped += 1
            return
        self._waiting.append(entry)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._append_all())

    def _may_tell_of_stranger(self) -> bool:
        second = int(self._engine.now())
        if second != self._second:
            self._second, self._strangers = second, 0
        self._strangers += 1
        return self._strangers <= STRANGERS_PER_SECOND

    async def _append_all(self) -> None:
        try:
            while self._waiting and not self._ending:
                await asyncio.sleep(DELAY_SECONDS)
                await self._append()
        finally:
            self._flushing = None

    async def _append(self) -> None:
        if self._dropped:
            count, self._dropped = self._dropped, 0
            self._waiting.append(Entry(at=self._engine.now(), action="requests.refused", outcome=REFUSED, count=count))
        while self._waiting:
            batch = self._waiting[:_BATCH]
            readers = [each for each in batch if self._may_be_first(each)]
            try:
                await self._engine.write(partial(_add, batch=batch, readers=readers))
            except Exception as error:  # noqa: BLE001 - the log goes on when the database does
                if type(error) is not self._failing:
                    _log.error("Cannot append to the audit log waiting=%d error=%s", len(self._waiting), error)
                self._failing = type(error)
                return
            if self._failing is not None:
                self._failing = None
                _log.warning("Went on: can append to the audit log again")
            del self._waiting[: len(batch)]
            self._known.update(_reading(each) for each in readers)

    def _may_be_first(self, entry: Entry) -> bool:
        """Whether this may be the first time that its principal read its state."""
        if entry.outcome != ALLOWED or not entry.key or entry.action not in _STATE_READS:
            return False
        if len(self._known) > MAX_KNOWN:
            self._known.clear()
        return _reading(entry) not in self._known

    async def _seal_all(self) -> None:
        while await self.seal() >= SEAL_ENTRIES:
            pass
        await self.forget()

    async def seal(self) -> int:
        """Give the oldest entries their place in the chain; how many."""
        segment: Segment | None = await self._engine.write(lambda tx: audit.seal(tx, self._build, SEAL_ENTRIES))
        return 0 if segment is None else segment.last - segment.first + 1

    async def forget(self) -> int:
        """Remove segments that are older than the retention; how many."""
        if not self._retention:
            return 0
        before = self._engine.now() - self._retention
        if not await self._engine.read(lambda tx: [each for each in tx.segments(limit=1) if each.ended < before]):
            return 0
        return await self._engine.write(lambda tx: audit.forget(tx, before, _BATCH))


def _reading(entry: Entry) -> tuple[str, str, str]:
    return entry.namespace, entry.key, entry.principal


def _add(tx: Transaction, batch: Sequence[Entry], readers: Sequence[Entry]) -> None:
    for each in batch:
        tx.add_entry(encode(each))
    for each in readers:
        if tx.saw_reader(*_reading(each)):
            tx.add_entry(encode(msgspec.structs.replace(each, action="state.first-read")))


def _is_read(method: str, protocol: str, action: str) -> bool:
    """Whether the request changed nothing, so that no transaction has told of it."""
    match protocol:
        case "dynamodb":
            return action.startswith(_READING)
        case "sts" | "iam":
            return True
        case _:
            return method in ("GET", "HEAD", "OPTIONS")
