"""The keys that seal states, while they serve: what is wrapped with which, one more key, and wrapping anew.

Rotation makes a key, enters it, wraps with it from then on, and wraps what there is anew in small batches beside the
requests; no body is touched. A rotation that is interrupted goes on when a server starts. A key that nothing is wrapped
with any more is retired by hand: earlier backups still need it.

Of several servers on one database each looks every `LOOK_SECONDS` for a key that another one has made, and wraps with
that from then on. One rotation or retirement goes on at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from lockhouse.core.data_keys import DataKey, KeyRecord
from lockhouse.core.ports import Transaction
from lockhouse.errors import DataInvalid, OperationUnsupported, RequestInvalid, SettingInvalid, StorageUnavailable
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.rounds import Rounds
from lockhouse.sealing.ring import Ring, key_id
from lockhouse.sealing.sources import Opened, Source, enter_key
from lockhouse.service import audit
from lockhouse.service.callers import Caller

BATCH = 200
"""Data keys that one command wraps anew: a few milliseconds of the store's time."""
PAUSE_SECONDS = 0.01
LOOK_SECONDS = 15.0
LEARNT_SECONDS = 4 * LOOK_SECONDS
"""After that every server of a database knows a key that one of them has made, and wraps with no older one."""
_log = logging.getLogger("lockhouse.encryption")
T = TypeVar("T")


class KeyUse(msgspec.Struct, frozen=True):
    """One key-encryption key."""

    record: KeyRecord
    newest: bool
    wraps: int
    """How many data keys."""


