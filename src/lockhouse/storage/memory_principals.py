"""Principals, memberships and credentials of the reference store, in the plainest words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lockhouse.core.principals import Credential, Membership, Principal


@dataclass
class PrincipalMaps:
    """The maps that these records need."""

    principals: dict[str, Principal] = field(default_factory=dict)
    links: dict[tuple[str, str], str] = field(default_factory=dict)
    memberships: dict[tuple[str, str], Membership] = field(default_factory=dict)
    credentials: dict[str, Credential] = field(default_factory=dict)
    uses: dict[str, float] = field(default_factory=dict)


class PrincipalReads:
    """The part of `Reader` about principals."""

    _maps: PrincipalMaps

    def principal(self, principal_id: str) -> Principal | None:
        return self._maps.principals.get(principal_id)

    def principal_named(self, name: str) -> Principal | None:
        living = [each for each in self._maps.principals.values() if each.name == name and not each.revoked_at]
        return min(living, key=lambda each: _order(each.id)) if living else None

    def principal_linked(self, issuer: str, subject: str) -> Principal | None:
        return self._maps.principals.get(self._maps.links.get((issuer, subject), ""))

    def principals(self, after: str = "", limit: int = 1000) -> Sequence[Principal]:
        found = [each for each in self._maps.principals.values() if _order(each.id) > _order(after)]
        return sorted(found, key=lambda each: _order(each.id))[:limit]

    def memberships_of(self, member: str) -> Sequence[Membership]:
        found = [each for each in self._maps.memberships.values() if each.member == member]
        return sorted(found, key=lambda each: _order(each.team))

    def members_of(self, team: str) -> Sequence[Membership]:
        found = [each for each in self._maps.memberships.values() if each.team == team]
        return sorted(found, key=lambda each: _order(each.member))

    def credential(self, credential_id: str) -> Credential | None:
        return self._maps.credentials.get(credential_id)

    def credentials(self, principal_id: str) -> Sequence[Credential]:
        found = [each for each in self._maps.credentials.values() if each.principal == principal_id]
        return sorted(found, key=lambda each: _order(each.id))

    def uses(self, principal_id: str) -> dict[str, float]:
        ids = [each.id for each in self.credentials(principal_id)]
        return {each: self._maps.uses[each] for each in ids if each in self._maps.uses}

    def last_uses(self, credentials: Sequence[str]) -> dict[str, float]:
        return {each: self._maps.uses[each] for each in credentials if each in self._maps.uses}


class PrincipalWrites(PrincipalReads):
    """The part of `Transaction` about principals."""

    def save_principal(self, principal: Principal) -> None:
        self._maps.principals[principal.id] = principal
        if principal.revoked_at:
            return
        for place in [place for place, owner in self._maps.links.items() if owner == principal.id]:
            del self._maps.links[place]
        if principal.link is not None:
            self._maps.links[principal.link.issuer, principal.link.subject] = principal.id

    def save_membership(self, membership: Membership) -> None:
        self._maps.memberships[membership.team, membership.member] = membership

    def delete_membership(self, team: str, member: str) -> None:
        self._maps.memberships.pop((team, member), None)

    def save_credential(self, credential: Credential) -> None:
        self._maps.credentials[credential.id] = credential

    def delete_credential(self, credential_id: str) -> None:
        self._maps.credentials.pop(credential_id, None)
        self._maps.uses.pop(credential_id, None)

    def save_use(self, credential_id: str, at: float) -> None:
        self._maps.uses[credential_id] = max(at, self._maps.uses.get(credential_id, at))


def _order(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
