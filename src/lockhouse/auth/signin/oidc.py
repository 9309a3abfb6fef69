"""Generic OpenID Connect: discovery, the authorization request, the code exchange, keys, and claims to a person.

The issuer's document is believed only when it names exactly the issuer that the operator configured, and only https
endpoints in it. Keys are fetched when first needed and kept; a token that names an unknown key makes them be fetched
once more, at most every `REFETCH_SECONDS`, however many such tokens come. Sources: OpenID Connect Discovery 1.0
sections 3 and 4, Core 1.0 sections 3.1 and 5.3, RFC 9207 (`iss` in the answer).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote, urlencode

import httpx
import msgspec

from lockhouse.auth.signin import id_token, network
from lockhouse.auth.signin.id_token import Claims, Expected, PublicKey, refused
from lockhouse.auth.signin.person import MAX_GROUPS, Ask, Group, Person
from lockhouse.core.sessions import Method
from lockhouse.errors import ProviderUnavailable

S = TypeVar("S")
KEEP_SECONDS = 3600.0
REFETCH_SECONDS = 10.0
RETRY_SECONDS = 2.0
"""A provider that did not answer is not asked again for the same thing in this time: visitors do not queue for it."""
_WELL_KNOWN = "/.well-known/openid-configuration"
_log = logging.getLogger("lockhouse.signin")


class OidcSettings(msgspec.Struct, frozen=True):
    """What the operator says of the provider."""

    issuer: str
    client_id: str
    client_secret: str = ""
    """Empty: a public client, which PKCE alone protects."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    groups_claim: str = "groups"
    organization_claim: str = ""
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    label: str = "single sign-on"
    ca_file: str = ""
    private: bool = False


