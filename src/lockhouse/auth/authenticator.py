"""The Authenticator: from what a client presents to a verified Identity. The only place where proof is judged.

What a credential may do (`core.grants`: its principal, that principal's teams, its own scope) is computed when it is
first seen, and cached in memory under a change count. Whoever commits a change of access calls `changed()` afterwards,
and every later request reads anew. There is one process now; replicas will keep the count as a row that each of them
reads at most once a second, so that a revocation reaches all of them within that second.
"""

from __future__ import annotations

import asyncio
import hmac
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import msgspec

from lockhouse.auth import keys, sessions
from lockhouse.auth.sessions import SessionCredentials
from lockhouse.core import grants
from lockhouse.core.grace import Finish, expired, finishing
from lockhouse.core.ports import Reader, Store
from lockhouse.core.principals import Credential, Identity, Kind, Principal

T = TypeVar("T")
_MAX_CACHED = 10_000
_NOBODY = Credential(id="LHK00000000000000000", principal="", kind=keys.ACCESS_KEY, at=0.0, nonce=bytes(16))


class _Known(msgspec.Struct, frozen=True):
    """A living credential and who that is, as of a change count."""

    count: int
    credential: Credential
    identity: Identity
    secret: bytes
    """The secret access key; empty for tokens."""


class _Cold(BaseException):
    """It is not in memory, and the event loop must not wait for it."""


