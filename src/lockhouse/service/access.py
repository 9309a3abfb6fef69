"""Who may do what: principals, their grants and their credentials.

Nobody can give what they do not administer: every grant that is made or taken, and every principal that is changed or
revoked, needs `admin` over all that it touches: its own grants, those of its teams, and those of the roles that it may
assume (`reach`). What a credential makes for its own principal is neither wider nor longer than itself. Secrets never
come here: whoever calls makes ids and nonces, and shows what is derived from them once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from lockhouse.core import grants as sums
from lockhouse.core.federation import Trust
from lockhouse.core.federation import check as check_trust
from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import (
    Credential,
    Grant,
    Identity,
    Kind,
    Link,
    Principal,
    Right,
    allows,
    require,
    require_below,
    way_in,
)
from lockhouse.errors import (
    AccessDenied,
    PrincipalExists,
    PrincipalNeeded,
    PrincipalNotFound,
    RequestInvalid,
)
from lockhouse.service import audit
from lockhouse.service.callers import Caller

ANYWHERE = "*"
DEFAULT_RIGHTS = sums.ROLE_RIGHTS[sums.Role.OPERATOR]
MAX_GRANTS = 200
MAX_CREDENTIALS = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+=,.@_-]{0,63}")
ACCOUNTS = (Kind.ADMINISTRATOR, Kind.KEY, Kind.SERVICE_ACCOUNT)
_MAX_NAME = 64
_PLACE = re.compile(r"[A-Za-z0-9_.-]{3,255}")

HOUSE = Identity(principal="house", name="lockhouse", credential="house", grants=(Grant("*", "", (Right.ADMIN,)),))
"""The house itself: the first start, and the offline commands of whoever owns the data directory."""


class NewPrincipal(msgspec.Struct, frozen=True):
    """A principal to be, with ids made outside. A role has no credential of its own."""

    id: str
    name: str
    grants: tuple[Grant, ...]
    kind: str = Kind.SERVICE_ACCOUNT
    credentials: tuple[Credential, ...] = ()
    trusted: tuple[str, ...] = ()
    """Roles: names of the principals that may assume it."""
    link: Link | None = None
    """Users and teams: who that is at an identity provider."""
    namespace: str = ""
    """Teams: the organization; the name is then `NAMESPACE:TEAM`."""
    trust: Trust | None = None
    """CI jobs: whose ID tokens give their credentials."""


class Member(msgspec.Struct, frozen=True):
    """A living principal, its living credentials, and what it has to do with others."""

    principal: Principal
    credentials: tuple[Credential, ...]
    uses: dict[str, float] = {}
    """When each credential was last used, as far as that was written down."""
    teams: tuple[Principal, ...] = ()
    effective: tuple[Grant, ...] = ()
    """Its own grants and those of its teams."""


def default_grants() -> tuple[Grant, ...]:
    """What a key may do when nobody says otherwise: everything but administration, everywhere."""
    return (Grant(ANYWHERE, "", DEFAULT_RIGHTS),)


def check_grants(grants: Sequence[Grant]) -> tuple[Grant, ...]:
    """The grants, joined, or RequestInvalid (`request.invalid`): a place is `*`, a namespace or a table."""
    for each in grants:
        if each.namespace != ANYWHERE and not _PLACE.fullmatch(each.namespace):
            raise RequestInvalid(
                f"cannot grant anything on {each.namespace!r}: it must be a namespace, a table, or *",
                hint="for example: --on NAMESPACE/PREFIX",
                argument="on",
            )
        if each.exact and not each.prefix:
            raise RequestInvalid(
                "cannot grant anything on one whole key without naming it",
                hint="name it: --exactly --on NAMESPACE/KEY",
                argument="on",
            )
        if not each.rights:
            raise RequestInvalid(
                "cannot grant nothing: name at least one right",
                hint=f"rights are: {', '.join(Right)}",
                argument="rights",
            )
    return merge(grants)


def create(tx: Transaction, caller: Caller, new: NewPrincipal) -> Principal:
    """A new principal. Errors: `request.invalid` (name, kind, too many grants), `principal.exists` (name or link),
    `principal.not_found` (a trusted name), `access.denied`."""
    _check_new(new)
    grants = check_grants(new.grants)
    if not grants and new.namespace:
        require(caller.who, Right.ADMIN, new.namespace)
    else:
        _require_over(caller, grants)
    if tx.principal_named(new.name) is not None:
        raise PrincipalExists(
            f"cannot create {new.name}: another principal has this name",
            hint="choose another, or: lockhouse access list",
        )
    if new.link is not None:
        refuse_taken(tx, new.link, new.id)
    trusted = tuple(named(tx, name).id for name in new.trusted)
    principal = Principal(
        new.id,
        new.name,
        grants,
        caller.now,
        new.kind,
        trusted=trusted,
        link=new.link,
        namespace=new.namespace,
        trust=new.trust,
    )
    tx.save_principal(principal)
    for credential in new.credentials:
        tx.save_credential(credential)
    audit.note(tx, caller, "principal.create", subject=new.name, detail=f"{new.kind} {_words(grants)}".rstrip())
    return principal


def list_members(tx: Reader, caller: Caller, kinds: Sequence[str] = ACCOUNTS) -> Sequence[Member]:
    """The living principals of these kinds that the caller administers, by name."""
    roles = living(tx, (Kind.ROLE,))
    found = [
        _member(tx, principal)
        for principal in living(tx, kinds)
        if _administers(caller, principal, reach(tx, principal, roles))
    ]
    return sorted(found, key=lambda member: member.principal.name)


def living(tx: Reader, kinds: Sequence[str]) -> list[Principal]:
    """All living principals of these kinds, by id."""
    everybody = paged(tx.principals, "", lambda each: each.id)
    return [each for each in everybody if not each.revoked_at and each.kind in kinds]


def reach(tx: Reader, principal: Principal, roles: Sequence[Principal] | None = None) -> tuple[Grant, ...]:
    """All that a principal can come to: its own grants, those of its teams, and those of the roles that trust it.

    Whoever changes it, or makes a credential for it, must administer all this. `roles`: the living ones."""
    found = sums.effective(tx, principal)
    if principal.kind == Kind.ROLE:
        return found
    trusting = [each for each in (living(tx, (Kind.ROLE,)) if roles is None else roles) if principal.id in each.trusted]
    return sums.joined((*found, *(grant for role in trusting for grant in role.grants))) if trusting else found


def administers(tx: Reader, caller: Caller, principal: Principal) -> bool:
    """Whether the caller administers all that the principal can come to."""
    return _administers(caller, principal, reach(tx, principal))


def require_over(tx: Reader, caller: Caller, principal: Principal) -> None:
    """AccessDenied (`access.denied`) unless the caller administers all that the principal can come to."""
    over = reach(tx, principal)
    if not over and principal.namespace:
        require(caller.who, Right.ADMIN, principal.namespace)
    else:
        _require_over(caller, over)


def show(tx: Reader, caller: Caller, name: str) -> Member:
    """One principal by its name, for who administers it and for itself. Errors: `principal.not_found`,
    `access.denied`."""
    principal = named(tx, name, caller)
    if principal.id != caller.who.principal:
        require_over(tx, caller, principal)
    return _member(tx, principal)


def revoke(tx: Transaction, caller: Caller, name: str) -> Principal:
    """End a principal, its memberships and all its credentials, for good; its name is free again.

    Errors: `principal.not_found`, `access.denied`, `principal.needed` for the last administrator."""
    principal = named(tx, name, caller)
    require_over(tx, caller, principal)
    _refuse_last_administrator(tx, principal, ())
    revoked = msgspec.structs.replace(principal, revoked_at=caller.now)
    tx.save_principal(revoked)
    for credential in tx.credentials(principal.id):
        if not credential.revoked_at:
            tx.save_credential(msgspec.structs.replace(credential, revoked_at=caller.now))
    for membership in (*tx.memberships_of(principal.id), *tx.members_of(principal.id)):
        tx.delete_membership(membership.team, membership.member)
    audit.note(tx, caller, "principal.revoke", subject=name)
    return revoked


def grant(tx: Transaction, caller: Caller, name: str, added: Sequence[Grant]) -> Principal:
    """Add rights. Errors: `principal.not_found`, `access.denied`, `request.invalid` (too many)."""
    principal = named(tx, name, caller)
    _require_over(caller, check_grants(added))
    audit.note(tx, caller, "principal.grant", subject=name, detail=_words(added))
    return _save_grants(tx, principal, merge((*principal.grants, *added)))


def ungrant(tx: Transaction, caller: Caller, name: str, removed: Sequence[Grant]) -> Principal:
    """Take rights away where they were granted: exactly on these namespaces and prefixes.

    Errors: `principal.not_found`, `access.denied`, `principal.needed`."""
    principal = named(tx, name, caller)
    _require_over(caller, tuple(removed))
    taken = {(each.namespace, each.prefix, each.exact): frozenset(each.rights) for each in removed}
    left: list[Grant] = []
    for each in principal.grants:
        gone = taken.get((each.namespace, each.prefix, each.exact), frozenset())
        rights = tuple(right for right in each.rights if right not in gone)
        if rights:
            left.append(Grant(each.namespace, each.prefix, rights, each.exact))
    _refuse_last_administrator(tx, principal, tuple(left))
    audit.note(tx, caller, "principal.ungrant", subject=name, detail=_words(removed))
    return _save_grants(tx, principal, tuple(left))


def add_credential(tx: Transaction, caller: Caller, name: str, credential: Credential) -> Principal:
    """One more access key or token of a principal: by who administers it, or by itself.

    The credential's `principal` and `by` are filled in here; what one makes for oneself keeps within the scope and the
    time of the credential that makes it. Errors: `principal.not_found`, `access.denied`, `request.invalid` for a role,
    or for too many credentials."""
    principal = named(tx, name, caller)
    who = caller.who
    if principal.id != who.principal:
        require_over(tx, caller, principal)
    else:
        if who.scope is not None:
            scope = who.scope if credential.scope is None else sums.narrowed(who.scope, credential.scope)
            credential = msgspec.structs.replace(credential, scope=scope)
        ends = min((each for each in (credential.expires_at, who.expires_at) if each), default=0.0)
        credential = msgspec.structs.replace(credential, expires_at=ends)
    if credential.scope is not None:
        credential = msgspec.structs.replace(credential, scope=check_grants(credential.scope))
    if principal.kind == Kind.ROLE:
        raise RequestInvalid(
            f"cannot give {name} a credential: it is a role, which is assumed",
            hint=f"lockhouse role trust {name} --by NAME",
            argument="name",
        )
    in_use = sum(1 for each in _member(tx, principal).credentials if not 0 < each.expires_at <= caller.now)
    if in_use >= MAX_CREDENTIALS:
        raise RequestInvalid(
            f"cannot give {name} more than {MAX_CREDENTIALS} credentials",
            hint=f"end one first: lockhouse token list {name}",
            argument="name",
        )
    tx.save_credential(msgspec.structs.replace(credential, principal=principal.id, by=who.principal))
    audit.note(tx, caller, "credential.create", subject=credential.id, detail=f"{credential.kind} of {name}")
    return principal


def revoke_credential(tx: Transaction, caller: Caller, credential_id: str) -> Credential:
    """End one access key or token. Errors: `principal.not_found` (also for one that the caller may not touch: ids are
    opaque)."""
    credential, _ = credential_by_id(tx, caller, credential_id)
    ended = msgspec.structs.replace(credential, revoked_at=caller.now)
    tx.save_credential(ended)
    audit.note(tx, caller, "credential.revoke", subject=credential_id)
    return ended


def credential_by_id(tx: Reader, caller: Caller, credential_id: str) -> tuple[Credential, Principal]:
    """A living credential by its opaque id, and whose it is. Errors: `principal.not_found`, also for one that the
    caller may not touch."""
    credential = tx.credential(credential_id)
    owner = tx.principal(credential.principal) if credential is not None else None
    mine = owner is not None and (owner.id == caller.who.principal or _administers(caller, owner, reach(tx, owner)))
    if credential is None or owner is None or credential.revoked_at or not mine:
        raise PrincipalNotFound(f"cannot find the credential {credential_id!r}", hint="lockhouse token list")
    return credential, owner


def rotate(tx: Transaction, caller: Caller, credential_id: str, new: Credential, grace: float) -> Credential:
    """Put a new credential in the place of one: same kind, scope and description. The old one works for `grace` seconds
    more; with 0 it ends at once.

    `new`: of the same kind as the old one (else ValueError), its other facts are filled in here. One that lasts a
    limited time is given as long again, but not when it renews itself. Errors: `principal.not_found`,
    `request.invalid` when it was rotated before or is over, `access.denied` for another credential of the same
    principal that is narrower or ends."""
    old, owner = credential_by_id(tx, caller, credential_id)
    who = caller.who
    if new.kind != old.kind:
        raise ValueError(f"{new.kind} cannot replace {old.kind}")
    if old.replaced_by or 0 < old.expires_at <= caller.now:
        raise RequestInvalid(
            f"cannot rotate {old.id}: it {'was rotated before' if old.replaced_by else 'is over'}",
            hint=f"make a new one: lockhouse token create --name {owner.name}",
            argument="id",
        )
    itself = who.credential == old.id
    if owner.id == who.principal and not itself and (who.scope is not None or who.expires_at):
        raise AccessDenied(
            f"cannot rotate {old.id} with {who.credential}: that one is narrower or ends",
            hint="use the credential itself, or an administrator's",
            right=str(Right.ADMIN),
        )
    lasting = old.expires_at - old.at if old.expires_at and not itself else 0.0
    made = msgspec.structs.replace(
        new,
        principal=owner.id,
        at=caller.now,
        expires_at=caller.now + lasting if lasting else old.expires_at,
        description=old.description,
        scope=old.scope,
        by=who.principal,
    )
    tx.save_credential(made)
    audit.note(tx, caller, "credential.rotate", subject=old.id, detail=f"replaced by {made.id}")
    ends = min(old.expires_at or caller.now + grace, caller.now + grace)
    tx.save_credential(
        msgspec.structs.replace(old, replaced_by=made.id, expires_at=ends)
        if grace > 0
        else msgspec.structs.replace(old, replaced_by=made.id, revoked_at=caller.now)
    )
    return made


def trust(tx: Transaction, caller: Caller, role_name: str, names: Sequence[str]) -> Principal:
    """Say who may assume a role, in place of whoever might before. Errors: `principal.not_found`, `access.denied`."""
    role = _role(tx, role_name, caller)
    require_over(tx, caller, role)
    role = msgspec.structs.replace(role, trusted=tuple(named(tx, name).id for name in names))
    tx.save_principal(role)
    audit.note(tx, caller, "principal.trust", subject=role_name, detail=", ".join(names))
    return role


def assume(tx: Reader, caller: Caller, role_name: str) -> Principal:
    """The role, if the caller may assume it. Errors: `access.denied`, whether or not there is such a role."""
    role = tx.principal_named(role_name)
    actor = _actor(tx, caller)
    if role is None or role.kind != Kind.ROLE or actor not in role.trusted:
        raise AccessDenied(
            f"cannot assume the role {role_name}: {caller.who.name} is not trusted to, or there is no such role",
            hint=f"lockhouse role trust {role_name} --by {caller.who.grantee}",
            right="assume",
        )
    return role


def named(tx: Reader, name: str, caller: Caller | None = None) -> Principal:
    """The living principal of this name. Errors: `principal.not_found`; with a caller who administers nothing at all,
    `access.denied` instead, so that names cannot be probed."""
    principal = tx.principal_named(name)
    if principal is not None:
        return principal
    if caller is not None and caller.who.name != name and not _is_administrator(caller.who.grants):
        raise AccessDenied(
            f"cannot see {name}: {caller.who.name} administers nothing",
            hint=way_in(caller.who, Right.ADMIN, "NAMESPACE"),
            right=str(Right.ADMIN),
        )
    raise not_found(name)


def not_found(name: str, what: str = "principal") -> PrincipalNotFound:
    """Nobody has this name, or somebody of another kind."""
    hint = "lockhouse access list; to make one: lockhouse access create"
    return PrincipalNotFound(f"cannot find a {what} named {name!r}", hint=hint)


def name_of(tx: Reader, caller: Caller) -> str:
    """The name of the principal that calls. Errors: `principal.not_found` when it was revoked meanwhile."""
    principal = tx.principal(caller.who.principal)
    if principal is None or principal.revoked_at:
        raise PrincipalNotFound(
            "cannot find the caller: it was revoked", hint="ask an administrator for another: lockhouse key create"
        )
    return principal.name


def require_administrator(caller: Caller) -> None:
    """AccessDenied (`access.denied`) unless the caller administers everything."""
    require(caller.who, Right.ADMIN, ANYWHERE)


def merge(grants: Sequence[Grant]) -> tuple[Grant, ...]:
    """One grant for each namespace and prefix, in order, with all rights given there. Errors: `request.invalid`."""
    found = sums.joined(grants)
    if len(found) > MAX_GRANTS:
        raise RequestInvalid(
            f"cannot keep more than {MAX_GRANTS} grants in one place",
            hint="grant a prefix, or a role: lockhouse access grant NAME --role writer --on NAMESPACE/PREFIX",
            argument="grants",
        )
    return found


def _check_new(new: NewPrincipal) -> None:
    name, allowed = new.name, "letters, digits or + = , . @ _ -, starting with a letter or digit"
    if new.namespace:
        head, _, name = name.partition(":")
        if new.kind != Kind.TEAM or head != new.namespace:
            raise RequestInvalid(
                "cannot create this: only a team has an organization, and NAMESPACE:NAME as its name",
                hint="lockhouse access create --kind team --namespace NAMESPACE --name NAME",
            )
    if not _NAME.fullmatch(name):
        raise RequestInvalid(
            f"cannot use {name!r} as a name: 1 to {_MAX_NAME} {allowed}", hint="choose another name", argument="name"
        )
    if new.kind not in set(Kind) or (new.link is not None and new.kind not in (Kind.USER, Kind.TEAM)):
        raise RequestInvalid(
            f"cannot create {new.name}: there is no such kind of principal",
            hint=f"kinds are: {', '.join(Kind)}",
            argument="kind",
        )
    if new.trust is not None:
        if new.kind != Kind.CI_JOB:
            raise RequestInvalid(
                f"cannot create {new.name}: only a CI job has a trust policy",
                hint="lockhouse trust create makes a CI job",
                argument="kind",
            )
        check_trust(new.trust)


def refuse_taken(tx: Reader, link: Link, for_id: str) -> None:
    """PrincipalExists (`principal.exists`) when another living principal has this link."""
    other = tx.principal_linked(link.issuer, link.subject)
    if other is not None and not other.revoked_at and other.id != for_id:
        raise PrincipalExists(
            f"cannot create this: {other.name} is {link.subject} of {link.issuer} already",
            hint=f"lockhouse access show {other.name}",
        )


def _role(tx: Reader, name: str, caller: Caller) -> Principal:
    role = named(tx, name, caller)
    if role.kind != Kind.ROLE:
        raise not_found(name, "role")
    return role


def _actor(tx: Reader, caller: Caller) -> str:
    """The principal behind a session: roles are assumed by whoever owns the lasting credential."""
    base = tx.credential(caller.who.base) if caller.who.base else None
    return base.principal if base is not None else caller.who.principal


def _member(tx: Reader, principal: Principal) -> Member:
    return Member(
        principal,
        tuple(each for each in tx.credentials(principal.id) if not each.revoked_at),
        tx.uses(principal.id),
        tuple(sums.teams_of(tx, principal)),
        sums.effective(tx, principal),
    )


def _save_grants(tx: Transaction, principal: Principal, grants: tuple[Grant, ...]) -> Principal:
    principal = msgspec.structs.replace(principal, grants=grants)
    tx.save_principal(principal)
    return principal


def _words(grants: Sequence[Grant]) -> str:
    return "; ".join(
        f"{'+'.join(each.rights)} on {each.namespace}/{each.prefix}{'' if each.exact else '*'}" for each in grants
    )


def _require_over(caller: Caller, grants: tuple[Grant, ...]) -> None:
    if not grants:
        require(caller.who, Right.ADMIN, ANYWHERE)
    for each in grants:
        if not sums.covered((_administration(each),), caller.who.grants):
            require_below(caller.who, Right.ADMIN, each.namespace, each.prefix)


def _administration(grant: Grant) -> Grant:
    return Grant(grant.namespace, grant.prefix, (Right.ADMIN,), grant.exact)


def _administers(caller: Caller, principal: Principal, grants: tuple[Grant, ...]) -> bool:
    own = caller.who.grants
    if not grants:
        return allows(own, Right.ADMIN, principal.namespace or ANYWHERE)
    return sums.covered((_administration(each) for each in grants), own)


def _is_administrator(grants: tuple[Grant, ...]) -> bool:
    return any(Right.ADMIN in each.rights for each in grants)


def _refuse_last_administrator(tx: Reader, principal: Principal, left: tuple[Grant, ...]) -> None:
    if not allows(principal.grants, Right.ADMIN, ANYWHERE) or allows(left, Right.ADMIN, ANYWHERE):
        return
    people = (Kind.USER, *ACCOUNTS)
    if any(other.id != principal.id and allows(other.grants, Right.ADMIN, ANYWHERE) for other in living(tx, people)):
        return
    raise PrincipalNeeded(
        f"cannot take administration from {principal.name}: nobody else could administer this server",
        hint="make another first: lockhouse key create --name NAME --rights admin --on '*'",
    )
