"""What a credential saw a moment ago, wherever its next request arrives: in memory, or in the store for replicas.

`runtime.memory` says what is remembered and why. `InMemory` is for one process. `InStore` keeps the same things in the
store, so that a client may read on one replica and unlock on another; it costs a write for each lock that is shown to
an S3 or DynamoDB client and each refusal of one, and for each HEAD of an object that clients fetch in ranges. What a
grant tells is not stored twice: the lock itself says whose it is, and when it was taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.agents import program
from lockhouse.core.locks import Facet
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.queues import Recollection
from lockhouse.core.versions import Version
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.memory import PIN_SECONDS, REFUSAL_SECONDS, LastReads, Pins, Refusals
from lockhouse.service.callers import Caller

RANGED_BYTES = 5 * 1024 * 1024
"""AWS's Go SDK fetches larger objects in ranges, others in one request (other SDKs: from 8 MiB)."""
_PROGRAMS = 8
"""Of how many programs of one credential at one address the refusals are remembered."""
_ASKING = (Facet.TABLE, Facet.LOCKFILE)
"""The facets whose clients ask who holds a lock in a request of its own."""


class Asker(NamedTuple):
    """Who is refused, reads and releases: runs that share a credential are one, other programs with it are not."""

    credential: str
    program: str

    @classmethod
    def of(cls, caller: Caller) -> Asker:
        return cls(caller.who.credential, program(caller.agent))

    @property
    def name(self) -> str:
        return f"{self.credential} {self.program}"


class Recollections(Protocol):
    """What the house remembers of each credential at each address."""

    def took(self, credential: str, address: Address, lock_id: str) -> None:
        """It was granted this lock: that counts as having read it."""
        ...

    async def saw(
        self, who: Asker, address: Address, shown: tuple[str, bytes] | None, now: float
    ) -> tuple[str, bytes] | None:
        """It asks for the lock, and there is this one (id, document). Answers what to show: for whoever was refused a
        moment ago and finds nothing now, the lock that was in its way."""
        ...

    def last_read(self, tx: Reader, credential: str, address: Address) -> str:
        """The id of the lock that it last read or took there; empty: none."""
        ...

    async def refused(
        self, who: Asker, address: Address, facet: Facet, held: tuple[str, bytes], now: float
    ) -> None: ...
    async def told(self, who: Asker, address: Address) -> None:
        """The refusal itself named the holder."""
        ...

    def releases(self, tx: Transaction, who: Asker, address: Address, facet: Facet, now: float) -> None:
        """It releases, in this transaction."""
        ...

    def released(self, who: Asker, address: Address, facet: Facet) -> None:
        """It has released, and that is committed."""
        ...

    def kept(self, tx: Reader, credential: str, address: Address) -> Recollection | None:
        """What `headed` has to know of what was remembered before."""
        ...

    async def headed(
        self, credential: str, address: Address, version: Version, now: float, before: Recollection | None
    ) -> None: ...
    async def pinned(self, credential: str, address: Address, now: float) -> int:
        """The seq to serve a range from; 0: the newest."""
        ...


class InMemory:
    """For a process that is alone."""

    def __init__(self) -> None:
        self.last_reads = LastReads()
        self.pins = Pins()
        self.refusals = Refusals()

    def took(self, credential: str, address: Address, lock_id: str) -> None:
        self.last_reads.note(credential, address, lock_id)

    async def saw(
        self, who: Asker, address: Address, shown: tuple[str, bytes] | None, now: float
    ) -> tuple[str, bytes] | None:
        if shown is None:
            shown = self.refusals.owed(who.name, address, now)
        else:
            self.refusals.read(who.name, address)
        if shown is not None:
            self.last_reads.note(who.credential, address, shown[0])
        return shown

    def last_read(self, tx: Reader, credential: str, address: Address) -> str:
        del tx
        return self.last_reads.get(credential, address) or ""

    async def refused(self, who: Asker, address: Address, facet: Facet, held: tuple[str, bytes], now: float) -> None:
        del facet
        self.refusals.refused(who.name, address, *held, now)

    async def told(self, who: Asker, address: Address) -> None:
        self.refusals.read(who.name, address)

    def releases(self, tx: Transaction, who: Asker, address: Address, facet: Facet, now: float) -> None:
        """Counted when it is committed."""

    def released(self, who: Asker, address: Address, facet: Facet) -> None:
        if facet in _ASKING:
            self.refusals.released(who.name, address)

    def kept(self, tx: Reader, credential: str, address: Address) -> Recollection | None:
        del tx, credential, address  # it is at hand
        return None

    async def headed(
        self, credential: str, address: Address, version: Version, now: float, before: Recollection | None
    ) -> None:
        del before
        self.pins.pin(credential, address, version.seq, now)

    async def pinned(self, credential: str, address: Address, now: float) -> int:
        return self.pins.pinned(credential, address, now)


