"""Who may do what: keys, roles, tokens and their grants.

Nobody can give what they do not administer: every grant that is made or taken, and every principal that is changed or
revoked, needs `admin` over all that it touches. Secrets never come here: whoever calls makes ids and nonces, and shows
what is derived from them once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Credential, Grant, Identity, Principal, Right, allows, require
from lockhouse.errors import (
    AccessDenied,
    PrincipalExists,
    PrincipalNeeded,
    PrincipalNotFound,
    RequestInvalid,
)
from lockhouse.service.callers import Caller

ANYWHERE = "*"
DEFAULT_RIGHTS = (Right.READ, Right.READ_OUTPUTS, Right.WRITE, Right.LOCK, Right.FORCE_UNLOCK)
MAX_GRANTS = 200
MAX_CREDENTIALS = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+=,.@_-]{0,63}")
_PLACE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_PAGE = 1000

HOUSE = Identity(principal="house", name="lockhouse", credential="house", grants=(Grant("*", "", (Right.ADMIN,)),))
"""The house itself: the first start, and the offline commands of whoever owns the data directory."""


class NewPrincipal(msgspec.Struct, frozen=True):
    """A principal to be, with ids made outside. A role has no credential of its own."""

    id: str
    name: str
    grants: tuple[Grant, ...]
    kind: str = "key"
    credentials: tuple[Credential, ...] = ()
    trusted: tuple[str, ...] = ()
    """Roles: names of the principals that may assume it."""


class Member(msgspec.Struct, frozen=True):
    """A living principal and its living credentials."""

    principal: Principal
    credentials: tuple[Credential, ...]


def default_grants() -> tuple[Grant, ...]:
    """What a key may do when nobody says otherwise: everything but administration, everywhere."""
    return (Grant(ANYWHERE, "", DEFAULT_RIGHTS),)


def check_grants(grants: Sequence[Grant]) -> tuple[Grant, ...]:
    """The grants, joined, or RequestInvalid (`request.invalid`): a place is `*`, a namespace or a table."""
    for each in grants:
        if each.namespace != ANYWHERE and not _PLACE.fullmatch(each.namespace):
            raise RequestInvalid(
                f"cannot grant anything on {each.namespace!r}: it must be a namespace, a table, or *", argument="on"
            )
        if not each.rights:
            raise RequestInvalid("cannot grant nothing: name at least one right", argument="rights")
    return merge(grants)


def create(tx: Transaction, caller: Caller, new: NewPrincipal) -> Principal:
    """A new key or role. Errors: `request.invalid` (name, too many grants), `principal.exists`, `principal.not_found`
    (a trusted name), `access.denied`."""
    if not _NAME.fullmatch(new.name):
        raise RequestInvalid(
            f"cannot use {new.name!r} as a name: 1 to 64 letters, digits or + = , . @ _ -, starting with a letter or "
            "digit",
            argument="name",
        )
    grants = check_grants(new.grants)
    _require_over(caller, grants)
    if tx.principal_named(new.name) is not None:
        raise PrincipalExists(
            f"cannot create {new.name}: a key or role has this name", hint="choose another, or: lockhouse key list"
        )
    trusted = tuple(named(tx, name).id for name in new.trusted)
    principal = Principal(new.id, new.name, grants, caller.now, new.kind, trusted=trusted)
    tx.save_principal(principal)
    for credential in new.credentials:
        tx.save_credential(credential)
    return principal


def list_members(tx: Reader, caller: Caller, kinds: tuple[str, ...] = ("administrator", "key")) -> Sequence[Member]:
    """The living principals of these kinds that the caller administers, by name."""
    found: list[Member] = []
    after = ""
    while page := tx.principals(after, _PAGE):
        found.extend(
            _member(tx, principal)
            for principal in page
            if not principal.revoked_at and principal.kind in kinds and _administers(caller, principal.grants)
        )
        after = page[-1].id
    return sorted(found, key=lambda member: member.principal.name)


def show(tx: Reader, caller: Caller, name: str) -> Member:
    """One principal by its name, for who administers it and for itself. Errors: `principal.not_found`,
    `access.denied`."""
    principal = named(tx, name, caller)
    if principal.id != caller.who.principal:
        _require_over(caller, principal.grants)
    return _member(tx, principal)


def revoke(tx: Transaction, caller: Caller, name: str) -> Principal:
    """End a key or role and all its credentials, for good; its name is free again.

    Errors: `principal.not_found`, `access.denied`, `principal.needed` for the last administrator."""
    principal = named(tx, name, caller)
    _require_over(caller, principal.grants)
    _refuse_last_administrator(tx, principal, ())
    revoked = msgspec.structs.replace(principal, revoked_at=caller.now)
    tx.save_principal(revoked)
    for credential in tx.credentials(principal.id):
        if not credential.revoked_at:
            tx.save_credential(msgspec.structs.replace(credential, revoked_at=caller.now))
    return revoked


def grant(tx: Transaction, caller: Caller, name: str, added: Sequence[Grant]) -> Principal:
    """Add rights. Errors: `principal.not_found`, `access.denied`, `request.invalid` (too many)."""
    principal = named(tx, name, caller)
    _require_over(caller, check_grants(added))
    return _save_grants(tx, principal, merge((*principal.grants, *added)))


def ungrant(tx: Transaction, caller: Caller, name: str, removed: Sequence[Grant]) -> Principal:
    """Take rights away where they were granted: exactly on these namespaces and prefixes.

    Errors: `principal.not_found`, `access.denied`, `principal.needed`."""
    principal = named(tx, name, caller)
    _require_over(caller, tuple(removed))
    taken = {(each.namespace, each.prefix): frozenset(each.rights) for each in removed}
    left: list[Grant] = []
    for each in principal.grants:
        gone = taken.get((each.namespace, each.prefix), frozenset())
        rights = tuple(right for right in each.rights if right not in gone)
        if rights:
            left.append(Grant(each.namespace, each.prefix, rights))
    _refuse_last_administrator(tx, principal, tuple(left))
    return _save_grants(tx, principal, tuple(left))


def add_credential(tx: Transaction, caller: Caller, name: str, credential: Credential) -> Principal:
    """One more access key or token of a principal: by who administers it, or by itself.

    The credential's `principal` is filled in here. Errors: `principal.not_found`, `access.denied`, `request.invalid`
    for a role, or for too many credentials."""
    principal = named(tx, name, caller)
    if principal.id != caller.who.principal:
        _require_over(caller, principal.grants)
    if principal.kind == "role":
        raise RequestInvalid(f"cannot give {name} a credential: it is a role, which is assumed", argument="name")
    if len(_member(tx, principal).credentials) >= MAX_CREDENTIALS:
        raise RequestInvalid(f"cannot give {name} more than {MAX_CREDENTIALS} credentials", argument="name")
    tx.save_credential(msgspec.structs.replace(credential, principal=principal.id))
    return principal


def revoke_credential(tx: Transaction, caller: Caller, credential_id: str) -> Credential:
    """End one access key or token. Errors: `principal.not_found` (also for one that the caller may not touch: ids are
    opaque)."""
    credential = tx.credential(credential_id)
    owner = tx.principal(credential.principal) if credential is not None else None
    mine = owner is not None and (owner.id == caller.who.principal or _administers(caller, owner.grants))
    if credential is None or credential.revoked_at or not mine:
        raise PrincipalNotFound(f"cannot find the credential {credential_id!r}", hint="lockhouse token list")
    ended = msgspec.structs.replace(credential, revoked_at=caller.now)
    tx.save_credential(ended)
    return ended


def trust(tx: Transaction, caller: Caller, role_name: str, names: Sequence[str]) -> Principal:
    """Say who may assume a role, in place of whoever might before. Errors: `principal.not_found`, `access.denied`."""
    role = _role(tx, role_name, caller)
    _require_over(caller, role.grants)
    role = msgspec.structs.replace(role, trusted=tuple(named(tx, name).id for name in names))
    tx.save_principal(role)
    return role


def assume(tx: Reader, caller: Caller, role_name: str) -> Principal:
    """The role, if the caller may assume it. Errors: `access.denied`, whether or not there is such a role."""
    role = tx.principal_named(role_name)
    actor = _actor(tx, caller)
    if role is None or role.kind != "role" or actor not in role.trusted:
        raise AccessDenied(
            f"cannot assume the role {role_name}: {caller.who.name} is not trusted to, or there is no such role",
            hint=f"lockhouse role trust {role_name} --by {caller.who.name}",
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
        raise AccessDenied(f"cannot see {name}: {caller.who.name} administers nothing", right=str(Right.ADMIN))
    raise PrincipalNotFound(f"cannot find a key or role named {name!r}", hint="lockhouse key list")


def name_of(tx: Reader, caller: Caller) -> str:
    """The name of the principal that calls. Errors: `principal.not_found` when it was revoked meanwhile."""
    principal = tx.principal(caller.who.principal)
    if principal is None or principal.revoked_at:
        raise PrincipalNotFound("cannot find the caller: it was revoked")
    return principal.name


def require_administrator(caller: Caller) -> None:
    """AccessDenied (`access.denied`) unless the caller administers everything."""
    require(caller.who, Right.ADMIN, ANYWHERE)


def merge(grants: Sequence[Grant]) -> tuple[Grant, ...]:
    """One grant for each namespace and prefix, in order, with all rights given there. Errors: `request.invalid`."""
    rights: dict[tuple[str, str], set[Right]] = {}
    for each in grants:
        rights.setdefault((each.namespace, each.prefix), set()).update(each.rights)
    if len(rights) > MAX_GRANTS:
        raise RequestInvalid(f"cannot keep more than {MAX_GRANTS} grants for one key", argument="grants")
    return tuple(
        Grant(namespace, prefix, tuple(right for right in Right if right in rights[namespace, prefix]))
        for namespace, prefix in sorted(rights)
    )


def _role(tx: Reader, name: str, caller: Caller) -> Principal:
    role = named(tx, name, caller)
    if role.kind != "role":
        raise PrincipalNotFound(f"cannot find a role named {name!r}: it is a key", hint="lockhouse role list")
    return role


def _actor(tx: Reader, caller: Caller) -> str:
    """The principal behind a session: roles are assumed by whoever owns the lasting credential."""
    base = tx.credential(caller.who.base) if caller.who.base else None
    return base.principal if base is not None else caller.who.principal


def _member(tx: Reader, principal: Principal) -> Member:
    return Member(principal, tuple(each for each in tx.credentials(principal.id) if not each.revoked_at))


def _save_grants(tx: Transaction, principal: Principal, grants: tuple[Grant, ...]) -> Principal:
    principal = msgspec.structs.replace(principal, grants=grants)
    tx.save_principal(principal)
    return principal


def _require_over(caller: Caller, grants: tuple[Grant, ...]) -> None:
    if not grants:
        require(caller.who, Right.ADMIN, ANYWHERE)
    for each in grants:
        require(caller.who, Right.ADMIN, each.namespace, each.prefix)


def _administers(caller: Caller, grants: tuple[Grant, ...]) -> bool:
    own = caller.who.grants
    if not grants:
        return allows(own, Right.ADMIN, ANYWHERE)
    return all(allows(own, Right.ADMIN, each.namespace, each.prefix) for each in grants)


def _is_administrator(grants: tuple[Grant, ...]) -> bool:
    return any(Right.ADMIN in each.rights for each in grants)


def _refuse_last_administrator(tx: Reader, principal: Principal, left: tuple[Grant, ...]) -> None:
    if not allows(principal.grants, Right.ADMIN, ANYWHERE) or allows(left, Right.ADMIN, ANYWHERE):
        return
    after = ""
    while page := tx.principals(after, _PAGE):
        for other in page:
            living = not other.revoked_at and other.kind != "role" and other.id != principal.id
            if living and allows(other.grants, Right.ADMIN, ANYWHERE):
                return
        after = page[-1].id
    raise PrincipalNeeded(
        f"cannot take administration from {principal.name}: nobody else could administer this server",
        hint="make another first: lockhouse key create --name NAME --rights admin --on '*'",
    )
