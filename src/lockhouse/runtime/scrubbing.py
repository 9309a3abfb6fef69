"""The scrub: every stored body is read and compared with the digest that was recorded when it came.

It looks at all versions (in the history and in the trash), parked writes and parts of unfinished uploads, slice by
slice; a cursor says where a slice ended, so it goes on after a stop, on any replica. In the background it goes round
for ever at a fixed rate. It changes nothing. What is damaged is logged, counted, and named with what can be done;
sealed or packed bytes that are damaged do not open, so they are never served.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.versions import Body
from lockhouse.deltas.checking import damage
from lockhouse.deltas.workers import Worker
from lockhouse.errors import RequestInvalid
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.rounds import Rounds
from lockhouse.sealing.bodies import Bodies
from lockhouse.service import uploads

SLICE_SECONDS = 2.0
SLICE_BODIES = 500
NOTICE = "scrub:cursor"
_PAGE = 100
_REST_SECONDS = 3600.0
"""Between two rounds in the background."""
_PAUSE_SECONDS = 0.05
_log = logging.getLogger("lockhouse.scrub")


class Damage(msgspec.Struct, frozen=True):
    """A body that is not as it was written."""

    kind: str
    """`version`, `trash`, `parked` or `part`."""
    namespace: str
    key: str
    id: str
    problem: str

    @property
    def place(self) -> tuple[str, str, str, str]:
        return self.kind, self.namespace, self.key, self.id


class Slice(msgspec.Struct):
    """What was looked at, and where to go on (empty: that was all)."""

    checked: int = 0
    bytes: int = 0
    damaged: list[Damage] = []
    next: str = ""


class _Found(msgspec.Struct, frozen=True):
    """One body to check, how to read it again, and the cursor behind it (empty: a slice does not end there)."""

    kind: str
    address: Address
    id: str
    again: Callable[[Reader], Body | None]
    cursor: str


class Scrubbing:
    """Checks bodies when asked, and always a little."""

    def __init__(self, engine: Engine, bodies: Bodies, *, rate: int) -> None:
        """`rate`: bytes per second in the background."""
        self._engine = engine
        self._bodies = bodies
        self._rate = rate
        self.rounds = Rounds("scrub", self._round, seconds=_REST_SECONDS, log=_log)
        self._cursor: str | None = None
        """Where the next slice begins; None: not asked yet."""
        self.checked = 0
        """Since the start."""
        self.damaged: dict[tuple[str, str, str, str], Damage] = {}
        """What was damaged when it was last looked at."""

    async def slice(self, cursor: str = "", namespace: str = "", *, rate: int = 0) -> Slice:
        """Check some bodies from the cursor on, of one namespace or all; `rate` in bytes per second (0: as fast as it
        goes). Errors: `request.invalid` for a cursor that is none, `storage.unavailable` when the place of large bodies
        does not answer."""
        read = self._engine.store.read
        done = Slice()
        until = time.monotonic() + SLICE_SECONDS
        worker = Worker(low=True)
        try:
            while True:
                page, following = await asyncio.to_thread(read, _page(cursor))
                for found in page:
                    if namespace in ("", found.address.namespace):
                        await self._check(found, worker, done, rate)
                    if found.cursor and (time.monotonic() > until or done.checked >= SLICE_BODIES):
                        done.next = found.cursor
                        return done
                cursor = done.next = following
                if not cursor or time.monotonic() > until:
                    return done
        finally:
            worker.end()
            await asyncio.shield(asyncio.to_thread(worker.close))

    async def _check(self, found: _Found, worker: Worker, done: Slice, rate: int) -> None:
        read = self._engine.store.read
        body = await asyncio.to_thread(read, found.again)
        problem = ""
        while body is not None:
            problem = await asyncio.to_thread(damage, body, self._bodies, worker)
            if problem:
                await asyncio.to_thread(self._bodies.blobs.check)  # what is away for a while is not damaged
                problem = await asyncio.to_thread(damage, body, self._bodies, worker)  # nor what is back by now
            again = await asyncio.to_thread(read, found.again) if problem else body
            if again == body:
                break
            body, problem = again, ""  # it was packed, accepted or removed in the meantime
        if body is None:
            return
        done.checked += 1
        done.bytes += body.size
        self.checked += 1
        seen = Damage(found.kind, *found.address, found.id, problem)
        if problem:
            done.damaged.append(seen)
            if seen.place not in self.damaged:
                _log.error(
                    "Found a damaged body kind=%s namespace=%s key=%s id=%s problem=%s",
                    found.kind, *found.address, found.id, problem,
                )  # fmt: skip
            self.damaged[seen.place] = seen
        else:
            self.damaged.pop(seen.place, None)
        if rate:
            await asyncio.sleep(body.size / rate)

    async def _round(self) -> None:
        """All bodies, or those that are left: after a failure, or when an earlier process stopped amid a round."""
        if self._cursor is None:
            self._cursor = await self._engine.read(_noted)
        while True:
            noted = self._cursor
            try:
                self._cursor = (await self.slice(noted, rate=self._rate)).next
            except RequestInvalid:  # what was noted is no cursor of this version
                self._cursor = ""
                continue
            if self._cursor != noted:
                await self._engine.write(_note(self._cursor))
            if not self._cursor:
                return
            await asyncio.sleep(_PAUSE_SECONDS)


def _noted(tx: Reader) -> str:
    return next((body.decode() for name, body in tx.notices(NOTICE) if name == NOTICE), "")


def _note(cursor: str) -> Callable[[Transaction], None]:
    return lambda tx: tx.set_notice(NOTICE, cursor.encode() or None)


def _page(cursor: str) -> Callable[[Reader], tuple[list[_Found], str]]:
    """Some bodies behind the cursor, and the cursor of the next page (empty: there is none)."""
    stage, _, rest = cursor.partition("/")
    match stage:
        case "" | "versions":
            return _versions(_numbers(rest))
        case "parked":
            return _parked(rest)
        case "parts":
            return _parts(rest)
    raise _not_a_cursor()


def _versions(after: tuple[int, int]) -> Callable[[Reader], tuple[list[_Found], str]]:
    def query(tx: Reader) -> tuple[list[_Found], str]:
        places = tx.kept_places(after, _PAGE)
        page = []
        for address, state_id, seq in places:
            state = tx.state(address)
            version = tx.version(state, seq, packed=False) if state is not None else None
            thrown = tx.discarded(state_id, seq) if version is None else None
            version = thrown.version if thrown is not None else version
            if version is None or version.body is None:
                continue
            kind = "trash" if thrown is not None else "version"
            page.append(_Found(kind, address, version.id, _kept(address, seq), f"versions/{state_id}/{seq}"))
        return page, f"versions/{places[-1][1]}/{places[-1][2]}" if len(places) == _PAGE else "parked/"

    return query


def _kept(address: Address, seq: int) -> Callable[[Reader], Body | None]:
    def query(tx: Reader) -> Body | None:
        state = tx.state(address)
        version = tx.kept(state, seq) if state is not None else None
        return version.body if version is not None else None

    return query


def _parked(after: str) -> Callable[[Reader], tuple[list[_Found], str]]:
    def again(parked_id: str) -> Callable[[Reader], Body | None]:
        def query(tx: Reader) -> Body | None:
            parked = tx.parked(parked_id)
            return parked.body if parked is not None else None

        return query

    def query(tx: Reader) -> tuple[list[_Found], str]:
        listed = tx.parked_writes(None, after, _PAGE)
        page = [_Found("parked", each.address, each.id, again(each.id), f"parked/{each.id}") for each in listed]
        return page, page[-1].cursor if len(page) == _PAGE else "parts/"

    return query


def _parts(after: str) -> Callable[[Reader], tuple[list[_Found], str]]:
    """The parts of all unfinished uploads of the next namespace."""

    def again(upload_id: str, number: int) -> Callable[[Reader], Body | None]:
        def query(tx: Reader) -> Body | None:
            return next((part.body for part in tx.parts(upload_id, number - 1, 1) if part.number == number), None)

        return query

    def query(tx: Reader) -> tuple[list[_Found], str]:
        owners = tx.namespaces(after, 1)
        if not owners:
            return [], ""
        name = owners[0].name
        page = [
            _Found("part", upload.address, f"{upload.id}:{part.number}", again(upload.id, part.number), "")
            for upload in uploads.every(tx, name)
            for part in paged(partial(tx.parts, upload.id), 0, lambda each: each.number)
        ]
        return page, f"parts/{name}"

    return query


def _numbers(text: str) -> tuple[int, int]:
    state_id, _, seq = text.partition("/")
    if not text:
        return (0, 0)
    if not (state_id.isascii() and state_id.isdigit() and seq.isascii() and seq.isdigit() and len(text) < 40):
        raise _not_a_cursor()
    return int(state_id), int(seq)


def _not_a_cursor() -> RequestInvalid:
    return RequestInvalid(
        "cannot go on from there: it is not where a scrub ended", hint="begin again: lockhouse scrub", argument="after"
    )