class Authenticator:
    """Verifies credentials of every kind."""

    def __init__(self, store: Store, master: bytes, clock: Callable[[], float]) -> None:
        self._store = store
        self._master = master
        self._clock = clock
        self._changes = 0
        self.grace = 0.0
        """For how many seconds after its end a credential may finish what it holds a lock for."""
        self._loop_thread = 0
        self.at_once = store.reads_are_local
        """Whether nothing here ever waits, so that `asking` is not needed."""
        self.elsewhere: Callable[[Callable[[], Any]], Awaitable[Any]] = asyncio.to_thread
        """Where `asking` waits for a database."""
        self._known: dict[str, _Known] = {}
        self._roles: dict[str, tuple[int, Principal]] = {}
        self.identified: Callable[[str], None] = _unlimited
        """Told the principal of every request that proved who it is; raises `slow_down` when that is too often."""
        self.last_used: dict[str, float] = {}
        """When each credential was last presented with success, since this process began."""
        self._unsaved: dict[str, float] = {}

    def changed(self) -> None:
        """A change of principals, grants or credentials was committed: everything known is read anew."""
        self._changes += 1

    async def asking(self, question: Callable[[], T]) -> T:
        """Ask one of the methods below from the event loop, which is never kept waiting for a database: what cannot be
        answered from memory is asked again in a thread. Errors: those of the question, `storage.unavailable`."""
        if self._store.reads_are_local:
            return question()
        self._loop_thread = threading.get_ident()
        try:
            return question()
        except _Cold:
            return cast("T", await self.elsewhere(question))

    def access_key(
        self, key_id: str, session_token: str = "", finish: Finish | None = None
    ) -> tuple[bytes, Identity] | None:
        """(secret access key, who that is) of an access key id, or None for an unknown, revoked or mismatched one.

        The caller verifies a signature with the secret: the identity counts only after that. Errors:
        `credential.expired` for one whose time is over; with `finish` only where it may not finish that."""
        if session_token or key_id.startswith(keys.SESSION_KEY_PREFIX):
            return self._session(key_id, session_token, finish)
        known = self._look_up(key_id)
        if known is None or known.credential.kind != keys.ACCESS_KEY:
            keys.secret_of(self._master, _NOBODY)
            return None
        ends = known.credential.expires_at
        return known.secret, self._in_time(known.identity, ends, finish) if ends else known.identity

    def token(self, text: str, finish: Finish | None = None) -> Identity | None:
        """Who presents this API token, or None. Errors: `credential.expired`, as `access_key`."""
        parts = keys.split_token(text)
        if parts is None:
            return None
        known = self._look_up(parts[0])
        if not keys.is_token_secret(known.credential if known is not None else None, parts[1]):
            return None
        assert known is not None
        return self._used(self._in_time(known.identity, known.credential.expires_at, finish))

    def basic(self, user: str, password: str, finish: Finish | None = None) -> Identity | None:
        """Who presents this pair: any user name with an API token, or an access key id with its secret. Errors:
        `credential.expired`, as `access_key`."""
        if password.startswith(keys.TOKEN_PREFIX):
            return self.token(password, finish)
        found = self.access_key(user, finish=finish)
        wanted = found[0] if found is not None else b""
        if not hmac.compare_digest(wanted, password.encode("utf-8", "replace")) or found is None:
            return None
        return self._used(found[1])

    def holder(self, credential_id: str, finish: Finish | None = None) -> Identity | None:
        """Who a living credential belongs to, or None. No proof is asked: only for ids inside something that this
        server signed itself (upload addresses, login codes). Errors: `credential.expired`, as `access_key`."""
        known = self._look_up(credential_id)
        if known is None:
            return None
        return self._in_time(known.identity, known.credential.expires_at, finish)

    def new_token(self, principal: str, public_id: str = "") -> keys.NewToken:
        """A fresh token that lasts until it is revoked, not stored yet; with a public id of the caller's choice."""
        return keys.new_token(principal, self._clock(), public_id=public_id)

    def secret_access_key(self, credential: Credential) -> str:
        """The secret of an access key that was just made, to show it once."""
        return keys.secret_of(self._master, credential).decode()

    def issue_session(
        self, who: Identity, *, seconds: float, role: Principal | None = None, name: str = ""
    ) -> SessionCredentials:
        """Temporary credentials for `who` (or, checked before by `service.access.assume`, for a role)."""
        return sessions.issue(
            self._master,
            principal=role.id if role is not None else who.principal,
            base=who.base or who.credential,
            name=name,
            expires_at=float(int(self._clock() + seconds)),
        )

    def take_uses(self) -> dict[str, float]:
        """When credentials were last used, of those used since this was last asked: to be written down."""
        taken, self._unsaved = self._unsaved, {}
        return taken

    def seen(self, who: Identity) -> None:
        """A signature of this caller was verified."""
        self.identified(who.principal)
        if len(self.last_used) >= _MAX_CACHED:
            self.last_used.clear()
        credential = who.base or who.credential
        self.last_used[credential] = self._unsaved[credential] = self._clock()

    def _session(self, key_id: str, session_token: str, finish: Finish | None) -> tuple[bytes, Identity] | None:
        read = sessions.read(self._master, session_token)
        if read is None or not hmac.compare_digest(read[0].access_key_id.encode(), key_id.encode("utf-8", "replace")):
            return None
        session, secret = read
        known = self._look_up(session.base)
        if known is None:
            return None
        ends = min(session.expires_at, known.credential.expires_at or session.expires_at)
        if session.principal == known.identity.principal:
            return secret, self._in_time(msgspec.structs.replace(known.identity, base=session.base), ends, finish)
        role = self._role(session.principal)
        if role is None or known.identity.principal not in role.trusted:
            return None
        chosen = session.holder_name
        credential = f"{role.id}/{session.base}/{chosen}" if chosen else f"{role.id}/{session.base}"
        who = Identity(
            principal=role.id,
            name=f"{role.name}/{session.name}",
            credential=credential,
            grants=grants.narrowed(role.grants, known.credential.scope),
            session=session.name,
            base=session.base,
            scope=known.credential.scope,
            kind=role.kind,
            link=known.identity.link,
        )
        return secret, self._in_time(who, ends, finish)

    def _in_time(self, who: Identity, ends: float, finish: Finish | None) -> Identity:
        """The caller, or what is left of it after the end of its credential. Errors: `credential.expired`."""
        now = self._clock()
        if not ends or now < ends:
            return who
        until = ends + self.grace
        if finish is None or now >= until:
            raise expired()
        self._refuse_to_wait()
        return self._store.read(lambda tx: finishing(tx, who, finish, ended_at=ends, until=until, now=now))

    def _look_up(self, credential_id: str) -> _Known | None:
        known = self._known.get(credential_id)
        count = self._changes + self._store.access_generation
        if known is not None and known.count == count:
            return known
        self._refuse_to_wait()
        found = self._store.read(lambda tx: _living(tx, credential_id))
        if found is None:
            self._known.pop(credential_id, None)
            return None
        credential, who = found
        secret = keys.secret_of(self._master, credential) if credential.kind == keys.ACCESS_KEY else b""
        if len(self._known) >= _MAX_CACHED:
            self._known.clear()
        known = self._known[credential_id] = _Known(count, credential, who, secret)
        return known

    def _role(self, principal_id: str) -> Principal | None:
        count = self._changes + self._store.access_generation
        held = self._roles.get(principal_id)
        if held is not None and held[0] == count:
            return held[1]
        self._refuse_to_wait()
        role = self._store.read(lambda tx: tx.principal(principal_id))
        if role is None or role.revoked_at or role.kind != Kind.ROLE:
            return None
        if len(self._roles) >= _MAX_CACHED:
            self._roles.clear()
        self._roles[principal_id] = (count, role)
        return role

    def _refuse_to_wait(self) -> None:
        if threading.get_ident() == self._loop_thread:
            raise _Cold

    def _used(self, who: Identity) -> Identity:
        self.seen(who)
        return who


def _unlimited(_: str) -> None:
    """Nobody is told to slow down."""


def _living(tx: Reader, credential_id: str) -> tuple[Credential, Identity] | None:
    credential = tx.credential(credential_id)
    if credential is None or credential.revoked_at:
        return None
    principal = tx.principal(credential.principal)
    if principal is None or principal.revoked_at:
        return None
    run = credential.run
    return credential, Identity(
        principal=principal.id,
        name=f"{principal.name}/{run.name}" if run is not None else principal.name,
        credential=credential.id,
        grants=grants.narrowed(grants.effective(tx, principal), credential.scope),
        scope=credential.scope,
        expires_at=credential.expires_at,
        session=run.name if run is not None else "",
        kind=principal.kind,
        link=run.link if run is not None else "",
    )
