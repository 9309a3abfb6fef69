"""Somebody comes in through an identity provider: what the operator's table adds to `service.teams`. Pure."""

from __future__ import annotations

import msgspec

from lockhouse.core.ports import Transaction
from lockhouse.core.principals import Identity, Link, Principal
from lockhouse.errors import AccessDenied
from lockhouse.service import audit, teams
from lockhouse.service.callers import Caller


class Arrival(msgspec.Struct, frozen=True):
    """Somebody whom a provider authenticated and the admission rule lets in."""

    link: Link
    groups: tuple[tuple[str, str], ...] | None
    """(id, name) of each; None: nothing is known of groups, so memberships stay as they are."""
    new_id: str
    """For a user who is not known yet."""


class Rule(msgspec.Struct, frozen=True):
    """What the operator says of those who come."""

    create: bool = True
    teams: tuple[tuple[str, str], ...] = ()
    """(group's name or id, team's name)."""


def arrive(tx: Transaction, caller: Caller, arrival: Arrival, rule: Rule) -> Principal:
    """The user, up to date and in the teams that their groups say. `caller`: nobody yet, from where they come.

    Errors as `teams.sign_in`; `access.denied` also for somebody new where users are not made."""
    link, now = arrival.link, caller.now
    known = tx.principal_linked(link.issuer, link.subject)
    if not rule.create and known is None:
        raise AccessDenied(
            "cannot sign you in: you are not a user of this server",
            hint="ask an administrator to add you",
            right="sign-in",
        )
    user = teams.sign_in(tx, link, arrival.new_id, now)
    caller = msgspec.structs.replace(caller, who=Identity(user.id, user.name, "", ()))
    if known is None:
        audit.note(tx, caller, "principal.create", subject=user.name, detail=f"user of {link.issuer}")
    if arrival.groups is not None:
        before = [each.team for each in tx.memberships_of(user.id)]
        named = [team for group in arrival.groups for wanted, team in rule.teams if wanted in group]
        found = teams.follow_directory(tx, user, link.issuer, [group[0] for group in arrival.groups], now, named=named)
        if before != [each.team for each in tx.memberships_of(user.id)]:
            audit.note(tx, caller, "team.change", subject=user.name, detail=f"in {', '.join(found)}")
    return user