class Encryption:
    """The keys of one server. `opened` None: nothing is sealed."""

    def __init__(self, engine: Engine, opened: Opened | None) -> None:
        self._engine = engine
        self._opened = opened
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        """Two that read the keys, and each add one, would write the file of the keys without that of the other."""
        self._looking = Rounds("look for new keys", self.look, seconds=LOOK_SECONDS, log=_log)
        self.left = 0
        """Data keys that the last round could not wrap."""

    def start(self) -> None:
        """Finish what an earlier process began; call from the event loop."""
        if self._opened is not None:
            self._begin()
            if not self._engine.store.reads_are_local:
                self._looking.start()

    async def stop(self) -> None:
        await self._looking.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @property
    def is_on(self) -> bool:
        return self._opened is not None

    @property
    def source(self) -> str:
        return self._opened.source.where() if self._opened is not None else "off"

    @property
    def rotating(self) -> bool:
        return self._task is not None and not self._task.done()

    async def uses(self) -> list[KeyUse]:
        """Every key that is entered, oldest first, with what it wraps. Reads all data keys."""
        counted: Counter[str] = Counter()
        after = b""
        while page := await self._engine.read(lambda tx, after=after: tx.data_keys(after)):  # type: ignore[misc]
            counted.update(key.kek for key in page)
            after = page[-1].id
            await asyncio.sleep(0)
        newest = self._ring().newest if self._opened is not None else ""
        records = await self._engine.read(lambda tx: tx.key_records())
        return [KeyUse(record, record.id == newest, counted[record.id]) for record in records]

    async def rotate(self, caller: Caller) -> str:
        """Make a key, wrap with it from now on and what there is anew in the background; its id.

        Errors: `request.unsupported` (nothing is sealed, or the keys are made by people), `storage.unavailable` (also
        when the new key cannot be kept)."""
        if self._opened is None:
            raise OperationUnsupported(
                "cannot rotate keys: this server seals nothing (encryption_key is off)",
                hint="lockhouse serve --encryption-key auto; docs/guide/encryption.md",
            )
        async with self._turn:
            return await self._rotate(caller, self._opened.source)

    async def _rotate(self, caller: Caller, source: Source) -> str:
        ring = self._ring()
        before = ring.keys
        await self.look()
        if source.kind == "env":
            raise OperationUnsupported(
                f"cannot add a key to {source.where()}: its keys are made by you",
                hint="lockhouse encryption key; put it after the others, and start the servers again",
            )
        kek, record = await asyncio.to_thread(_told, lambda: source.make(self._engine.now(), before))
        enter = enter_key(source, record, {*ring.ids, record.id})

        def command(tx: Transaction) -> None:
            enter(tx)
            audit.note(tx, caller, "encryption.rotate", subject=record.id)

        await self._engine.write(command)
        ring.replace([kek])
        self._begin()
        return record.id

    async def retire(self, caller: Caller, kek: str) -> None:
        """Forget a key that wraps nothing any more, so that servers start without it. Errors: `request.invalid`."""
        async with self._turn:
            use = next((each for each in await self.uses() if each.record.id == kek), None)
            if use is None:
                raise RequestInvalid(f"cannot retire {kek}: there is no such key", hint="lockhouse encryption status")
            if use.newest or use.wraps:
                raise _needed(kek, "it is the newest key" if use.newest else f"{use.wraps} bodies need it")

            def command(tx: Transaction) -> None:
                if tx.is_wrapping(kek):  # what was on its way while they were counted
                    raise _needed(kek, "bodies need it")
                made = max(each.at for each in tx.key_records())
                if not self._engine.store.reads_are_local and self._engine.now() - made < LEARNT_SECONDS:
                    raise RequestInvalid(
                        f"cannot retire {kek}: the newest key was made a moment ago, and another server may still seal "
                        "with an older one",
                        hint=f"wait {LEARNT_SECONDS:.0f} seconds and see: lockhouse encryption status",
                    )
                tx.delete_key_record(kek)
                audit.note(tx, caller, "encryption.retire", subject=kek)

            await self._engine.write(command)

    async def look(self) -> None:
        """Take up keys that another server has made."""
        assert self._opened is not None
        ring, source = self._ring(), self._opened.source
        known = await self._engine.read(lambda tx: tx.key_records())
        entered, before = {each.id for each in known}, ring.newest
        if not entered <= ring.ids:
            found = await asyncio.to_thread(_told, lambda: source.load(known))
            ring.replace(kek for kek in found if key_id(kek) in entered)
            if ring.newest != before:
                self._begin()

    async def wrap_anew(self) -> int:
        """Wrap all data keys with the newest key that are wrapped with an older one; how many."""
        ring = self._ring()
        after, done, failed = b"", 0, 0
        while page := await self._engine.read(lambda tx, after=after: tx.data_keys(after, BATCH)):  # type: ignore[misc]
            after = page[-1].id
            old = [key for key in page if key.kek != ring.newest]
            if old:
                anew, wrong = await asyncio.to_thread(_wrapped, ring, old)
                failed += wrong
                done += await self._engine.write(lambda tx, anew=anew: _replace(tx, anew))  # type: ignore[misc]
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                await asyncio.sleep(0)
        self.left = failed
        return done

    def _ring(self) -> Ring:
        assert self._opened is not None
        return self._opened.ring

    def _begin(self) -> None:
        if not self.rotating:
            self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        newest = ""
        while newest != self._ring().newest:  # a rotation may begin while one is under way
            newest = self._ring().newest
            try:
                count = await self.wrap_anew()
            except Exception:  # noqa: BLE001 - the next start or rotation goes on
                _log.exception("Cannot wrap data keys anew")
                return
            if count or self.left:
                _log.info("Wrapped data keys anew key=%s count=%d failed=%d", newest, count, self.left)


def _needed(kek: str, why: str) -> RequestInvalid:
    return RequestInvalid(f"cannot retire {kek}: {why}", hint="lockhouse encryption rotate")


def _wrapped(ring: Ring, old: Sequence[DataKey]) -> tuple[list[tuple[DataKey, str]], int]:
    found: list[tuple[DataKey, str]] = []
    for key in old:
        try:
            found.append((ring.rewrap(key), key.kek))
        except StorageUnavailable as problem:  # damaged, or its key is missing: reading it says so, too
            _log.error("Cannot wrap a data key anew key=%s problem=%s", key.id.hex(), problem.message)
    return found, len(old) - len(found)


def _replace(tx: Transaction, anew: Sequence[tuple[DataKey, str]]) -> int:
    return sum(tx.rewrap(key, old) for key, old in anew)


def _told(act: Callable[[], T]) -> T:
    """What is wrong with a key file ends a start, but is an answer to whoever asks a running server."""
    try:
        return act()
    except (DataInvalid, SettingInvalid) as wrong:
        raise StorageUnavailable(wrong.message, hint=wrong.hint) from None
