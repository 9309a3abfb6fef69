"""The lock: at most one per address, seen through one facet per protocol.

Theory
------
Every protocol has its own picture of a lock: a table item, a `.tflock` object, a LOCK document, a locked workspace.
Here these are *facets* of one lock. A lock is a non-empty stack of *holds*; a hold is (facet, lock id, document). The
lock is free when the last hold is gone. Five rules decide everything else:

1. *Same again is success.* A request with the id of the lock that its own principal holds, or a repetition of the
   very request that took it, is granted again: answers get lost, and a client must never be refused by its own lock.
2. *One id, many facets.* The same id through a second facet joins; each facet is released on its own. A pair of
   requests that names itself as the two ends of one migration joins too, with two ids.
3. *A release names the lock that its sender saw.* Where the protocol carries no id, that is the lock which this
   credential last read or took there. Releasing what was released is a no-op (a *tombstone* remembers it for 60 s).
4. *Anything else is force.* It needs the right, removes every hold and *fences* the old holder: its credential and
   epoch are remembered until that credential takes the lock again, and what it still writes is refused
   (`core.writes`).
5. *Every grant raises the epoch*, so that two tenures of a lock can never be taken for one.

`TRANSITIONS` is the table of these rules; the picture in the documentation is drawn from it. All functions are pure:
`(record, request) -> outcome`, with time and ids inside the request.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

TOMBSTONE_SECONDS = 60.0
MAX_TOMBSTONES = 8
MAX_FENCES = 16
PAIR_SECONDS = 60.0
"""How long after one end of a migration its other end may come, where its protocol sends no lock document."""
_MIGRATION_ENDS = frozenset({"migration source state", "migration destination state"})


class Facet(StrEnum):
    """Which protocol's view of the lock is held."""

    TABLE = "table"
    LOCKFILE = "lockfile"
    HTTP = "http"
    WORKSPACE = "workspace"


