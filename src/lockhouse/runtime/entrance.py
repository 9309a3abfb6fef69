"""The entrance: one way in for the console and for `terraform login`.

Whoever comes in gets a session; who that is, and what they may do, is asked anew at every request: of the credential
that proved it, or of the user whom the provider named. A user who is removed is out with the next request, and so is
everybody whose session was ended on any replica.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from lockhouse.auth import keys
from lockhouse.auth.authenticator import Authenticator
from lockhouse.auth.signin import pledge
from lockhouse.auth.signin.person import Admission, Person, Provider, admit
from lockhouse.core import sessions as rule
from lockhouse.core.grants import effective
from lockhouse.core.ports import Reader
from lockhouse.core.principals import Identity, Link, Right, allows
from lockhouse.core.rates import Rate
from lockhouse.core.sessions import Method, Session
from lockhouse.errors import AccessDenied, CredentialExpired, CredentialUnknown, Problem, SlowDown
from lockhouse.runtime.house import House
from lockhouse.service import audit, signin
from lockhouse.service.callers import Caller

CALLBACK = "/console/sign-in/callback"
MAX_OF_ONE = 50
"""Sessions of one principal; the oldest ends when one more begins."""
FAILURES = 10
FAILURE_SECONDS = 30.0
"""Each network address may fail to sign in so often at once, and then once in so many seconds. Tokens have 256 random
bits, so this does not protect them from guessing; it keeps a guesser from using the server's time and the log."""
NOBODY = Identity("", "", "", ())
"""Somebody who is not known yet."""
_log = logging.getLogger("lockhouse.signin")


@dataclass(frozen=True)
class Terms:
    """What the operator says of sessions and of who may come in."""

    lifetime: float = 8 * 3600.0
    idle: float = 3600.0
    admission: Admission = field(default_factory=Admission)
    arrival: signin.Rule = field(default_factory=signin.Rule)


@dataclass(frozen=True)
class Known:
    """A visitor with a living session."""

    who: Identity
    session: Session


