"""Whether a CI system's ID token is one: discovery, keys and the signature of every issuer that the operator lists.

Only listed issuers are asked, each over a client that reaches nobody else (`signin.network`). Keys are kept and fetched
again when a token names an unknown one, at most every `REFETCH_SECONDS`. Claims are proved here and judged in
`core.federation`. Sources: OpenID Connect Discovery 1.0 sections 3 and 4, RFC 7519, RFC 8725.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import httpx
import msgspec
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError

from lockhouse.auth.signin import id_token, network
from lockhouse.auth.signin.id_token import LEEWAY, PublicKey
from lockhouse.core.federation import Trust
from lockhouse.errors import CredentialExpired, CredentialUnknown, ProviderUnavailable

S = TypeVar("S")
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
KEEP_SECONDS = 3600.0
REFETCH_SECONDS = 10.0
RETRY_SECONDS = 2.0
_LISTED = "the setting ci_issuers lists the issuers"
_POLICY = "check the policy's name and the token's audience: lockhouse trust list"
MAX_LIFE = 24 * 3600
"""Seconds from `iat` to `exp` that a token may have: used tokens are remembered longer than that."""
_log = logging.getLogger("lockhouse.federation")


class Proved(msgspec.Struct, frozen=True):
    """A token that is its issuer's."""

    claims: dict[str, object]
    mark: str
    """16 characters of the base32 alphabet, the same for the same token only (its `jti`, else all of it)."""


class _Metadata(msgspec.Struct, frozen=True):
    issuer: str
    jwks_uri: str


class _KeySet(msgspec.Struct, frozen=True):
    keys: list[dict[str, object]]


class _Issuer:
    """One listed issuer."""

    def __init__(self, issuer: str, ca_file: str, now: Callable[[], float], *, private: bool) -> None:
        self._issuer = issuer
        self._now = now
        self._reach = network.reach_of(issuer, private=private)
        self._client = network.client(self._reach, ca_file)
        self._lock = asyncio.Lock()
        self._keys: tuple[float, tuple[PublicKey, ...]] | None = None
        self._failed: tuple[float, ProviderUnavailable] | None = None

    async def key(self, header: id_token.Header) -> PublicKey:
        for limit in (KEEP_SECONDS, REFETCH_SECONDS):
            found = id_token.choose(await self._published(limit), header)
            if found is not None:
                return found
        raise _refused("its key is not one that the issuer publishes")

    async def _published(self, limit: float) -> tuple[PublicKey, ...]:
        if self._keys is not None and self._now() - self._keys[0] < limit:
            return self._keys[1]  # whoever names one that is known does not wait for who does not
        async with self._lock:
            now = self._now()
            if self._keys is not None and now - self._keys[0] < limit:
                return self._keys[1]
            if self._failed is not None and now - self._failed[0] < RETRY_SECONDS:
                raise self._failed[1]
            try:
                metadata = await self._ask(self._issuer.rstrip("/") + "/.well-known/openid-configuration", _Metadata)
                if metadata.issuer != self._issuer or not self._reach.allows_url(metadata.jwks_uri):
                    raise _unavailable("its document names another issuer, or an address that may not be asked")
                found = await self._ask(metadata.jwks_uri, _KeySet)
            except ProviderUnavailable as problem:
                self._failed = (self._now(), problem)
                raise
            keys = id_token.public_keys(found.keys)
            self._keys = (now, keys)
            _log.info("Fetched a CI issuer's keys count=%d", len(keys))
            return keys

    async def _ask(self, url: str, kind: type[S]) -> S:
        try:
            async with asyncio.timeout(network.TOTAL_SECONDS):
                answer = await self._client.get(url)
        except (httpx.HTTPError, TimeoutError, OSError) as wrong:
            raise _unavailable(type(wrong).__name__) from wrong
        if answer.status_code != 200:
            raise _unavailable(f"it answered {answer.status_code}")
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _unavailable("its answer is malformed") from None


