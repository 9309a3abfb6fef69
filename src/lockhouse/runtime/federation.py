"""From an ID token to a credential: find the policy, prove the token, store the credential, tell the authenticator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from lockhouse.auth import keys
from lockhouse.auth.authenticator import Authenticator
from lockhouse.auth.sessions import SessionCredentials
from lockhouse.core.federation import MAX_SECONDS, MIN_SECONDS, Trust
from lockhouse.core.grace import expired
from lockhouse.core.principals import Credential, Identity, Principal
from lockhouse.errors import CredentialExpired, CredentialUnknown, RequestInvalid
from lockhouse.runtime.house import House
from lockhouse.service import federation
from lockhouse.service.callers import Caller

if TYPE_CHECKING:
    from lockhouse.auth.signin.federation import Issuers, Proved

STRANGER = Identity(principal="", name="", credential="", grants=())


class Federation:
    """Exchanges ID tokens. The token is the proof: nobody has to be known before."""

    def __init__(
        self,
        house: House,
        authenticator: Authenticator,
        issuers: Callable[[], Issuers],
        links: Mapping[str, str] | None = None,
    ) -> None:
        """`links`: the templates of job addresses, by issuer."""
        self._links = links or {}
        self._house = house
        self._authenticator = authenticator
        self._make = issuers
        self._issuers: Issuers | None = None

    async def token(self, caller: Caller, name: str, id_token: str) -> tuple[Principal, Credential, str]:
        """An API token for the run. Errors: `access.denied`, `credential.unknown`, `credential.expired`,
        `provider.unavailable`."""
        proved, _ = await self._prove(name, id_token)
        new = keys.new_token("", caller.now, caller.now + MAX_SECONDS, public_id=proved.mark)
        job, credential = await self._exchange(caller, name, proved, new.credential, again=False)
        return job, credential, new.text

    async def session(
        self, caller: Caller, name: str, id_token: str, seconds: int | None
    ) -> tuple[Principal, Credential, SessionCredentials]:
        """Temporary AWS credentials for the run; after their end, while it still holds a lock, to finish with
        (`core.grace`): an SDK renews them with the ID token that it has, which is over by then. Errors: as `token`, and
        `request.invalid` for more seconds than the policy gives."""
        grace, late = self._authenticator.grace, False
        try:
            proved, trust = await self._prove(name, id_token)
        except CredentialExpired:
            if not grace:
                raise
            late = True
            proved, trust = await self._prove(name, id_token, late=grace + MAX_SECONDS)
        finishing = await self._house.read(lambda tx: federation.is_finishing(tx, proved.mark, caller.now))
        if late and not finishing:
            raise expired()
        if seconds is not None and seconds > trust.seconds:
            raise RequestInvalid(
                f"cannot give credentials for {seconds} seconds: the policy gives {trust.seconds}",
                hint=f"leave DurationSeconds out, or say at most {trust.seconds}",
                argument="DurationSeconds",
            )
        ends = caller.now + (seconds or trust.seconds)
        bare = msgspec.structs.replace(keys.new_access_key("", caller.now), id=proved.mark, expires_at=ends)
        job, credential = await self._exchange(
            caller, name, proved, bare, again=True, grace=grace if finishing else 0.0
        )
        if finishing:
            ends = min(caller.now + MIN_SECONDS, credential.expires_at + grace)
            return job, credential, self._authenticator.issue_session(_bare(credential), seconds=ends - caller.now)
        who = await self._authenticator.asking(lambda: self._authenticator.holder(credential.id))
        if who is None:
            raise CredentialUnknown(
                "cannot accept this ID token: its credential was revoked", hint="ask the CI system for a new ID token"
            )
        lasts = max(0.0, credential.expires_at - caller.now)
        return job, credential, self._authenticator.issue_session(who, seconds=lasts)

    async def _prove(self, name: str, id_token: str, *, late: float = 0.0) -> tuple[Proved, Trust]:
        found = await self._house.read(lambda tx: federation.find_policy(tx, name))
        if self._issuers is None:
            self._issuers = self._make()
        proved = await self._issuers.prove(id_token, found[1] if found is not None else None, late=late)
        assert found is not None
        return proved, found[1]

    async def _exchange(
        self, caller: Caller, name: str, proved: Proved, bare: Credential, *, again: bool, grace: float = 0.0
    ) -> tuple[Principal, Credential]:
        try:
            return await self._house.write(
                lambda tx: federation.exchange(
                    tx, caller, name, proved.claims, bare, again=again, links=self._links, grace=grace
                )
            )
        finally:
            self._authenticator.changed()


def _bare(credential: Credential) -> Identity:
    """Whom a session is made for: what it may do is decided at each request."""
    return Identity(principal=credential.principal, name="", credential=credential.id, grants=())
