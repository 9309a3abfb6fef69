"""Whose sessions somebody may see and end: their own, and those of principals that they administer."""

from __future__ import annotations

from lockhouse.core.ports import Reader
from lockhouse.core.principals import Principal, Right, allows
from lockhouse.errors import AccessDenied, PrincipalNotFound
from lockhouse.service import access
from lockhouse.service.callers import Caller


def owner(tx: Reader, caller: Caller, name: str) -> Principal:
    """The principal of this name, for itself and for who administers it. Errors: `principal.not_found`,
    `access.denied`."""
    principal = access.named(tx, name, caller)
    if principal.id != caller.who.principal:
        access.require_over(tx, caller, principal)
    return principal


def require_own(tx: Reader, caller: Caller, principal: str, session_id: str) -> None:
    """PrincipalNotFound (`principal.not_found`) unless the session of this principal may be ended by the caller: ids
    are opaque."""
    found = tx.principal(principal)
    if principal == caller.who.principal or allows(caller.who.grants, Right.ADMIN, access.ANYWHERE):
        return
    try:
        if found is not None and not found.revoked_at:
            owner(tx, caller, found.name)
            return
    except AccessDenied:
        pass
    raise not_found(session_id)


def not_found(session_id: str) -> PrincipalNotFound:
    return PrincipalNotFound(f"cannot find the session {session_id[:40]!r}", hint="lockhouse session list")