class InStore:
    """For replicas."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def took(self, credential: str, address: Address, lock_id: str) -> None:
        """The lock tells."""

    async def saw(
        self, who: Asker, address: Address, shown: tuple[str, bytes] | None, now: float
    ) -> tuple[str, bytes] | None:
        found = await self._engine.read(lambda tx: tx.recollection(who.credential, address)) or Recollection()
        counts = now < found.refused_until and who.program in found.owed_to
        if shown is None:
            if not counts or found.owed_to[who.program] <= 0:
                return None
            shown = (found.refused_id, found.refused_info)
        seen = shown
        if counts or found.read_id != seen[0]:

            def edit(old: Recollection) -> Recollection:
                read = _counted(old, who.program, -1) if now < old.refused_until else old
                return msgspec.structs.replace(read, read_id=seen[0], read_at=now)

            await self._edit(who.credential, address, edit)
        return seen

    def last_read(self, tx: Reader, credential: str, address: Address) -> str:
        found = tx.recollection(credential, address) or Recollection()
        state = tx.state(address)
        lock = tx.lock(state).lock if state is not None else None
        own = [hold for hold in lock.holds if (hold.credential or lock.credential) == credential] if lock else []
        return own[-1].id if own and own[-1].at >= found.read_at else found.read_id

    async def refused(self, who: Asker, address: Address, facet: Facet, held: tuple[str, bytes], now: float) -> None:
        if facet not in _ASKING:
            return

        def edit(old: Recollection) -> Recollection:
            others = old.owed_to if now < old.refused_until else {}
            mine = {who.program: others.get(who.program, 0) + 1}
            kept = {name: others[name] for name in list(others)[1 - _PROGRAMS :] if name != who.program}
            return msgspec.structs.replace(
                old,
                refused_id=held[0],
                refused_info=held[1],
                refused_until=now + REFUSAL_SECONDS,
                owed_to=kept | mine,
            )

        await self._edit(who.credential, address, edit)

    async def told(self, who: Asker, address: Address) -> None:
        await self._edit(who.credential, address, lambda old: _counted(old, who.program, -1))

    def releases(self, tx: Transaction, who: Asker, address: Address, facet: Facet, now: float) -> None:
        if facet in _ASKING:
            _change(tx, who.credential, address, lambda old: _counted(old, who.program, 1), now)

    def released(self, who: Asker, address: Address, facet: Facet) -> None:
        """Counted already."""

    def kept(self, tx: Reader, credential: str, address: Address) -> Recollection | None:
        return tx.recollection(credential, address)

    async def headed(
        self, credential: str, address: Address, version: Version, now: float, before: Recollection | None
    ) -> None:
        """A small version is not remembered, but it ends what was remembered of a large one."""
        if version.size > RANGED_BYTES or (before is not None and now < before.pin_until):
            await self._edit(
                credential,
                address,
                lambda old: msgspec.structs.replace(old, pin_seq=version.seq, pin_until=now + PIN_SECONDS),
            )

    async def pinned(self, credential: str, address: Address, now: float) -> int:
        found = await self._engine.read(lambda tx: tx.recollection(credential, address))
        return found.pin_seq if found is not None and now < found.pin_until else 0

    async def _edit(self, credential: str, address: Address, edit: Callable[[Recollection], Recollection]) -> None:
        now = self._engine.now()
        await self._engine.write(lambda tx: _change(tx, credential, address, edit, now))


def _change(
    tx: Transaction, credential: str, address: Address, edit: Callable[[Recollection], Recollection], now: float
) -> None:
    if tx.state(address) is None:
        return
    old = tx.recollection(credential, address) or Recollection()
    new = edit(old)
    if new != old:
        tx.save_recollection(credential, address, new, now)


def _counted(old: Recollection, name: str, change: int) -> Recollection:
    """Only while a refusal of that program is remembered at all."""
    if name not in old.owed_to:
        return old
    return msgspec.structs.replace(old, owed_to=old.owed_to | {name: old.owed_to[name] + change})
