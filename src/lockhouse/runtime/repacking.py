"""Packing the history, in the background: one version at a time, by a child process of low priority, never while busy.

`core.packing` says which version is packed against which. What a child has packed it has also unpacked again and
compared; only then is the version's place changed, by one small command that does nothing when anything else has
changed it. The blob that was left is swept an hour later at the earliest. A stop or a crash at any moment leaves
every version as it was kept before, or as it is kept now.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

import msgspec

from lockhouse.core import packing
from lockhouse.core.packing import Entry, Move
from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.records import StateRecord
from lockhouse.core.versions import Body, Version
from lockhouse.deltas import child
from lockhouse.deltas.chains import HERE_BYTES, chain_of
from lockhouse.deltas.workers import Chain, Worker
from lockhouse.errors import FROM_A_BACKUP, Problem, StorageUnavailable
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.intake import PACKED_BYTES
from lockhouse.runtime.rounds import Rounds
from lockhouse.sealing.bodies import Bodies

ROUND_SECONDS = 60.0
QUIET_SECONDS = 15.0
"""A history whose newest version is younger is left alone: a run is writing it."""
RETIRED_SECONDS = 3600.0
"""How long a blob that was left can still be opened by whoever read its name before."""
REST_SECONDS = 3600.0
"""How long a history in which something cannot be packed (it is damaged) is left alone."""
GAIN = 0.8
"""A delta must be smaller than this part of what the version takes alone."""
_SPAN = 2000
_PAGE = 500
_SAMPLE_SECONDS = 0.02
_BUSY_REQUESTS = 2
"""In one sample: 100 requests a second."""
_PATIENCE = 60
"""After this many busy seconds one version is packed anyway, so that a server that is always busy packs, too."""
_log = logging.getLogger("lockhouse.packing")
_replace = msgspec.structs.replace


class Report(msgspec.Struct):
    """What a round did."""

    states: int = 0
    versions: int = 0
    """That are kept otherwise than before."""
    failed: int = 0


class Repacking:
    """Packs what is due. One round at a time."""

    def __init__(self, engine: Engine, bodies: Bodies, requests: Callable[[], int]) -> None:
        """`requests` answers how many requests were served since the start."""
        self._engine = engine
        self._bodies = bodies
        self._requests = requests
        self._turn = asyncio.Lock()
        self._asked = 0
        """How many wait for one history: a round makes room for them, and goes on with its own in the next one."""
        self.rounds = Rounds("pack the history", self._round, seconds=ROUND_SECONDS, log=_log)
        self._resting: dict[int, float] = {}
        """State ids with a version that cannot be packed, and when to try again."""
        self.total = Report()

    async def _round(self) -> None:
        done = await self.round(quiet=QUIET_SECONDS)
        await self.forget_retired()
        if done.versions:
            _log.info("Did pack the history states=%d versions=%d", done.states, done.versions)

    async def round(self, *, quiet: float) -> Report:
        """Pack everything that is due, but histories written within `quiet` seconds."""
        report = Report()
        after = 0
        while True:
            query = _due(after)
            states, after = await asyncio.to_thread(self._engine.store.read, query)
            for state in states:
                if quiet and self._resting.get(state.id, 0.0) > self._engine.now():
                    continue
                async with self._turn:
                    await self._pack(state, report, quiet)
            if not after:
                return report

    async def release(self, state: StateRecord) -> None:
        """Pack one history as it should be at once, so that nothing depends on what is in the trash."""
        self._asked += 1
        try:
            async with self._turn:
                await self._pack(state, Report(), 0.0, at_once=True)
        finally:
            self._asked -= 1

    async def forget_retired(self) -> None:
        until = self._engine.now() - RETIRED_SECONDS
        while await self._engine.write(lambda tx: tx.forget_retired(until, _PAGE)):
            pass

    async def _pack(self, state: StateRecord, report: Report, quiet: float, *, at_once: bool = False) -> None:
        entries, newest_at = await asyncio.to_thread(self._engine.store.read, _entries(state))
        if quiet and newest_at > self._engine.now() - quiet:
            return
        moves = packing.plan(entries)
        done = failed = 0
        worker = Worker(low=True)
        try:
            for move in moves:
                if not at_once:
                    await self._pause_while_busy()
                    if self._asked:
                        break
                try:
                    moved = await self._move(state, move, worker)
                except Problem as problem:
                    await asyncio.to_thread(self._bodies.blobs.check)  # what is away for a while is not damaged
                    failed += 1
                    _log.error(
                        "Cannot pack a version namespace=%s key=%s number=%d problem=%s",
                        *state.address, move.seq, problem.message,
                    )  # fmt: skip
                else:
                    done += moved
                    self.total.versions += moved
        finally:
            await asyncio.shield(asyncio.to_thread(worker.close))
        report.states += bool(moves)
        report.versions += done
        report.failed += failed
        self.total.failed += failed
        self._resting.pop(state.id, None)
        if failed:
            self._resting[state.id] = self._engine.now() + REST_SECONDS
        elif done == len(moves):
            await self._engine.write(lambda tx: _settle(tx, state))

    async def _move(self, state: StateRecord, move: Move, worker: Worker) -> bool:
        packing_now = asyncio.create_task(asyncio.to_thread(self._made, state, move, worker))
        try:
            old, new = await asyncio.shield(packing_now)
        finally:
            if not packing_now.done():  # the server is stopping
                worker.end()
                with contextlib.suppress(BaseException):
                    await packing_now
        now = self._engine.now()
        return old is not None and await self._engine.write(lambda tx: _repack(tx, state, move, old, new, now))

    def _made(self, state: StateRecord, move: Move, worker: Worker) -> tuple[Body | None, Body]:
        """The body as it is kept now, and as it is to be kept: its bytes are durable already."""

        def look(tx: Reader) -> tuple[Version | None, Version | None]:
            return tx.kept(state, move.seq), tx.kept(state, move.base) if move.base else None

        target, base = self._engine.store.read(look)
        nothing = Body(0, b"", b"")
        if target is None or target.body is None or (move.base and (base is None or base.body is None)):
            return None, nothing
        body = target.body
        chain = chain_of(body, self._bodies)
        if not move.base:
            return body, self._place(body, _frame(worker, chain, None), base=0)
        assert base is not None
        assert base.body is not None
        frame = _frame(worker, chain, chain_of(base.body, self._bodies))
        if len(frame) * 20 < body.size:
            return body, self._place(body, frame, base=move.base)
        alone = _frame(worker, chain, None)
        if len(frame) < len(alone) * GAIN:
            return body, self._place(body, frame, base=move.base)
        return body, _replace(self._place(body, alone, base=0), judged=move.base)

    def _place(self, body: Body, frame: bytes, *, base: int) -> Body:
        """The body with its frame where it belongs; as it is when that would save nothing."""
        secret = self._bodies.secret_of(body)
        plain = bool(body.blob) and not body.framed
        if not base and not body.base and (not plain or len(frame) > body.size * GAIN):
            return _replace(body, judged=body.judged or -1)
        if len(frame) <= PACKED_BYTES:
            packed = self._bodies.seal(secret, frame)
            return _replace(body, packed=packed, blob="", framed=False, base=base, judged=0, under=None)
        writer = self._bodies.create(secret)
        try:
            writer.write(frame)
            name = writer.finish()
        except BaseException:
            writer.abort()
            raise
        return _replace(body, packed=b"", blob=name, framed=True, base=base, judged=0, under=None)

    async def _pause_while_busy(self) -> None:
        for _ in range(_PATIENCE):
            if self._asked:
                return
            before = self._requests()
            await asyncio.sleep(_SAMPLE_SECONDS)
            if self._requests() - before < _BUSY_REQUESTS:
                return
            await asyncio.sleep(1.0)


def _repack(tx: Transaction, state: StateRecord, move: Move, old: Body, new: Body, now: float) -> bool:
    there = tx.state(state.address)
    return there is not None and there.id == state.id and tx.repack(state.id, move.seq, old, new, now)


def _settle(tx: Transaction, state: StateRecord) -> None:
    there = tx.state(state.address)
    if there is not None and there.id == state.id:
        tx.settle_packing(state)


def _frame(worker: Worker, chain: Chain, base: Chain | None) -> bytes:
    if max(chain.largest, base.largest if base is not None else 0) > HERE_BYTES:
        return worker.pack(chain, base)
    raw = chain.unpack_here()
    try:
        return child.pack(raw, base.unpack_here() if base is not None else None)
    except child.Refused as refused:
        raise StorageUnavailable(f"cannot pack a version: {refused}", hint=FROM_A_BACKUP) from None


def _due(after: int) -> Callable[[Reader], tuple[list[StateRecord], int]]:
    def query(tx: Reader) -> tuple[list[StateRecord], int]:
        states, beyond = tx.packing_due(after, _SPAN)
        return list(states), beyond

    return query


def _entries(state: StateRecord) -> Callable[[Reader], tuple[list[Entry], float]]:
    def query(tx: Reader) -> tuple[list[Entry], float]:
        found: list[Entry] = []
        newest_at = 0.0
        for version in paged(lambda before: tx.versions(state, before, _PAGE), 0, lambda each: each.seq):
            newest_at = max(newest_at, version.at)
            if version.body is not None:
                found.append(_entry(version, trashed=False))
        thrown = paged(lambda before: tx.trash(state.id, before, _PAGE), 0, lambda each: each.version.seq)
        found.extend(_entry(each.version, trashed=True) for each in thrown if each.version.body is not None)
        return found, newest_at

    return query


def _entry(version: Version, *, trashed: bool) -> Entry:
    body = version.body
    assert body is not None
    return Entry(
        seq=version.seq,
        size=body.size,
        base=body.base,
        judged=body.judged,
        plain=bool(body.blob) and not body.framed,
        opaque=version.facts is not None and version.facts.encrypted,
        trashed=trashed,
    )
