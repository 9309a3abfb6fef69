"""What a caller may do in the end: the principal's own grants, those of its teams, narrowed by a credential's scope.

Also the roles: named sets of rights that people grant, so that nobody has to know which five rights an apply needs. A
role is expanded when it is granted; its name is found again where a grant has exactly its rights. Pure but for the
reads of `effective`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from lockhouse.core.ports import Reader
from lockhouse.core.principals import Grant, Kind, Principal, Right


class Role(StrEnum):
    """A named set of rights."""

    OUTPUTS = "outputs"
    READER = "reader"
    PLANNER = "planner"
    APPLIER = "applier"
    WRITER = "writer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


_PLANNER = (Right.READ, Right.READ_OUTPUTS, Right.PLAN)
_WRITER = (*_PLANNER, Right.WRITE, Right.LOCK)
ROLE_RIGHTS: dict[Role, tuple[Right, ...]] = {
    Role.OUTPUTS: (Right.READ_OUTPUTS,),
    Role.READER: (Right.READ, Right.READ_OUTPUTS),
    Role.PLANNER: _PLANNER,
    Role.APPLIER: (*_PLANNER, Right.APPLY, Right.LOCK),
    Role.WRITER: _WRITER,
    Role.OPERATOR: (*_WRITER, Right.FORCE_UNLOCK),
    Role.ADMINISTRATOR: (Right.ADMIN,),
}


def role_of(rights: Iterable[Right]) -> Role | None:
    """The role whose rights these are, exactly."""
    held = frozenset(rights)
    return next((role for role, its in ROLE_RIGHTS.items() if held == frozenset(its)), None)


def closed(rights: Iterable[Right]) -> frozenset[Right]:
    """These rights with all that they carry (`principals.GIVEN_BY`); who may read and lock may also plan,
    and who may write beside may apply."""
    held = set(rights)
    if Right.ADMIN in held:
        return frozenset(Right)
    if Right.READ in held and Right.LOCK in held:
        held.add(Right.APPLY if Right.WRITE in held else Right.PLAN)
    if Right.APPLY in held:
        held |= {Right.PLAN, Right.LOCK}
    if Right.PLAN in held:
        held.add(Right.READ)
    if Right.READ in held:
        held.add(Right.READ_OUTPUTS)
    return frozenset(held)


def joined(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """One grant for each place, in order, with all rights given there."""
    rights: dict[tuple[str, str, bool], set[Right]] = {}
    for each in grants:
        rights.setdefault((each.namespace, each.prefix, each.exact), set()).update(each.rights)
    return tuple(
        Grant(place[0], place[1], tuple(right for right in Right if right in rights[place]), place[2])
        for place in sorted(rights)
    )


def narrowed(held: Iterable[Grant], scope: Iterable[Grant] | None) -> tuple[Grant, ...]:
    """What both allow: each place and right of `held` that is also in `scope`; all of `held` when there is no scope."""
    if scope is None:
        return tuple(held)
    wanted = tuple(scope)
    found: list[Grant] = []
    for own in held:
        for other in wanted:
            namespace = _narrower(own.namespace, other.namespace)
            prefix = max(own.prefix, other.prefix, key=len)
            rights = closed(own.rights) & closed(other.rights)
            if namespace and rights and _holds(own, prefix) and _holds(other, prefix):
                found.append(Grant(namespace, prefix, tuple(rights), own.exact or other.exact))
    return joined(found)


def covered(wanted: Iterable[Grant], held: Iterable[Grant]) -> bool:
    """Whether `held` gives all that `wanted` does."""
    return all(
        any(
            own.namespace in ("*", each.namespace)
            and (own.prefix == each.prefix and each.exact if own.exact else each.prefix.startswith(own.prefix))
            and right in closed(own.rights)
            for own in held
        )
        for each in wanted
        for right in closed(each.rights)
    )


def teams_of(tx: Reader, principal: Principal) -> list[Principal]:
    """The living teams that a principal is in, by name."""
    if principal.kind in (Kind.TEAM, Kind.ROLE):
        return []
    found = (tx.principal(each.team) for each in tx.memberships_of(principal.id))
    return sorted((each for each in found if each is not None and not each.revoked_at), key=lambda each: each.name)


def effective(tx: Reader, principal: Principal) -> tuple[Grant, ...]:
    """The principal's own grants and those of its teams."""
    teams = teams_of(tx, principal)
    if not teams:
        return principal.grants
    return joined((*principal.grants, *(grant for team in teams for grant in team.grants)))


def _holds(grant: Grant, key: str) -> bool:
    return key == grant.prefix if grant.exact else key.startswith(grant.prefix)


def _narrower(one: str, other: str) -> str:
    """The namespaces that both name; empty: none."""
    if other in (one, "*"):
        return one
    return other if one == "*" else ""
