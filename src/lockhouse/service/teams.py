"""Users and teams: who signs in, and which teams that puts them into.

A user is known by the issuer and subject of an identity provider, never by an address of mail. A membership that a
directory gave (its `source` is the issuer) is replaced at each sign-in by what the directory says then; one that a
person gave stays until a person takes it away. Whoever calls `sign_in` has verified what the provider says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Kind, Link, Membership, Principal
from lockhouse.errors import AccessDenied, RequestInvalid
from lockhouse.service import access, audit
from lockhouse.service.callers import Caller

MAX_TEAMS = 500
_UNFIT = re.compile(r"[^A-Za-z0-9+=,.@_-]+")
_MEMBERS = (Kind.USER, Kind.SERVICE_ACCOUNT, Kind.CI_JOB, Kind.KEY, Kind.ADMINISTRATOR)


def sign_in(tx: Transaction, link: Link, new_id: str, now: float) -> Principal:
    """The user whom an identity provider names, made when first seen (without any grant), with the newest address of
    mail and display name. Errors: `access.denied` for a user who was revoked, until an administrator makes a user with
    this link again; `request.invalid` for a link without issuer or subject."""
    if not link.issuer or not link.subject:
        raise RequestInvalid(
            "cannot sign in: the identity provider named no issuer or no subject",
            hint="check the claims of the identity provider: docs/guide/sign-in.md",
            argument="link",
        )
    found = tx.principal_linked(link.issuer, link.subject)
    if found is None:
        found = Principal(new_id, _free_name(tx, link), (), now, Kind.USER, link=link)
        tx.save_principal(found)
        return found
    if found.revoked_at or found.kind != Kind.USER:
        raise AccessDenied(
            f"cannot sign in as {found.name}: an administrator ended this user",
            hint=f"lockhouse access create --kind user --name NAME --issuer {link.issuer} --subject {link.subject}",
            right="sign-in",
        )
    if found.link != link:
        found = msgspec.structs.replace(found, link=link)
        tx.save_principal(found)
    return found


def follow_directory(
    tx: Transaction, user: Principal, issuer: str, groups: Sequence[str], now: float, *, named: Sequence[str] = ()
) -> list[str]:
    """Put a user into exactly the teams that are linked to these groups of the issuer (and those of these names, which
    the operator's table adds), of those that are linked to any; answers the names of the teams. Memberships that a
    person gave stay."""
    wanted: dict[str, Principal] = {}
    linked = (tx.principal_linked(issuer, group) for group in dict.fromkeys(groups))
    for team in (*linked, *(tx.principal_named(name) for name in dict.fromkeys(named))):
        if team is not None and not team.revoked_at and team.kind == Kind.TEAM:
            wanted[team.id] = team
    held = {each.team: each for each in tx.memberships_of(user.id)}
    for team_id, membership in held.items():
        if membership.source == issuer and team_id not in wanted:
            tx.delete_membership(team_id, user.id)
    for team_id in list(wanted)[:MAX_TEAMS]:
        if team_id not in held:
            tx.save_membership(Membership(team_id, user.id, now, issuer))
    return sorted(each.name for each in wanted.values())


def set_memberships(tx: Transaction, caller: Caller, name: str, teams: Sequence[str]) -> list[Principal]:
    """Put a principal into exactly these teams (by name), of those that a person decides; what a directory gave stays.

    Needs `admin` over each team that changes. Errors: `principal.not_found`, `access.denied`, `request.invalid`."""
    member = _member(tx, caller, name)
    wanted = {team.id: team for team in (team_named(tx, caller, each) for each in teams)}
    if len(wanted) > MAX_TEAMS:
        raise RequestInvalid(
            f"cannot put {name} into more than {MAX_TEAMS} teams",
            hint=f"leave some: lockhouse access show {name}",
            argument="teams",
        )
    held = {each.team for each in tx.memberships_of(member.id) if not each.source}
    for team_id in sorted(held ^ set(wanted)):
        team = wanted.get(team_id) or tx.principal(team_id)
        assert team is not None
        access.require_over(tx, caller, team)
        if team_id in wanted:
            tx.save_membership(Membership(team_id, member.id, caller.now))
        else:
            tx.delete_membership(team_id, member.id)
    audit.note(tx, caller, "team.change", subject=name, detail=f"in {', '.join(teams)}")
    return sorted(wanted.values(), key=lambda each: each.name)


def add_member(tx: Transaction, caller: Caller, team_name: str, name: str) -> Principal:
    """Put a principal into a team; again is a success. Needs `admin` over the team.

    Errors: `principal.not_found`, `access.denied`, `request.invalid` for a team or role as a member."""
    team = team_named(tx, caller, team_name)
    access.require_over(tx, caller, team)
    member = _member(tx, caller, name)
    if len(tx.memberships_of(member.id)) >= MAX_TEAMS:
        raise RequestInvalid(
            f"cannot put {name} into more than {MAX_TEAMS} teams",
            hint=f"take it out of one: lockhouse team remove TEAM {name}",
            argument="name",
        )
    tx.save_membership(Membership(team.id, member.id, caller.now))
    audit.note(tx, caller, "team.join", subject=team_name, detail=name)
    return team


def remove_member(tx: Transaction, caller: Caller, team_name: str, name: str) -> Principal:
    """Take a principal out of a team; again is a success. Needs `admin` over the team. A directory that says otherwise
    puts a user back at the next sign-in. Errors: `principal.not_found`, `access.denied`."""
    team = team_named(tx, caller, team_name)
    access.require_over(tx, caller, team)
    tx.delete_membership(team.id, _member(tx, caller, name).id)
    audit.note(tx, caller, "team.leave", subject=team_name, detail=name)
    return team


def members(tx: Reader, caller: Caller, team_name: str) -> list[tuple[Principal, Membership]]:
    """Who is in a team, by name. For who administers it, and for its members. Errors: `principal.not_found`,
    `access.denied`."""
    team = team_named(tx, caller, team_name)
    found = tx.members_of(team.id)
    if caller.who.principal not in {team.id, *(each.member for each in found)}:
        access.require_over(tx, caller, team)
    known = ((tx.principal(each.member), each) for each in found)
    return sorted(
        ((who, each) for who, each in known if who is not None and not who.revoked_at), key=lambda pair: pair[0].name
    )


def team_named(tx: Reader, caller: Caller, name: str) -> Principal:
    """Errors: `principal.not_found`, `access.denied` (as `access.named`)."""
    team = access.named(tx, name, caller)
    if team.kind != Kind.TEAM:
        raise access.not_found(name, "team")
    return team


def link(tx: Transaction, caller: Caller, name: str, wanted: Link | None) -> Principal:
    """Say who a user is (or which group a team is) at an identity provider; None: nobody there. Needs to administer the
    whole server: whoever controls that account of the provider acts as this principal from then on.

    Errors: `principal.not_found`, `principal.exists` (somebody else has the link), `access.denied`,
    `request.invalid` for other kinds."""
    access.require_administrator(caller)
    found = access.named(tx, name, caller)
    if found.kind not in (Kind.USER, Kind.TEAM):
        raise RequestInvalid(
            f"cannot link {name}: it is neither a user nor a team",
            hint="lockhouse access list --kind user",
            argument="name",
        )
    if wanted is not None:
        access.refuse_taken(tx, wanted, found.id)
    found = msgspec.structs.replace(found, link=wanted)
    tx.save_principal(found)
    linked = f"{wanted.issuer} {wanted.subject}" if wanted is not None else "nobody"
    audit.note(tx, caller, "principal.link", subject=name, detail=linked)
    return found


def _member(tx: Reader, caller: Caller, name: str) -> Principal:
    found = access.named(tx, name, caller)
    if found.kind not in _MEMBERS:
        raise RequestInvalid(
            f"cannot put {name} into a team: it is a {found.kind}",
            hint="lockhouse access list --kind user",
            argument="name",
        )
    return found


def _free_name(tx: Reader, link: Link) -> str:
    """A name for a new user: the address of mail where it is free, else with a number."""
    wish = _UNFIT.sub("-", link.email or link.display_name or link.subject).lstrip("+=,.@_-")[:56] or "user"
    name, number = wish, 1
    while tx.principal_named(name) is not None:
        number += 1
        name = f"{wish}-{number}"
    return name