class Issuers:
    """The issuers that the operator lists. It belongs to the event loop on which it is used."""

    def __init__(
        self, issuers: Sequence[str], now: Callable[[], float], *, ca_file: str = "", private: bool = False
    ) -> None:
        self._listed = frozenset(issuers)
        self._now = now
        self._ca_file = ca_file
        self._private = private
        self._known: dict[str, _Issuer] = {}

    async def prove(self, token: str, trust: Trust | None, *, late: float = 0.0) -> Proved:
        """The claims of a token of the policy's issuer, for its audience, now. Without a policy nothing is believed,
        and the answer is that to a token which is not for a policy: whoever has no token for it cannot tell whether
        there is one. `late`: for how many seconds after its end a token still proves which run it was given to.
        Errors: `credential.unknown`, `credential.expired`, `provider.unavailable`."""
        header = _header(token)
        said = _claimed_issuer(token)
        if said not in self._listed:
            raise _refused("its issuer is not one of those that this server lists", hint=_LISTED)
        issuer = self._known.get(said)
        if issuer is None:
            issuer = _Issuer(said, self._ca_file, self._now, private=self._private)
            self._known[said] = issuer
        claims = _check(token, header, await issuer.key(header), said, self._now(), late)
        if trust is None or trust.issuer != said or not _is_for(trust.audience, claims):
            raise _refused("it is not for this policy: another issuer or audience, or no such policy", hint=_POLICY)
        jti = claims.get("jti")
        unique = jti if isinstance(jti, str) and jti else token
        mark = hashlib.sha256(f"{said}\0{unique}".encode()).digest()[:10]
        return Proved(claims, base64.b32encode(mark).decode())


def _header(token: str) -> id_token.Header:
    try:
        return id_token.read_header(token, ALGORITHMS)
    except CredentialUnknown as problem:
        raise CredentialUnknown(problem.message, hint="ask the CI system for a new ID token") from None


def _claimed_issuer(token: str) -> str:
    """What an unproved token says: only to refuse early."""
    part = token.split(".")[1]
    try:
        said = msgspec.json.decode(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        return ""
    issuer = said.get("iss") if isinstance(said, dict) else None
    return issuer if isinstance(issuer, str) else ""


def _check(
    token: str, header: id_token.Header, key: PublicKey, issuer: str, now: float, late: float
) -> dict[str, object]:
    try:
        claims: dict[str, object] = jwt.decode(token, key.key, algorithms=[header.alg]).claims
        jwt.JWTClaimsRegistry(
            now=int(now),
            leeway=int(LEEWAY + late),
            iss={"essential": True, "value": issuer},
            aud={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        ).validate(claims)
    except ExpiredTokenError:
        raise CredentialExpired(
            "cannot accept this ID token: its time is over", hint="ask the CI system for a new one"
        ) from None
    except (JoseError, ValueError, TypeError, RecursionError) as wrong:
        # The error's own words may repeat what the token says; its kind is enough.
        raise _refused(type(wrong).__name__.removesuffix("Error")) from None
    issued, ends = claims["iat"], claims["exp"]
    if not isinstance(issued, (int, float)) or not isinstance(ends, (int, float)) or not 0 <= ends - issued <= MAX_LIFE:
        raise _refused("it lasts too long")
    return claims


def _is_for(audience: str, claims: dict[str, object]) -> bool:
    """Whether the audience is one of the token's (RFC 7519 section 4.1.3: a text, or a list of them)."""
    said = claims["aud"]
    return audience == said or (isinstance(said, list) and audience in said)


def _refused(why: str, hint: str = "ask the CI system for a new ID token") -> CredentialUnknown:
    return CredentialUnknown(f"cannot believe this ID token: {why}", hint=hint)


def _unavailable(why: str) -> ProviderUnavailable:
    _log.warning("Cannot ask a CI issuer why=%s", why)
    return ProviderUnavailable(f"cannot check this ID token: its issuer: {why}", hint="try again")
