"""The room of `backend "http"`: identify, decode, one use case, encode.

It knows the house and who may be asked for identities; what a request means and how answers look is in `wire`.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from lockhouse.core import grace
from lockhouse.core.addresses import Address
from lockhouse.core.grace import Finish
from lockhouse.core.locks import Facet
from lockhouse.core.principals import Identity
from lockhouse.core.versions import Body, Version
from lockhouse.errors import (
    CredentialExpired,
    CredentialUnknown,
    LockHeld,
    LockMismatch,
    Problem,
    RequestInvalid,
    WriteLocked,
)
from lockhouse.protocols.http import wire
from lockhouse.protocols.http.wire import Act
from lockhouse.protocols.web import Request, Response
from lockhouse.runtime.house import House
from lockhouse.service import history, objects
from lockhouse.service.callers import Caller
from lockhouse.service.locks import TakeLock, Unlock
from lockhouse.service.objects import Found
from lockhouse.service.versions import Put

T = TypeVar("T")
PROTOCOL = "http"
FORCE_REASON = "UNLOCK without a lock id over http (terraform force-unlock)"
_JSON = (b"content-type", b"application/json")
_NOTHING = Body(size=0, md5=b"", sha256=b"")
FINISHING = {Act.READ: grace.Act.READ, Act.WRITE: grace.Act.WRITE, Act.UNLOCK: grace.Act.UNLOCK}
"""What a credential that has ended may still do; a write only with the id of its lock."""
_log = logging.getLogger("lockhouse.http")


class Identities(Protocol):
    """Who presents what; None for unknown, revoked and wrong ones."""

    async def asking(self, question: Callable[[], T]) -> T:
        """Ask one of these methods without keeping the event loop waiting."""
        ...

    def token(self, text: str, finish: Finish | None = None) -> Identity | None: ...
    def basic(self, user: str, password: str, finish: Finish | None = None) -> Identity | None: ...


class HttpRoom:
    """Serves every request below `/http/`."""

    def __init__(self, house: House, identities: Identities, now: Callable[[], float]) -> None:
        self._house = house
        self._identities = identities
        self._now = now
        self._acts: dict[Act, Callable[[Request, Caller, Address], Awaitable[Response]]] = {
            Act.READ: self._read,
            Act.WRITE: self._write,
            Act.DELETE: self._delete,
            Act.LOCK: self._lock,
            Act.UNLOCK: self._unlock,
            Act.SHOW_LOCK: self._show_lock,
        }

    async def __call__(self, request: Request) -> Response:
        try:
            request.admit()
            caller = await self._identities.asking(lambda: self._identify(request))
            request.trail.who = caller.who
            target = wire.decode_target(request.method, request.raw_path)
            request.trail.address = target.address
            return await self._acts[target.act](request, caller, target.address)
        except Problem as problem:
            request.trail.code = problem.code
            return await self._refuse(request, problem)
        except Exception:  # noqa: BLE001 - the edge: whatever went wrong, the client gets an answer
            _log.exception("Cannot serve a request request=%s", request.request_id)
            return Response(500, [_JSON], wire.encode_internal(request.request_id))

    def _identify(self, request: Request) -> Caller:
        try:
            who = self._who(request)
        except CredentialExpired:
            finish = _finish_of(request)
            if finish is None:
                raise
            who = self._who(request, finish)
        if who is None:
            raise CredentialUnknown(
                "cannot tell who you are: send an API token as the password of any user name, an access key id with "
                "its secret, or a bearer token",
                hint='set username and password of backend "http", or TF_HTTP_USERNAME and TF_HTTP_PASSWORD',
            )
        return Caller(
            who=who,
            now=self._now(),
            protocol=PROTOCOL,
            peer=request.peer,
            agent=request.headers.get("user-agent") or "",
            request=request.request_id,
        )

    def _who(self, request: Request, finish: Finish | None = None) -> Identity | None:
        sent = request.headers.get("authorization") or ""
        pair, token = wire.decode_basic(sent), wire.decode_bearer(sent)
        if token is not None:
            return self._identities.token(token, finish)
        return self._identities.basic(*pair, finish) if pair is not None else None

    async def _read(self, request: Request, caller: Caller, address: Address) -> Response:
        found = await self._find(request, caller, address)
        version = found.version
        if request.method == "HEAD":
            return Response(200, _headers(version), head_length=version.size)
        return Response(200, _headers(version), await self._house.give_out(version))

    async def _find(self, request: Request, caller: Caller, address: Address) -> Found:
        version_id, serial = wire.decode_parameter(request.parameter("version")), request.parameter("serial")
        if serial is not None:
            if not serial.isascii() or not serial.isdigit() or len(serial) > 20:
                raise RequestInvalid(
                    f"cannot read serial {serial!r}: it must be a number",
                    hint="leave ?serial= out: the newest version comes",
                    argument="serial",
                )
            wanted = int(serial)
            version_id = await self._house.read(lambda tx: history.find_serial(tx, caller, address, wanted))
        return await self._house.get(caller, address, version_id)

    async def _write(self, request: Request, caller: Caller, address: Address) -> Response:
        wanted = wire.decode_md5(request.headers)
        await self._house.admit_body(caller, address, request.body)
        intake = await self._house.take_in(request.chunks(), request.announced, expect_state=True)
        wire.check_md5(wanted, intake.body.md5)
        command = Put(
            address=address,
            body=_NOTHING,
            nonce=self._house.engine.nonce(),
            content_type="application/json",
            lock_id=wire.decode_parameter(request.parameter("ID")),
            only_state=True,
        )
        written = await self._house.put_intake(caller, command, intake)
        return Response(200, [(b"etag", _etag(written.version)), (b"x-lockhouse-version", written.version.id.encode())])

    async def _delete(self, _: Request, caller: Caller, address: Address) -> Response:
        nonce = self._house.engine.nonce()
        await self._house.write(lambda tx: objects.delete(tx, caller, address, nonce))
        return Response(200)

    async def _lock(self, request: Request, caller: Caller, address: Address) -> Response:
        body = await _document(request)
        lock_id = wire.decode_lock_id(body)
        command = TakeLock(address, Facet.HTTP, body, lock_id)
        await self._house.locking.take(caller, command, request.disconnected)
        return Response(200, [_JSON], body)

    async def _unlock(self, request: Request, caller: Caller, address: Address) -> Response:
        body = await _document(request)
        lock_id = wire.decode_unlock_id(body)
        command = Unlock(address, Facet.HTTP, id=lock_id, force=not lock_id, reason="" if lock_id else _reason(request))
        await self._house.locking.release(caller, command)
        return Response(200)

    async def _show_lock(self, _: Request, caller: Caller, address: Address) -> Response:
        shown = await self._house.locking.show(caller, address, Facet.HTTP)
        if shown is None:
            return Response(204)
        return Response(200, [_JSON], shown)

    async def _refuse(self, request: Request, problem: Problem) -> Response:
        status = wire.STATUSES[problem.code]
        headers = [_JSON]
        if status == 401:
            headers.append((b"www-authenticate", b'Basic realm="lockhouse", charset="UTF-8"'))
        elif status in (429, 503):
            headers.append((b"retry-after", str(problem.details.get("retry_after", 1)).encode()))
        elif status == 405:
            headers.append((b"allow", str(problem.details["allow"]).encode()))
        if isinstance(problem, (LockHeld, LockMismatch)) and problem.info:
            return Response(status, headers, problem.info)
        if isinstance(problem, WriteLocked):
            headers.append((b"x-lockhouse-problem", problem.code.encode()))
        return Response(status, headers, wire.encode_refusal(problem, request.request_id))


def _finish_of(request: Request) -> Finish | None:
    """What a request would finish whose credential has ended (`core.grace`); None: nothing of that kind."""
    try:
        target = wire.decode_target(request.method, request.raw_path)
    except Problem:
        return None
    act = FINISHING.get(target.act)
    if act is None or any(request.parameter(name) is not None for name in ("version", "serial")):
        return None
    if act is grace.Act.WRITE and not wire.decode_parameter(request.parameter("ID")):
        return None
    return Finish(act, lambda _tx: (target.address,))


async def _document(request: Request) -> bytes:
    """The small body of LOCK and UNLOCK, its digest checked."""
    body = await request.whole(wire.MAX_DOCUMENT_BYTES, "lock document")
    wire.check_document(request.headers, body)
    return body


def _reason(request: Request) -> str:
    return wire.decode_parameter(request.parameter("reason")) or FORCE_REASON


def _headers(version: Version) -> list[tuple[bytes, bytes]]:
    assert version.body is not None
    return [
        _JSON,
        (b"content-md5", base64.b64encode(version.body.md5)),
        (b"etag", _etag(version)),
        (b"x-lockhouse-version", version.id.encode()),
        (b"cache-control", b"no-store"),
    ]


def _etag(version: Version) -> bytes:
    return f'"{version.etag}"'.encode()
