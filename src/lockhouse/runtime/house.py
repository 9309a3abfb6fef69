"""The house: every use case that a protocol awaits, with bodies and recent reads joined to it, and with its locks.

A protocol decodes a request, calls one method here and encodes the result. Plain queries and commands go through `read`
and `write`; what needs more than one step has a method of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from lockhouse.core.addresses import Address, is_state_key
from lockhouse.core.bodies import with_serial
from lockhouse.core.data_keys import place_of_body, place_of_part
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right
from lockhouse.core.queues import Recollection
from lockhouse.core.records import Part
from lockhouse.core.sessions import Sessions
from lockhouse.core.versions import Body, Version
from lockhouse.core.workspaces import ADOPTED_FIRST, next_portion
from lockhouse.deltas.chains import is_packed
from lockhouse.errors import RequestInvalid, StorageUnavailable
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.facts import FactsReader
from lockhouse.runtime.intake import BUFFERED_BYTES, THREAD_BYTES, Intake, take_in
from lockhouse.runtime.locking import Locking
from lockhouse.runtime.outgoing import give_out
from lockhouse.runtime.outputs import OutputsReader
from lockhouse.runtime.recollections import InMemory, InStore, Recollections
from lockhouse.runtime.sessions import DatabaseSessions
from lockhouse.runtime.streams import Piece, Stream
from lockhouse.sealing.bodies import Bodies
from lockhouse.sealing.ring import Ring
from lockhouse.service import (
    copies,
    history,
    namespaces,
    objects,
    parking,
    uploads,
    versions,
    workspaces,
)
from lockhouse.service.callers import Caller
from lockhouse.service.copies import Source
from lockhouse.service.objects import Found
from lockhouse.service.versions import Put, Refused, Written

T = TypeVar("T")
RESTORE_BYTES = 256 * 1024 * 1024
"""Largest version whose serial is rewritten for a restore (the bytes are held in memory for it)."""
YOUNG_SECONDS = 1.0
"""Who asked so short a time ago need not be looked up anew."""
RESTORES = 5
"""How often a restore is begun anew because somebody wrote while the bytes were made."""


class House:
    """One server's use cases. Make it on the event loop, after `engine.start()`."""

    def __init__(
        self,
        engine: Engine,
        *,
        lock_wait: float,
        max_body: int,
        require_lock: bool = False,
        sessions: Sessions | None = None,
        ring: Ring | None = None,
        renewed: Callable[[Reader, Caller], Caller] = lambda _tx, caller: caller,
    ) -> None:
        """Without a `ring` bodies are not sealed. `renewed`: who asked, as it may act now (`service.renewal`)."""
        self.engine = engine
        self.sessions: Sessions = sessions or DatabaseSessions(engine)
        self.bodies = Bodies(engine.blobs, ring)
        alone = engine.store.reads_are_local
        self.recollections: Recollections = InMemory() if alone else InStore(engine)
        self.facts = FactsReader(self.bodies)
        self.outputs = OutputsReader(self.bodies)
        self.max_body = max_body
        self.require_lock = require_lock
        """Whether new namespaces refuse writes without a lock."""
        self._renewed = renewed
        self.locking = Locking(engine, self.recollections, lock_wait=lock_wait, renewed=renewed)

    def read(self, query: Callable[[Reader], T]) -> Awaitable[T]:
        return self.engine.read(query)

    def write(self, command: Callable[[Transaction], T]) -> Awaitable[T]:
        return self.engine.write(command)

    def still(self, tx: Reader, caller: Caller) -> Caller:
        """The caller as it may act now, where its request came a while ago. Errors as `service.renewal.renewed`."""
        return caller if self.engine.now() - caller.now < YOUNG_SECONDS else self._renewed(tx, caller)

    # Bodies ----------------------------------------------------------------------------------------------------------

    async def admit_body(self, caller: Caller, address: Address, arrived: bytes | None) -> None:
        """Before a body is taken in: whether it is worth it. Of one that is here and small the transaction asks alone,
        after little work. Errors as `service.objects.may_write`."""
        if arrived is None or len(arrived) > THREAD_BYTES:
            await self.read(lambda tx: objects.may_write(tx, caller, address))

    async def take_in(self, chunks: AsyncIterator[Piece], announced: int = 0, *, expect_state: bool = False) -> Intake:
        """A body, durable but not yet referred to. Errors as `runtime.intake.take_in`."""
        return await take_in(chunks, self.bodies, self.facts, announced, limit=self.max_body, expect_state=expect_state)

    async def take_in_part(self, chunks: AsyncIterator[Piece], announced: int = 0) -> Intake:
        """A part of a body: durable, and not looked at for facts, which only a whole has. Errors as `take_in`."""
        return await take_in(chunks, self.bodies, self.facts, announced, limit=self.max_body, expect_state=None)

    async def give_out(self, version: Version, start: int = 0, end: int | None = None) -> bytes | Stream:
        """A version's bytes, or a range of them. Errors: `storage.unavailable`."""
        assert version.body is not None
        try:
            return await give_out(version.body, self.bodies, start, end)
        except StorageUnavailable as problem:
            raise StorageUnavailable(
                f"{problem.message} (version {version.id})", hint=problem.hint, **problem.details
            ) from problem

    async def put_intake(self, caller: Caller, command: Put, intake: Intake) -> Written:
        """Write a version whose body was taken in; `command.body` and `command.facts` are replaced by what came.

        Errors as `service.objects.put`, and the problem of a refused (parked) write."""
        command = self.with_body(command, intake)
        return _accepted(await self.write(lambda tx: objects.put(tx, self.still(tx, caller), command)))

    async def put_copy(self, caller: Caller, command: Put, source: Source) -> Written:
        """Write a version with the body of another; `command.body` and `command.facts` are those. Errors as `copied`
        and `service.copies.put`."""
        command = self.with_body(command, await self.copied(source))
        return _accepted(await self.write(lambda tx: copies.put(tx, self.still(tx, caller), command, source)))

    def with_body(self, command: Put, intake: Intake) -> Put:
        """The command with what was taken in, bound to the version that it makes."""
        place = place_of_body(command.address, command.nonce)
        return msgspec.structs.replace(
            command, body=self.bodies.bind(intake.body, intake.secret, place), facts=intake.facts
        )

    async def copied(self, source: Source) -> Intake:
        """A stored body, to be referred to once more (`service.copies`): a packed one is taken in anew, since what it
        is packed against belongs to its own address. Errors: `storage.unavailable`, `storage.full`."""
        body, facts = source.version.body, source.version.facts
        assert body is not None
        if is_packed(body):
            given = await give_out(body, self.bodies)
            chunks = _pieces(given) if isinstance(given, bytes) else given.chunks()
            intake = await take_in(chunks, self.bodies, self.facts, body.size, limit=body.size, expect_state=None)
            return msgspec.structs.replace(intake, facts=facts)
        return Intake(msgspec.structs.replace(body, judged=0), facts, self.bodies.secret_of(body))

    def part(self, upload_id: str, number: int, intake: Intake, at: float, checksums: dict[str, str]) -> Part:
        """The part that refers to what was taken in."""
        body = self.bodies.bind(intake.body, intake.secret, place_of_part(upload_id, number))
        return Part(number, body, at, checksums)

    async def complete_upload(
        self,
        caller: Caller,
        upload_id: str,
        command: Put,
        listed: Sequence[uploads.ListedPart],
        *,
        passed: Callable[[Piece], object] = bool,
        settled: Callable[[Put], Put] = lambda command: command,
    ) -> Written:
        """Write the parts one after the other into one body and make the object. `passed` is told every piece, and
        `settled` may refuse the whole. Errors as `service.uploads`, and as `settled`."""
        address = command.address
        _, parts = await self.read(lambda tx: uploads.choose_parts(tx, caller, address, upload_id, listed))
        intake = await self.take_in(
            self._joined(parts, passed), sum(part.body.size for part in parts), expect_state=is_state_key(address.key)
        )
        command = settled(self.with_body(command, intake))
        return _accepted(await self.write(lambda tx: uploads.complete(tx, self.still(tx, caller), upload_id, command)))

    async def _joined(self, parts: Sequence[Part], passed: Callable[[Piece], object]) -> AsyncIterator[Piece]:
        for part in parts:
            given = await give_out(part.body, self.bodies)
            if isinstance(given, bytes):
                passed(given)
                yield given
            else:
                async for piece in given.chunks():
                    passed(piece)
                    yield piece

    async def accept_parked(self, caller: Caller, parked_id: str) -> Written:
        """Make a parked write the current version. Errors as `service.history.accept_parked`."""
        parked = await self.read(lambda tx: parking.get_parked(tx, caller, parked_id))
        nonce = self.engine.nonce()
        secret = self.bodies.secret_of(parked.body)
        body = self.bodies.bind(parked.body, secret, place_of_body(parked.address, nonce))
        return _accepted(await self.write(lambda tx: history.accept_parked(tx, caller, parked_id, nonce, body)))

    async def restore(self, caller: Caller, address: Address, version_id: str, lock_id: str = "") -> Written:
        """Make an old version current again under the highest serial plus one, while nobody holds the lock, or the
        caller by this lock id. Errors as `service.history.restore`,
        `request.invalid` for a version over `RESTORE_BYTES`."""
        for _ in range(RESTORES):
            result = await self._restore(caller, address, version_id, lock_id)
            if result is not None:
                return _accepted(result)
        raise StorageUnavailable(
            f"cannot restore version {version_id} of {address.lock_id}: somebody wrote it each time in the same moment",
            hint=f"lock it and try again; who writes: lockhouse state versions {address.words}",
        )

    async def _restore(
        self, caller: Caller, address: Address, version_id: str, lock_id: str
    ) -> Written | Refused | None:
        """As `service.history.restore`."""
        found = await self.read(lambda tx: objects.read(tx, caller, address, version_id))
        version = found.version
        if version.body is None:
            raise RequestInvalid(
                f"cannot restore version {version_id} of {address.lock_id}: it is a delete marker",
                hint=f"choose another: lockhouse state versions {address.words}",
            )
        if version.size > RESTORE_BYTES:
            raise RequestInvalid(
                f"cannot restore version {version_id} of {address.lock_id}: it has {version.size} bytes, more than "
                f"{RESTORE_BYTES}",
                hint=f"lockhouse state download {address.words} --version {version_id}, then terraform state push",
            )
        highest = found.state.highest_serial
        intake = await self._with_serial(version.body, highest + 1)
        command = self.with_body(
            Put(
                address=address,
                body=intake.body,
                nonce=self.engine.nonce(),
                content_type=version.content_type,
                encryption=version.encryption,
                lock_id=lock_id,
            ),
            intake,
        )
        return await self.write(lambda tx: history.restore(tx, caller, command, highest))

    async def _with_serial(self, body: Body, serial: int) -> Intake:
        given = await give_out(body, self.bodies)
        raw = given if isinstance(given, bytes) else b"".join([piece async for piece in given.chunks()])
        changed = await asyncio.to_thread(with_serial, raw, serial)
        return await self.take_in(_pieces(changed), expect_state=True)

    # Reads -----------------------------------------------------------------------------------------------------------

    async def head(
        self, caller: Caller, address: Address, version_id: str = "", conditions: versions.Conditions | None = None
    ) -> Found:
        """The version without its bytes; ranged reads by the same credential are served from it for a while."""
        credential, kept = caller.who.credential, self.recollections.kept

        def look(tx: Reader) -> tuple[Found, Recollection | None]:
            found = objects.read(tx, caller, address, version_id, 0, conditions, packed=False)
            return found, kept(tx, credential, address)

        if objects.sees_outputs_only(caller, address):
            found = await self._get_outputs(caller, address, version_id, 0, conditions)
            before = await self.read(lambda tx: kept(tx, credential, address))
        else:
            found, before = await self.read(look)
        if not version_id:
            await self.recollections.headed(credential, address, found.version, caller.now, before)
        return found

    async def get(
        self,
        caller: Caller,
        address: Address,
        version_id: str = "",
        conditions: versions.Conditions | None = None,
        *,
        ranged: bool = False,
    ) -> Found:
        """The version with its bytes. A ranged read follows the last HEAD of the same credential. Errors as
        `service.objects.read` and `require_shared`."""
        seq = 0
        if ranged and not version_id:
            seq = await self.recollections.pinned(caller.who.credential, address, caller.now)
        if objects.sees_outputs_only(caller, address):
            return await self._get_outputs(caller, address, version_id, seq, conditions)
        found = await self.read(lambda tx: objects.read(tx, caller, address, version_id, seq, conditions))
        objects.require_shared(caller, found)
        return found

    async def _get_outputs(
        self, caller: Caller, address: Address, version_id: str, seq: int, conditions: versions.Conditions | None
    ) -> Found:
        """The version as a document of its outputs, with the digests of that document."""
        right = Right.READ_OUTPUTS
        found = await self.read(lambda tx: objects.read(tx, caller, address, version_id, seq, right=right))
        objects.require_shared(caller, found)
        version = await self.outputs.of(found.state, found.version)
        if conditions is not None:
            objects.check_conditions(address, version, conditions)
        return Found(found.state, version)

    async def adopt_workspaces(self, caller: Caller, namespace: str, new_id: Callable[[], str]) -> None:
        """Make the workspaces of all states whose suggested names are unique, a few in each command. Errors:
        `access.denied`, `namespace.not_found`."""
        await self.read(lambda tx: namespaces.get(tx, caller, namespace))
        after: str | None = "" if await self.read(lambda tx: workspaces.unadopted(tx, namespace)) else None
        portion, clock = ADOPTED_FIRST, asyncio.get_running_loop().time
        adopt = partial(workspaces.adopt_some, caller=caller, namespace=namespace, new_id=new_id)
        while after is not None:
            began = clock()
            after = await self.write(partial(adopt, after=after, limit=portion))
            portion = next_portion(portion, clock() - began)


def _accepted(result: Written | Refused) -> Written:
    if isinstance(result, Refused):
        raise result.problem
    return result


async def _pieces(raw: bytes) -> AsyncIterator[Piece]:
    for start in range(0, len(raw), BUFFERED_BYTES):
        yield raw[start : start + BUFFERED_BYTES]
