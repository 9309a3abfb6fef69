"""The API over HTTP: match the route, identify the caller, decode, call, encode. Also health and metrics.

The credential is checked before the body is read and before the route is told apart from "not found", so a stranger
learns nothing; `OPEN` and the rows with `Access.PROOF` answer without one. A body has at most what its route allows,
mostly 64 KiB. Whatever is not a Problem is logged with the request id and answered 500 without a word of what it was.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST

import lockhouse
from lockhouse.auth.authenticator import Authenticator
from lockhouse.config import Settings
from lockhouse.core.addresses import Address
from lockhouse.core.principals import Identity
from lockhouse.errors import (
    CredentialUnknown,
    MethodNotAllowed,
    Problem,
    RequestInvalid,
)
from lockhouse.protocols.api import openapi, wire
from lockhouse.protocols.api.call import Backing, BackupMade, Call, Download, Webhooks
from lockhouse.protocols.api.metrics import Metrics
from lockhouse.protocols.api.routes import PREFIX, ROUTES, Access, Route
from lockhouse.protocols.web import Request, Response, is_text, unescape
from lockhouse.runtime.encryption import Encryption
from lockhouse.runtime.federation import STRANGER, Federation
from lockhouse.runtime.house import House
from lockhouse.runtime.repacking import Repacking
from lockhouse.runtime.scrubbing import Scrubbing
from lockhouse.service.callers import Caller

PROTOCOL = "api"
_JSON = (b"content-type", b"application/json")
_PRIVATE = (b"cache-control", b"no-store")
_NO_SNIFF = (b"x-content-type-options", b"nosniff")
_log = logging.getLogger("lockhouse.api")


class Api:
    """The handler of `/lockhouse/v1/…`, `/healthz`, `/readyz` and `/metrics`."""

    def __init__(
        self,
        house: House,
        authenticator: Authenticator,
        settings: Settings,
        backup: Callable[[Path, float, bool], BackupMade] | None = None,
        audit_key: bytes = b"",
        repacking: Repacking | None = None,
        scrubbing: Scrubbing | None = None,
        encryption: Encryption | None = None,
        federation: Federation | None = None,
        *,
        webhooks: Webhooks,
    ) -> None:
        self._backing = Backing(
            house,
            authenticator,
            settings,
            backup,
            encryption,
            audit_key,
            repacking,
            scrubbing,
            federation=federation,
            webhooks=webhooks,
        )
        self._routes = _by_shape()
        self._described = openapi.document()
        self.metrics = Metrics(house, repacking, scrubbing)
        self.draining = False
        """Set when the server begins to drain: `/readyz` says so."""
        self.bodies_answer: Callable[[], bool] = lambda: True
        """Whether the place of large bodies does: `/readyz` says when it does not, and is ready all the same."""

    def serves(self, certificate_end: Callable[[], float]) -> None:
        """What is known once the server listens with https: when its certificate ends, as a Unix time."""
        self._backing.certificate_end = certificate_end

    async def handle(self, request: Request) -> Response:
        """One request. Never raises but for a client that has gone."""
        try:
            return await self._answer(request)
        except Problem as problem:
            request.trail.code = problem.code
            status, body = wire.encode_problem(problem, request.request_id)
            headers = [_JSON, _PRIVATE, _NO_SNIFF]
            if status == 401:
                headers.append((b"www-authenticate", b'Bearer realm="lockhouse", Basic realm="lockhouse"'))
            if isinstance(problem, MethodNotAllowed):
                headers.append((b"allow", str(problem.details.get("allow", "")).encode("ascii")))
            if "retry_after" in problem.details:
                headers.append((b"retry-after", str(problem.details["retry_after"]).encode("ascii")))
            return Response(status, headers, body)
        except Exception:  # noqa: BLE001 - everything else is internal, and one request must not end the server
            _log.exception("Cannot serve a request request=%s", request.request_id)
            return Response(500, [_JSON, _PRIVATE, _NO_SNIFF], wire.encode_internal(request.request_id))

    async def _answer(self, request: Request) -> Response:
        request.admit()
        open_to_all = _OPEN.get(request.raw_path)
        if open_to_all is not None:
            if request.method not in ("GET", "HEAD"):
                raise MethodNotAllowed(f"cannot use {request.method[:20]} here", allow="GET, HEAD")
            return await open_to_all(self)
        route, names = self._find(request)
        if isinstance(route, Route) and route.access is Access.PROOF:
            return await self._call(request, route, names, STRANGER)
        authenticator = self._backing.authenticator
        who = request.trail.who = await authenticator.asking(lambda: self._identify(request))
        if route is None:
            path = request.raw_path[:200].decode("latin-1")
            unknown = RequestInvalid(f"cannot find {path} in the API", hint=f"{PREFIX}/openapi.json")
            return _json(404, wire.encode_problem(unknown, request.request_id)[1])
        if isinstance(route, str):
            raise MethodNotAllowed(f"cannot use {request.method[:20]} here", allow=route)
        return await self._call(request, route, names, who)

    async def _call(self, request: Request, route: Route, names: dict[str, str], who: Identity) -> Response:
        request.trail.action = f"{route.method} {route.path}"
        if not all(map(is_text, (*names.values(), *(value for _, value in request.query)))):
            raise RequestInvalid(
                "cannot read this address: it is not UTF-8",
                hint="encode it in UTF-8 and then in percents",
                argument="address",
            )
        if "namespace" in names:
            request.trail.address = Address(names["namespace"], request.parameter("key") or "")
        unknown = {name for name, _ in request.query} - set(route.query)
        if unknown:
            raise RequestInvalid(
                f"cannot use the parameter {min(unknown)[:40]!r} here", hint=f"{PREFIX}/openapi.json", argument="query"
            )
        raw = await request.whole(route.largest) if route.body is not None else b""
        call = Call(
            api=self._backing,
            caller=Caller(
                who=who,
                now=self._backing.house.engine.now(),
                protocol=PROTOCOL,
                peer=request.peer,
                agent=request.headers.get("user-agent") or "",
                request=request.request_id,
            ),
            path=names,
            query=dict(request.query),
            body=wire.decode(raw, route.body) if route.body is not None else None,
            chunks=request.chunks,
        )
        answer = await route.operation(call)
        if answer is None:
            return Response(204, [_PRIVATE])
        if isinstance(answer, Download):
            return Response(
                200,
                [
                    (b"content-type", answer.content_type.encode("ascii", "replace")),
                    (b"content-disposition", f'attachment; filename="{answer.file}"'.encode("ascii", "replace")),
                    _PRIVATE,
                    _NO_SNIFF,
                ],
                answer.body,
            )
        return _json(route.status, wire.encode(answer))

    def _find(self, request: Request) -> tuple[Route | str | None, dict[str, str]]:
        """The route; or the methods that this path has; or None."""
        raw = request.raw_path.decode("latin-1")
        if not raw.startswith(f"{PREFIX}/"):
            return None, {}
        segments = [unescape(each.encode("latin-1")) for each in raw.removeprefix(f"{PREFIX}/").split("/")]
        allowed: list[str] = []
        for route, shape in self._routes.get(len(segments), ()):
            names = _match(shape, segments)
            if names is None:
                continue
            if route.method == request.method:
                return route, names
            allowed.append(route.method)
        return (", ".join(allowed) or None), {}

    def _identify(self, request: Request) -> Identity:
        given = request.headers.get("authorization") or ""
        scheme, _, value = given.partition(" ")
        authenticator = self._backing.authenticator
        who: Identity | None = None
        match scheme.lower():
            case "bearer":
                who = authenticator.token(value.strip())
            case "basic":
                user, password = _read_basic(value.strip())
                who = authenticator.basic(user, password)
        if who is None:
            raise CredentialUnknown(
                "cannot accept this credential: it is unknown or revoked" if given else "cannot answer without a token",
                hint="lockhouse token create, or set LOCKHOUSE_TOKEN",
            )
        return who

    async def alive(self) -> Response:
        return _json(200, wire.encode(wire.Health(status="alive", version=lockhouse.__version__)))

    async def measured(self) -> Response:
        return Response(200, [(b"content-type", CONTENT_TYPE_LATEST.encode()), _PRIVATE], await self.metrics.text())

    async def description(self) -> Response:
        return _json(200, self._described)

    async def ready(self) -> Response:
        if self.draining:
            return _json(503, wire.encode(wire.Health(status="draining", version=lockhouse.__version__)))
        await self._backing.house.read(lambda tx: tx.namespaces(limit=1))
        large = "" if self.bodies_answer() else "unavailable"
        return _json(200, wire.encode(wire.Health(status="ready", version=lockhouse.__version__, large_bodies=large)))


OPEN: dict[str, Callable[[Api], Awaitable[Response]]] = {
    "/healthz": Api.alive,
    "/readyz": Api.ready,
    "/metrics": Api.measured,
    f"{PREFIX}/openapi.json": Api.description,
}
"""Pages that anybody may GET, by their whole path; `needs.OPEN` says what they show."""
_OPEN = {path.encode(): handler for path, handler in OPEN.items()}


def _by_shape() -> dict[int, list[tuple[Route, list[str]]]]:
    found: dict[int, list[tuple[Route, list[str]]]] = {}
    for route in ROUTES:
        shape = route.path.strip("/").split("/")
        found.setdefault(len(shape), []).append((route, shape))
    return found


def _match(shape: list[str], segments: list[str]) -> dict[str, str] | None:
    names: dict[str, str] = {}
    for wanted, given in zip(shape, segments, strict=True):
        if wanted.startswith("{"):
            if not given:
                return None
            names[wanted[1:-1]] = given
        elif wanted != given:
            return None
    return names


def _read_basic(value: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return user, password


def _json(status: int, body: bytes) -> Response:
    return Response(status, [_JSON, _PRIVATE, _NO_SNIFF], body)