class Hold(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One facet of the lock, as it was taken."""

    facet: Facet
    id: str
    info: bytes
    """The lock document byte for byte as received; empty where the protocol sends none."""
    at: float
    operation: str = ""
    who: str = ""
    invocation: str = ""
    """`Amz-Sdk-Invocation-Id` (or the like) of the request that took it: a repetition is the same request."""
    credential: str = ""
    """Who took this hold, where that is another credential than the lock's (the two ends of a migration)."""


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Why a lock's holder is not there any more. It decides nothing by itself (`core.staleness`)."""

    why: str
    """One sentence, with the time of what it tells."""
    at: float
    """When it was found. A holder that was seen since then refutes it."""
    source: str
    """`credential` or `job`."""
    seq: int
    """The newest version of the address at that moment."""
    asks: bool = False
    """Whether the policy asks somebody to say yes."""


class Lock(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A held lock. `holds` is never empty; the first is the one that took it."""

    epoch: int
    principal: str
    name: str
    credential: str
    holds: tuple[Hold, ...]
    peer: str = ""
    agent: str = ""
    kind: str = ""
    """What the principal is (`principals.Kind`); empty in what was written before this was kept."""
    link: str = ""
    """Where the holder's CI job can be seen."""
    stale: Evidence | None = None
    retold: bool = False
    """Its holder asked again since it was granted, and was told that it has it. So it is no longer given back when the
    answer to the first request cannot be."""

    @property
    def id(self) -> str:
        return self.holds[0].id

    @property
    def at(self) -> float:
        return self.holds[0].at

    @property
    def holder(self) -> str:
        """Who holds it, for people: with the page of its CI job."""
        return f"{self.name} (job: {self.link})" if self.link else self.name

    def hold_of(self, facet: Facet) -> Hold | None:
        """The newest hold of this facet."""
        return next((hold for hold in reversed(self.holds) if hold.facet == facet), None)

    def has_id(self, lock_id: str) -> bool:
        for hold in self.holds:  # noqa: SIM110 - on the path of every unlock
            if hold.id == lock_id:
                return True
        return False

    def is_held_by(self, credential: str) -> bool:
        """Whether this credential took any hold of the lock."""
        return credential == self.credential or any(hold.credential == credential for hold in self.holds)

    @property
    def credentials(self) -> tuple[str, ...]:
        """The lasting credentials behind its holds: temporary ones are renewed, these are what is seen."""
        found = (self.credential, *(hold.credential for hold in self.holds))
        return tuple(dict.fromkeys(lasting(each) for each in found if each))


class Tombstone(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A hold that was released not long ago, so that the repetition of that release is a no-op.

    It is stored as an array, without the names of its fields: every change of a lock writes its tombstones again. A new
    field comes last, with a default."""

    facet: Facet
    """Through which it was released."""
    id: str
    credential: str
    """Who released it."""
    at: float
    invocation: str = ""
    shown: Hold | None = None
    """Where the release took every facet at once: what the releaser's other facet may still read and release."""


class Fence(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A holder whose lock was taken away, and the newest version at that moment."""

    credential: str
    ids: tuple[str, ...]
    epoch: int
    at: float
    seq: int
    reason: str = ""
    by: str = ""


class LockRecord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """All that an address remembers of its lock."""

    epoch: int = 0
    lock: Lock | None = None
    fences: tuple[Fence, ...] = ()
    tombstones: tuple[Tombstone, ...] = msgspec.field(name="stones", default=())


FREE = LockRecord()


class Condition(StrEnum):
    """How a lock looks to the sender of a request."""

    FREE = "free"
    OWN = "held by the caller"
    OWN_BOTH = "held by the caller through two facets"
    OTHER = "held by another"


class Take(msgspec.Struct, frozen=True, gc=False):
    """A request for the lock."""

    facet: Facet
    id: str
    info: bytes
    principal: str
    name: str
    credential: str
    now: float
    operation: str = ""
    who: str = ""
    invocation: str = ""
    peer: str = ""
    agent: str = ""
    kind: str = ""
    link: str = ""
    rejoin: bool = True
    """Whether the same id again is the same lock (false where the protocol sends no id of its own)."""


class Release(msgspec.Struct, frozen=True, gc=False):
    """A request to unlock."""

    facet: Facet
    credential: str
    now: float
    seq: int
    """The newest version of the address, remembered in the fence of a forced release."""
    id: str = ""
    """The lock id, where the protocol carries one."""
    last_read: str = ""
    """Else the id of the lock that this credential last read or took at this address, if that is known."""
    invocation: str = ""
    may_force: bool = False
    force: bool = False
    """The protocol says that this is a force-unlock (empty UNLOCK body, force-unlock action, the command line)."""
    reason: str = ""
    by: str = ""


class Verdict(StrEnum):
    """What became of a request."""

    GRANTED = "granted"
    AGAIN = "granted again"
    JOINED = "joined"
    HELD = "held by another"
    RELEASED = "released"
    FACET_RELEASED = "facet released"
    NOTHING = "nothing to release"
    FORCED = "forced"
    MISMATCH = "another lock is held"
    FORBIDDEN = "force-unlock not permitted"

    __hash__ = str.__hash__


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The verdict, what the address remembers now, and the lock that the verdict is about."""

    verdict: Verdict
    record: LockRecord
    lock: Lock | None = None


class Transition(msgspec.Struct, frozen=True):
    """One row of the rules: what a request does to a lock that looks like `before` to its sender."""

    before: Condition
    request: str
    verdict: Verdict
    after: Condition


TRANSITIONS = (
    Transition(Condition.FREE, "take", Verdict.GRANTED, Condition.OWN),
    Transition(Condition.FREE, "release", Verdict.NOTHING, Condition.FREE),
    Transition(Condition.OWN, "take with the same id", Verdict.AGAIN, Condition.OWN),
    Transition(Condition.OWN, "take, the same request repeated", Verdict.AGAIN, Condition.OWN),
    Transition(Condition.OWN, "take with the same id, other facet", Verdict.JOINED, Condition.OWN_BOTH),
    Transition(Condition.OWN, "take as the other end of a migration", Verdict.JOINED, Condition.OWN_BOTH),
    Transition(Condition.OWN, "take with another id", Verdict.HELD, Condition.OWN),
    Transition(Condition.OWN, "release", Verdict.RELEASED, Condition.FREE),
    Transition(Condition.OWN, "release through a facet that did not take it", Verdict.FORCED, Condition.FREE),
    Transition(Condition.OWN, "release of a lock released before", Verdict.NOTHING, Condition.OWN),
    Transition(Condition.OWN, "release of another lock than the one held", Verdict.MISMATCH, Condition.OWN),
    Transition(Condition.OWN, "release by another credential, without the right", Verdict.FORBIDDEN, Condition.OWN),
    Transition(Condition.OWN_BOTH, "take with the same id", Verdict.AGAIN, Condition.OWN_BOTH),
    Transition(Condition.OWN_BOTH, "take with the same id, one more facet", Verdict.JOINED, Condition.OWN_BOTH),
    Transition(Condition.OWN_BOTH, "take with another id", Verdict.HELD, Condition.OWN_BOTH),
    Transition(Condition.OWN_BOTH, "release", Verdict.FACET_RELEASED, Condition.OWN),
    Transition(Condition.OWN_BOTH, "release of one facet of three", Verdict.FACET_RELEASED, Condition.OWN_BOTH),
    Transition(Condition.OWN_BOTH, "release through a facet that did not take it", Verdict.FORCED, Condition.FREE),
    Transition(Condition.OWN_BOTH, "release of a lock released before", Verdict.NOTHING, Condition.OWN_BOTH),
    Transition(Condition.OWN_BOTH, "release of another lock than the one held", Verdict.MISMATCH, Condition.OWN_BOTH),
    Transition(
        Condition.OWN_BOTH, "release by another credential, without the right", Verdict.FORBIDDEN, Condition.OWN_BOTH
    ),
    Transition(Condition.OTHER, "take", Verdict.HELD, Condition.OTHER),
    Transition(Condition.OTHER, "take with the holder's id", Verdict.HELD, Condition.OTHER),
    Transition(Condition.OTHER, "release that names the lock's id", Verdict.RELEASED, Condition.FREE),
    Transition(Condition.OTHER, "release that names the id of both facets", Verdict.FACET_RELEASED, Condition.OTHER),
    Transition(Condition.OTHER, "release of a lock released before", Verdict.NOTHING, Condition.OTHER),
    Transition(Condition.OTHER, "release of another lock than the one held", Verdict.MISMATCH, Condition.OTHER),
    Transition(Condition.OTHER, "release without the right", Verdict.FORBIDDEN, Condition.OTHER),
    Transition(Condition.OTHER, "release with the right", Verdict.FORCED, Condition.FREE),
)
"""Every rule as a row. The tests play each row; `scripts/draw_lock.py` draws the picture in docs/reference/locks.md."""


_GRANTED, _RELEASED = Verdict.GRANTED, Verdict.RELEASED
"""Names of their own: to look a member up in its enumeration costs as much as a call (Python 3.11)."""


def lasting(credential: str) -> str:
    """The lasting credential behind a holder: a role session holds as `ROLE/CREDENTIAL/SESSION`."""
    parts = credential.split("/", 2)
    return parts[1] if len(parts) > 1 else credential


def take(record: LockRecord, request: Take) -> Outcome:
    """Grant, grant again, join or refuse."""
    lock = record.lock
    hold = Hold(
        request.facet, request.id, request.info, request.now, request.operation, request.who, request.invocation
    )
    if lock is None:
        lock = Lock(
            record.epoch + 1,
            request.principal,
            request.name,
            request.credential,
            (hold,),
            request.peer,
            request.agent,
            request.kind,
            request.link,
        )
        granted = LockRecord(
            epoch=lock.epoch,
            lock=lock,
            fences=_without(record.fences, request.credential) if record.fences else (),
            tombstones=_fresh(record.tombstones, request.now),
        )
        return Outcome(_GRANTED, granted, lock)
    if lock.principal == request.principal:
        for held in lock.holds:
            if held.facet == request.facet and _is_same(held, request):
                if not lock.retold:
                    lock = msgspec.structs.replace(lock, retold=True)
                    record = msgspec.structs.replace(record, lock=lock)
                return Outcome(Verdict.AGAIN, record, lock)
        if request.credential != lock.credential:
            hold = msgspec.structs.replace(hold, credential=request.credential)
        if (request.rejoin and lock.has_id(request.id)) or _is_migration_pair(lock, request):
            lock = msgspec.structs.replace(lock, holds=(*lock.holds, hold), stale=None)
            return Outcome(Verdict.JOINED, msgspec.structs.replace(record, lock=lock), lock)
    return Outcome(Verdict.HELD, record, lock)


def release(record: LockRecord, request: Release) -> Outcome:
    """Release a facet or the whole lock, do nothing, or refuse."""
    lock = record.lock
    if request.invocation and any(stone.invocation == request.invocation for stone in record.tombstones):
        return Outcome(Verdict.NOTHING, record)
    if lock is None:
        return Outcome(Verdict.NOTHING, _consume(record, request))
    if request.force:
        if request.id and not lock.has_id(request.id):
            return Outcome(Verdict.MISMATCH, record, lock)
        return _force(record, lock, request)
    target = request.id or request.last_read
    if target and not lock.has_id(target):
        if any(stone.id == target for stone in _fresh(record.tombstones, request.now)):
            return Outcome(Verdict.NOTHING, _consume(record, request))
        return Outcome(Verdict.MISMATCH, record, lock)
    own = lock.is_held_by(request.credential) or bool(request.id)
    if not own:
        if not target and _repeats(record, request):
            return Outcome(Verdict.NOTHING, record, lock)
        return _force(record, lock, request)
    leaving = _leaving(lock, request.facet, target)
    if leaving is None:
        if _was_released(record, lock, request):
            return Outcome(Verdict.NOTHING, record, lock)
        return _force(record, lock, msgspec.structs.replace(request, may_force=True))
    rest = tuple([hold for hold in lock.holds if hold is not leaving]) if len(lock.holds) > 1 else ()
    stones = (*_fresh(record.tombstones, request.now), _stone(leaving, request, whole=False))[-MAX_TOMBSTONES:]
    if rest:
        lock = msgspec.structs.replace(lock, holds=rest)
        return Outcome(Verdict.FACET_RELEASED, msgspec.structs.replace(record, lock=lock, tombstones=stones), lock)
    return Outcome(_RELEASED, msgspec.structs.replace(record, lock=None, tombstones=stones), lock)


def view(record: LockRecord, facet: Facet, credential: str, now: float) -> Hold | None:
    """The hold that a reader of this facet sees.

    Every facet shows the lock, whichever took it. When it was released as a whole through another facet, its releaser
    still sees it here until it has released this one too (a client that uses both locks unlocks them one by one).
    """
    if record.lock is not None:
        return record.lock.hold_of(facet) or record.lock.holds[-1]
    for stone in reversed(_fresh(record.tombstones, now)):
        if stone.shown is not None and stone.credential == credential and stone.facet != facet:
            return stone.shown
    return None


def _without(fences: tuple[Fence, ...], credential: str) -> tuple[Fence, ...]:
    return tuple(fence for fence in fences if fence.credential != credential)


def _is_same(held: Hold, request: Take) -> bool:
    if request.invocation and held.invocation == request.invocation:
        return True
    return request.rejoin and held.id == request.id


def _is_migration_pair(lock: Lock, request: Take) -> bool:
    """Whether the request, of the principal that holds the lock, is the other end of its migration: the two name
    themselves in their lock documents; a workspace lock has no document, so there the same peer and minute must do."""
    held = lock.holds[-1]
    if len(lock.holds) >= 4:
        return False
    ends = {held.operation, request.operation}
    if ends == _MIGRATION_ENDS:
        return held.who == request.who
    silent = held if held.operation == "" else request
    return (
        silent.facet is Facet.WORKSPACE
        and len(ends & _MIGRATION_ENDS) == 1
        and silent.operation == ""
        and lock.peer == request.peer
        and request.peer != ""
        and 0 <= request.now - held.at <= PAIR_SECONDS
    )


def _leaving(lock: Lock, facet: Facet, lock_id: str) -> Hold | None:
    for hold in reversed(lock.holds):
        if hold.facet == facet and (not lock_id or hold.id == lock_id):
            return hold
    return None


def _repeats(record: LockRecord, request: Release) -> bool:
    """Whether this is a release of before whose answer got lost: its sender released this facet a moment ago, and has
    read no lock here that it could mean."""
    return any(
        stone.facet == request.facet and stone.credential == request.credential
        for stone in _fresh(record.tombstones, request.now)
    )


def _was_released(record: LockRecord, lock: Lock, request: Release) -> bool:
    return any(
        stone.facet == request.facet and lock.has_id(stone.id) and stone.credential == request.credential
        for stone in _fresh(record.tombstones, request.now)
    )


def _force(record: LockRecord, lock: Lock, request: Release) -> Outcome:
    if not request.may_force:
        return Outcome(Verdict.FORBIDDEN, record, lock)
    fences = tuple(
        Fence(
            credential=credential,
            ids=tuple(hold.id for hold in lock.holds),
            epoch=lock.epoch,
            at=request.now,
            seq=request.seq,
            reason=request.reason,
            by=request.by,
        )
        for credential in dict.fromkeys((lock.credential, *(hold.credential for hold in lock.holds)))
        if credential
    )
    stones = (*_fresh(record.tombstones, request.now), _stone(lock.holds[0], request, whole=True))
    forced = LockRecord(
        epoch=record.epoch,
        lock=None,
        fences=(*record.fences, *fences)[-MAX_FENCES:],
        tombstones=stones[-MAX_TOMBSTONES:],
    )
    return Outcome(Verdict.FORCED, forced, lock)


def _stone(hold: Hold, request: Release, *, whole: bool) -> Tombstone:
    if whole:
        return Tombstone(request.facet, hold.id, request.credential, request.now, request.invocation, hold)
    # A facet that was released by itself is never shown again: its id is enough to know a repetition.
    return Tombstone(hold.facet, hold.id, request.credential, request.now, request.invocation)


def _consume(record: LockRecord, request: Release) -> LockRecord:
    """The other facet of a wholly released lock was released too: its tombstone need not be shown any more."""
    rest = tuple(
        msgspec.structs.replace(stone, shown=None)
        if stone.shown is not None and stone.credential == request.credential and stone.facet != request.facet
        else stone
        for stone in record.tombstones
    )
    return record if rest == record.tombstones else msgspec.structs.replace(record, tombstones=rest)


def _fresh(stones: tuple[Tombstone, ...], now: float) -> tuple[Tombstone, ...]:
    if not stones or now - min(stones[0].at, stones[-1].at) < TOMBSTONE_SECONDS:
        return stones  # they stand in the order of their times
    return tuple(stone for stone in stones if now - stone.at < TOMBSTONE_SECONDS)