class Entrance:
    """Everybody's way in. `provider` None: only the local way."""

    def __init__(
        self,
        house: House,
        authenticator: Authenticator,
        master: bytes,
        *,
        terms: Terms | None = None,
        provider: Callable[[], Provider] | None = None,
        public_url: str = "",
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """`provider` is called at the first use, on the event loop."""
        self.terms = terms or Terms()
        self.public_url = public_url
        self._house = house
        self._authenticator = authenticator
        self._key = pledge.key_of(master)
        self._make_provider = provider
        self._provider: Provider | None = None
        self._random = random
        self._failures = Rate(1 / FAILURE_SECONDS, FAILURES)

    # Visitors ---------------------------------------------------------------------------------------------------------

    def new_name(self) -> str:
        """A name that nobody can guess: 64 hex digits. It is nobody's until a session begins under it."""
        return self._random(rule.NAME_BYTES).hex()

    def form_token(self, visitor: str) -> str:
        """What a form must carry to be believed from the visitor of this name; the same on every replica."""
        return hmac.digest(self._key, b"form\0" + visitor.encode(), "sha256").hex()

    def is_form_token(self, visitor: str, given: str) -> bool:
        return hmac.compare_digest(self.form_token(visitor).encode(), given.encode("utf-8", "replace"))

    async def find(self, visitor: str) -> Known | None:
        """Who visits under this name, if somebody does. Errors: `storage.unavailable`."""
        if not rule.is_name(visitor):
            return None
        session = await self._house.sessions.find(rule.id_of(visitor))
        if session is None or not rule.belongs(session, visitor):
            return None
        known = await self._living(session)
        now = self._house.engine.now()
        if known is not None and now >= session.seen + rule.TOUCH_SECONDS:
            await self._house.sessions.touch(session, now, self.terms.idle)
        return known

    async def find_by_id(self, session_id: str) -> Known | None:
        """The living session of an id that this server signed itself. Errors: `storage.unavailable`."""
        session = await self._house.sessions.find(session_id) if rule.is_id(session_id) else None
        return await self._living(session) if session is not None else None

    async def _living(self, session: Session) -> Known | None:
        if rule.is_living(session, self._house.engine.now(), self.terms.idle):
            who = await self._identity(session)
            if who is not None:
                return Known(who, session)
        await self._house.sessions.end(session.id)
        return None

    async def _identity(self, session: Session) -> Identity | None:
        if session.credential:
            try:
                who = await self._authenticator.asking(lambda: self._authenticator.holder(session.credential))
            except CredentialExpired:
                return None
            return who if who is not None and who.principal == session.principal else None

        def query(tx: Reader) -> Identity | None:
            user = tx.principal(session.principal)
            if user is None or user.revoked_at:
                return None
            return Identity(user.id, user.name, f"session/{session.id}", effective(tx, user))

        return await self._house.read(query)

    # Coming in --------------------------------------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """What the button of the provider says; empty: there is none."""
        provider = self._through()
        return provider.label if provider is not None else ""

    async def begin(self, visitor: str, target: str, base: str) -> str:
        """The provider's address for a sign-in of this visitor. `base`: this server, as the browser sees it.
        Errors: `provider.unavailable`, `access.denied` without a provider."""
        provider = self._needed()
        ask = pledge.make(
            self._key,
            visitor,
            target=target,
            redirect_uri=base + CALLBACK,
            now=self._house.engine.now(),
            salt=self._random(16),
        )
        return await provider.authorize(ask)

    async def finish(
        self, visitor: str, *, state: str, code: str, issuer: str, base: str, peer: str, agent: str
    ) -> tuple[str, str]:
        """(the name of the new session, where to go): the provider has sent the browser back.

        Errors: `credential.unknown` (not this visitor's sign-in, or no proof), `access.denied`,
        `provider.unavailable`, `storage.unavailable`."""
        provider, now = self._needed(), self._house.engine.now()
        found = pledge.redeem(self._key, visitor, state, redirect_uri=base + CALLBACK, now=now) if visitor else None
        if found is None:
            raise CredentialUnknown(
                "cannot finish this sign-in: it was not begun in this browser, or too long ago", hint="sign in again"
            )
        ask, target = found
        try:
            person = await provider.identify(ask, code, issuer)
            admit(person, self.terms.admission)
            user = await self._arrive(person, Caller(NOBODY, now, "console", peer=peer, agent=agent))
        except Problem as problem:
            _log.warning("Refused a sign-in method=%s code=%s peer=%s", provider.method, problem.code, peer)
            raise
        session = await self._begin(visitor, user, provider.method, peer=peer, agent=agent)
        return session, target

    async def local(self, visitor: str, user: str, password: str, *, peer: str, agent: str) -> str:
        """The name of a new session for who presents a token, or an access key id and its secret.

        Errors: `credential.unknown`, `slow_down` after too many failures, `access.denied` for somebody who must come in
        through the provider."""
        now = self._house.engine.now()
        wait = self._failures.wait(peer, now)
        if wait > 0:
            raise SlowDown(
                "cannot sign in now: there were too many failures",
                hint="wait as long as Retry-After says",
                retry_after=int(wait) + 1,
            )
        try:
            who = await self._authenticator.asking(lambda: self._authenticator.basic(user, password))
        except CredentialExpired:
            who = None
        if who is None:
            self._failures.take(peer, now)
            _log.warning("Refused a sign-in method=%s peer=%s", Method.LOCAL, peer)
            raise CredentialUnknown(
                "cannot sign in: this token or key is unknown, revoked, or its time is over",
                hint="make another: lockhouse token create",
            )
        if self._make_provider is not None and not allows(who.grants, Right.ADMIN, "*"):
            raise AccessDenied(
                "cannot sign in with a token: here that is for administrators",
                hint=f"sign in with {self.label}",
                right="sign-in",
            )
        return await self._begin(visitor, who, Method.LOCAL, peer=peer, agent=agent)

    async def leave(self, visitor: str) -> None:
        """End the visitor's session, if there is one. Errors: `storage.unavailable`."""
        session_id = rule.id_of(visitor) if rule.is_name(visitor) else ""
        found = await self._house.sessions.find(session_id) if session_id else None
        if found is None or not await self._house.sessions.end(session_id):
            return
        who, now = Identity(found.principal, "", "", ()), self._house.engine.now()
        caller = Caller(who, now, "console", peer=found.peer)
        await self._house.write(lambda tx: audit.note(tx, caller, "session.end", subject=session_id))

    async def of(self, principal: str) -> Sequence[Session]:
        """The living sessions of a principal (of all: empty), the newest first. Errors: `storage.unavailable`."""
        now = self._house.engine.now()
        found = await self._house.sessions.of(principal)
        living = [each for each in found if rule.is_living(each, now, self.terms.idle)]
        return sorted(living, key=lambda each: (-each.began, each.id))

    async def end_own(self, principal: str, session_id: str) -> bool:
        """End one session of this principal; whether there was one. Errors: `storage.unavailable`."""
        found = await self._house.sessions.find(session_id) if rule.is_id(session_id) else None
        if found is None or found.principal != principal:
            return False
        return await self._house.sessions.end(session_id)

    async def _arrive(self, person: Person, caller: Caller) -> Identity:
        groups = None if person.groups is None else tuple((each.id, each.name) for each in person.groups)
        link = Link(person.issuer, person.subject, person.email, person.name)
        arrival = signin.Arrival(link, groups, keys.new_principal_id())
        terms = self.terms.arrival
        try:
            user = await self._house.write(lambda tx: signin.arrive(tx, caller, arrival, terms))
        finally:
            self._authenticator.changed()
        return Identity(user.id, user.name, "", ())

    async def _begin(self, visitor: str, who: Identity, method: Method, *, peer: str, agent: str) -> str:
        await self.leave(visitor)
        for oldest in (await self.of(who.principal))[MAX_OF_ONE - 1 :]:
            await self._house.sessions.end(oldest.id)
        name, now = self.new_name(), self._house.engine.now()
        session = rule.new_session(name, principal=who.principal, method=method, now=now, lifetime=self.terms.lifetime)
        session = msgspec.structs.replace(
            session, credential=who.base or who.credential, peer=peer[:64], agent=agent[:200]
        )
        caller = Caller(who, now, "console", peer=peer, agent=agent)
        await self._house.write(
            lambda tx: audit.note(tx, caller, "session.begin", subject=session.id, detail=str(method))
        )
        await self._house.sessions.add(session, self.terms.idle)
        _log.info("Signed in name=%s method=%s session=%s peer=%s", who.name, method, session.id, peer)
        return name

    def _through(self) -> Provider | None:
        if self._provider is None and self._make_provider is not None:
            self._provider = self._make_provider()
        return self._provider

    def _needed(self) -> Provider:
        provider = self._through()
        if provider is None:
            raise AccessDenied(
                "cannot sign in through a provider: none is set up",
                hint="sign in with an API token: lockhouse token create",
                right="sign-in",
            )
        return provider