class Metadata(msgspec.Struct, frozen=True):
    """The part of the discovery document that is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class KeySet(msgspec.Struct, frozen=True):
    keys: list[dict[str, object]]


class TokenAnswer(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str = ""


class OidcProvider:
    """One provider, on one event loop."""

    method = Method.OIDC

    def __init__(self, settings: OidcSettings, now: Callable[[], float]) -> None:
        self._settings = settings
        self._now = now
        self.label = settings.label
        self._reach = network.reach_of(settings.issuer, private=settings.private)
        self._client = network.client(self._reach, settings.ca_file)
        self._discovering = asyncio.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._failed: tuple[float, ProviderUnavailable] | None = None
        self._fetching = asyncio.Lock()
        """Another one: who only needs the document does not wait for who fetches keys."""
        self._keys: tuple[float, tuple[PublicKey, ...]] | None = None
        self._keyless: tuple[float, ProviderUnavailable] | None = None

    async def authorize(self, ask: Ask) -> str:
        metadata = await self._discover()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": ask.redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": ask.state,
            "nonce": ask.nonce,
            "code_challenge": ask.challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{joint}{urlencode(query)}"

    async def identify(self, ask: Ask, code: str, issuer: str) -> Person:
        metadata = await self._discover()
        if issuer != metadata.issuer and (issuer or metadata.authorization_response_iss_parameter_supported):
            raise refused("the answer comes from another issuer")
        answer = await self._exchange(metadata, ask, code)
        claims = await self._check(metadata, answer.id_token, ask.nonce)
        facts = claims.all
        wanted = self._settings.groups_claim
        if metadata.userinfo_endpoint and answer.access_token and (wanted not in facts or "email" not in facts):
            facts = await self._more(metadata, answer.access_token, claims.subject) | facts
        return self._person(claims.subject, facts)

    async def _check(self, metadata: Metadata, token: str, nonce: str) -> Claims:
        settings = self._settings
        header = id_token.read_header(token, settings.algorithms)
        key = id_token.choose(await self._published(metadata, newer_than=0.0), header)
        if key is None:
            key = id_token.choose(await self._published(metadata, newer_than=REFETCH_SECONDS), header)
        if key is None:
            raise refused("its key is not one that the issuer publishes")
        return id_token.check(
            token, key, Expected(metadata.issuer, settings.client_id, nonce, settings.algorithms), self._now()
        )

    # The provider's documents -----------------------------------------------------------------------------------------

    async def _discover(self) -> Metadata:
        async with self._discovering:
            held, now = self._metadata, self._now()
            if held is not None and now - held[0] < KEEP_SECONDS:
                return held[1]
            if self._failed is not None and now - self._failed[0] < RETRY_SECONDS:
                raise self._failed[1]
            issuer = self._settings.issuer
            try:
                found = await self._ask("GET", issuer.rstrip("/") + _WELL_KNOWN, Metadata)
            except ProviderUnavailable as problem:
                self._failed = (self._now(), problem)
                raise
            if found.issuer != issuer:
                raise network.unavailable("the issuer's document", "it names another issuer")
            for each in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint):
                if each and not self._reach.allows_url(each):
                    raise network.unavailable("the issuer's document", "it names an address that may not be asked")
            self._metadata = (now, found)
            return found

    async def _published(self, metadata: Metadata, *, newer_than: float) -> tuple[PublicKey, ...]:
        """The issuer's keys; with `newer_than`, fetched again unless that was done in the last so many seconds."""
        async with self._fetching:
            held, now = self._keys, self._now()
            limit = newer_than or KEEP_SECONDS
            if held is not None and now - held[0] < limit:
                return held[1]
            if self._keyless is not None and now - self._keyless[0] < RETRY_SECONDS:
                raise self._keyless[1]
            try:
                found = await self._ask("GET", metadata.jwks_uri, KeySet)
            except ProviderUnavailable as problem:
                self._keyless = (self._now(), problem)
                raise
            keys = id_token.public_keys(found.keys)
            self._keys = (now, keys)
            _log.info("Fetched the issuer's keys count=%d", len(keys))
            return keys

    async def _exchange(self, metadata: Metadata, ask: Ask, code: str) -> TokenAnswer:
        settings = self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": ask.redirect_uri,
            "code_verifier": ask.verifier,
        }
        headers: dict[str, str] = {}
        basic = "client_secret_basic" in metadata.token_endpoint_auth_methods_supported
        if settings.client_secret and basic:
            pair = httpx.BasicAuth(quote(settings.client_id, safe=""), quote(settings.client_secret, safe=""))
            headers["authorization"] = pair._auth_header  # noqa: SLF001 - httpx has no public name for it
        else:
            form["client_id"] = settings.client_id
            if settings.client_secret:
                form["client_secret"] = settings.client_secret
        return await self._ask("POST", metadata.token_endpoint, TokenAnswer, form=form, headers=headers)

    async def _more(self, metadata: Metadata, access_token: str, subject: str) -> dict[str, object]:
        found: dict[str, object] = await self._ask(
            "GET", metadata.userinfo_endpoint, dict[str, object], headers={"authorization": f"Bearer {access_token}"}
        )
        if found.get("sub") != subject:  # Core 5.3.2: else it may speak of somebody else
            raise refused("the user information is of another subject")
        return found

    async def _ask(
        self,
        method: str,
        url: str,
        kind: type[S],
        *,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> S:
        try:
            async with asyncio.timeout(network.TOTAL_SECONDS):
                answer = await self._client.request(method, url, data=form, headers=headers)
        except (httpx.HTTPError, TimeoutError, OSError) as wrong:
            _log.warning("Cannot ask the identity provider error=%s", type(wrong).__name__)
            raise network.unavailable("the identity provider does not answer", type(wrong).__name__) from wrong
        if form is not None and answer.status_code in (400, 401, 403):
            _log.warning("The identity provider refused a code status=%d error=%s", answer.status_code, _error(answer))
            raise refused("the provider did not accept the code")
        if answer.status_code != 200:
            raise network.unavailable("the identity provider", f"it answered {answer.status_code}")
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise network.unavailable("the identity provider", "its answer is malformed") from None

    # Claims to a person -----------------------------------------------------------------------------------------------

    def _person(self, subject: str, facts: dict[str, object]) -> Person:
        settings = self._settings
        verified = facts.get("email_verified") is True
        return Person(
            issuer=settings.issuer,
            subject=subject,
            email=_text(facts.get("email")) if verified else "",
            name=_text(facts.get("name")) or _text(facts.get("preferred_username")),
            organization=_text(facts.get(settings.organization_claim)) if settings.organization_claim else "",
            groups=_groups(facts.get(settings.groups_claim)) if settings.groups_claim else None,
        )


def _groups(value: object) -> tuple[Group, ...] | None:
    if value is None:
        return None
    listed = value if isinstance(value, list) else [value]
    names = dict.fromkeys(each for each in listed if isinstance(each, str) and 0 < len(each) <= 255)
    return tuple(Group(each, each) for each in list(names)[:MAX_GROUPS])


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= 255 and value.isprintable() else ""


def _error(answer: httpx.Response) -> str:
    """The OAuth error code (RFC 6749 section 5.2), if it is one: a short word, for the log."""
    try:
        code = msgspec.json.decode(answer.content, type=dict[str, object]).get("error")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "-"
    return code if isinstance(code, str) and len(code) < 60 and code.replace("_", "").isalnum() else "-"
