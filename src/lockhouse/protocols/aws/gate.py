"""The one gate of all AWS protocols: nothing passes that is not signed, and the signed scope chooses the service.

The gate reads the claim, finds who the credential belongs to, verifies the signature over the request as it came and
only then hands a `Call` to the service. A body whose hash is part of the signature and is not said (DynamoDB, STS,
IAM) is read here, up to `MAX_WHOLE_BYTES`. Each service renders its own refusals, also those that happen before it is
reached.
Specification: PROTOCOLS 2.2 and 2.4; DESIGN "One port, every protocol".
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn, Protocol, TypeVar

import msgspec

from lockhouse.core.grace import Finish
from lockhouse.core.principals import Identity
from lockhouse.errors import CredentialExpired, CredentialUnknown, Problem, SignatureMalformed
from lockhouse.protocols.aws.payload import whole_body
from lockhouse.protocols.aws.sigv4 import Claim, Parts, PayloadMode, Verified, read_claim, verify
from lockhouse.protocols.web import Request, Response
from lockhouse.service.callers import Caller

T = TypeVar("T")
MAX_WHOLE_BYTES = 16 * 1024 * 1024 + 64 * 1024
"""The largest DynamoDB request (BatchWriteItem, 16 MB) and its wrapping."""
MAX_FORM_BYTES = 32 * 1024
"""The largest form that nobody signed: an ID token of 16 KiB and its wrapping."""
_WHOLE = PayloadMode.WHOLE
_UNKNOWN_SECRET = b"\0" * 40
_log = logging.getLogger("lockhouse.aws")


class Keys(Protocol):
    """Finds the secret and the identity behind an access key id; unknown, revoked and expired ones are None."""

    at_once: bool
    """Whether these methods never wait, so that they need not be asked through `asking`."""

    def access_key(
        self, access_key_id: str, session_token: str, finish: Finish | None = None
    ) -> tuple[bytes, Identity] | None: ...

    async def asking(self, question: Callable[[], T]) -> T:
        """Ask one of these methods without keeping the event loop waiting."""
        ...

    def seen(self, who: Identity) -> None:
        """A signature of this caller was verified."""
        ...


class Call(msgspec.Struct):
    """One verified request. `body` holds the whole body where the claim's mode is `WHOLE`, else it is empty and the
    service reads `request.chunks()` under `payload`'s proof."""

    request: Request
    verified: Verified
    caller: Caller
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Service:
    """One AWS service behind the gate."""

    name: str
    serve: Callable[[Call], Awaitable[Response]]
    refuse: Callable[[Request, Problem | None], Response]
    """The service's answer to a problem; None stands for an internal error."""
    finish: Callable[[Request, bytes], Finish | None] = lambda _request, _body: None
    """What a request would finish whose credential has ended; None: nothing of that kind."""


class Gate:
    """Verifies, then dispatches by the service in the credential scope."""

    def __init__(
        self,
        services: dict[str, Service],
        keys: Keys,
        now: Callable[[], float],
        unsigned: Callable[[Request, bytes], Awaitable[Response]],
    ) -> None:
        """`unsigned`: answers the one form that brings its own proof (STS AssumeRoleWithWebIdentity)."""
        self._services = services
        self._keys = keys
        self._now = now
        self._unsigned = unsigned

    async def __call__(self, request: Request) -> Response:
        service: Service | None = None
        trail, keys = request.trail, self._keys
        try:
            request.admit()
            headers = request.headers
            field = headers.first.get
            if field(b"authorization") is None and _is_unsigned_form(request):
                return await self._unsigned(request, await whole_body(request.chunks(), MAX_FORM_BYTES))
            now = self._now()
            parts = Parts(request.method, request.raw_path, request.raw_query, headers)
            claim = read_claim(parts, now)
            scope = claim.scope
            service = self._services.get(scope.service) or self._refuse_service(scope.service)
            body = b""
            if claim.mode is _WHOLE:
                arrived = request.body
                body = arrived if arrived is not None else await whole_body(request.chunks(), MAX_WHOLE_BYTES)
            key_id, token = scope.access_key_id, claim.session_token
            try:
                if keys.at_once:
                    found = keys.access_key(key_id, token)
                else:
                    found = await keys.asking(lambda: keys.access_key(key_id, token))
            except CredentialExpired:
                found = await self._find_finishing(service, request, claim, body)
            verified, who = self._verify(found, claim, parts, body)
            trail.who, trail.protocol = who, service.name
            caller = Caller(
                who,
                now,
                service.name,
                request.peer,
                field(b"user-agent", b"").decode("latin-1"),
                request.request_id,
                field(b"amz-sdk-invocation-id", b"").decode("latin-1"),
            )
            return await service.serve(Call(request, verified, caller, body))
        except Problem as problem:
            trail.code = problem.code
            return (service or self._guess(request)).refuse(request, problem)
        except Exception:  # noqa: BLE001 - the edge: whatever went wrong, the client gets an answer
            service = service or self._guess(request)
            _log.exception("Cannot serve a request request=%s service=%s", request.request_id, service.name)
            return service.refuse(request, None)

    async def _find_finishing(
        self, service: Service, request: Request, claim: Claim, body: bytes
    ) -> tuple[bytes, Identity] | None:
        """As `access_key`, for a credential that has ended and may finish something."""
        keys, name, token = self._keys, claim.access_key_id, claim.session_token
        finish = service.finish(request, body)
        return await keys.asking(lambda: keys.access_key(name, token, finish))

    def _verify(
        self, found: tuple[bytes, Identity] | None, claim: Claim, parts: Parts, body: bytes
    ) -> tuple[Verified, Identity]:
        digest = hashlib.sha256(body).hexdigest() if claim.mode is _WHOLE else ""
        if found is None:
            # The same work as for a known key, so that the answer's time does not tell which keys exist.
            with suppress(Problem):
                verify(claim, parts, _UNKNOWN_SECRET, digest)
            raise CredentialUnknown(
                f"cannot accept access key {claim.access_key_id!r}: it is not known, revoked or expired",
                hint="lockhouse key list",
                access_key_id=claim.access_key_id,
            )
        secret, who = found
        verified = verify(claim, parts, secret, digest)
        self._keys.seen(who)
        return verified, who

    def _refuse_service(self, name: str) -> NoReturn:
        known = ", ".join(sorted(self._services))
        raise SignatureMalformed(f"cannot serve {name!r}: the services here are {known}", place="header", service=name)

    def _guess(self, request: Request) -> Service:
        """Whose words to refuse in, before the scope is known."""
        if "x-amz-target" in request.headers:
            return self._services["dynamodb"]
        kind = request.headers.get("content-type") or ""
        if request.method == "POST" and kind.startswith("application/x-www-form-urlencoded"):
            return self._services["sts"]
        return self._services["s3"]


def _is_unsigned_form(request: Request) -> bool:
    """Of a request without an Authorization."""
    fields = request.headers.first
    return (
        request.method == "POST"
        and request.raw_path == b"/"
        and not request.raw_query
        and b"x-amz-target" not in fields
        and fields.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded")
    )
