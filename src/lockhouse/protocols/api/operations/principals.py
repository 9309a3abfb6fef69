"""Principals of every kind, their grants, teams and credentials.

Whatever changes access tells the authenticator after the commit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from lockhouse.auth import keys as credentials
from lockhouse.core.federation import Trust
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Credential, Kind, Principal
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.api import views, wire, wire_access
from lockhouse.protocols.api.call import Call
from lockhouse.service import access, teams
from lockhouse.service.access import Member, NewPrincipal

T = TypeVar("T")
_ROLES = ("role",)


async def create_key(call: Call) -> wire_access.CreatedKey:
    asked = call.document(wire_access.KeyAsk)
    principal = credentials.new_principal_id()
    key = credentials.new_access_key(principal, call.caller.now)
    grants = wire_access.grants_of(asked.grants) or access.default_grants()
    new = NewPrincipal(id=principal, name=asked.name, grants=grants, credentials=(key,))
    made = await _change(call, lambda tx: access.create(tx, call.caller, new))
    return _created(call, made, key)


async def create_access_key(call: Call) -> wire_access.CreatedKey:
    """One more access key of the same principal, so that it can be rotated without a gap."""
    key = credentials.new_access_key("", call.caller.now)
    owner = await _change(call, lambda tx: access.add_credential(tx, call.caller, call.path["name"], key))
    return _created(call, owner, key)


async def list_keys(call: Call) -> wire_access.Principals:
    return await _list(call, access.ACCOUNTS)


async def list_roles(call: Call) -> wire_access.Principals:
    return await _list(call, _ROLES)


async def create(call: Call) -> wire_access.PrincipalDocument:
    """A principal without credentials: users sign in, and others are given tokens and keys."""
    asked = call.document(wire_access.PrincipalAsk)
    if asked.kind in (Kind.ROLE, Kind.ADMINISTRATOR, Kind.KEY):
        raise RequestInvalid(
            f"cannot create a principal of the kind {asked.kind} here",
            hint="lockhouse role create, or lockhouse key create",
            argument="kind",
        )
    new = NewPrincipal(
        id=credentials.new_principal_id(),
        name=asked.name,
        grants=wire_access.grants_of(asked.grants),
        kind=asked.kind,
        link=wire_access.link_of(asked.link),
        namespace=asked.namespace,
        trust=_trust(call, asked.trust),
    )
    await _change(call, lambda tx: access.create(tx, call.caller, new))
    return await call.house.read(lambda tx: _document(call, tx, access.show(tx, call.caller, new.name)))


async def list_all(call: Call) -> wire_access.Principals:
    kind = call.query.get("kind", "")
    if kind and kind not in set(Kind):
        raise RequestInvalid(
            f"cannot list the kind {kind[:40]!r}: there is none",
            hint="lockhouse access list shows the kinds",
            argument="kind",
        )
    return await _list(call, (kind,) if kind else tuple(Kind))


async def link(call: Call) -> wire_access.PrincipalDocument:
    wanted = wire_access.link_of(call.document(wire_access.LinkAsk))
    await _change(call, lambda tx: teams.link(tx, call.caller, call.path["name"], wanted))
    return await show(call)


async def set_teams(call: Call) -> wire_access.PrincipalDocument:
    names = call.document(wire_access.TeamsAsk).teams
    await _change(call, lambda tx: teams.set_memberships(tx, call.caller, call.path["name"], names))
    return await show(call)


async def list_members(call: Call) -> wire_access.Members:
    team = call.path["name"]
    return views.members(team, await call.house.read(lambda tx: teams.members(tx, call.caller, team)))


async def add_member(call: Call) -> wire_access.Members:
    await _change(call, lambda tx: teams.add_member(tx, call.caller, call.path["name"], call.path["member"]))
    return await list_members(call)


async def remove_member(call: Call) -> wire_access.Members:
    await _change(call, lambda tx: teams.remove_member(tx, call.caller, call.path["name"], call.path["member"]))
    return await list_members(call)


async def show(call: Call) -> wire_access.PrincipalDocument:
    return await call.house.read(lambda tx: _document(call, tx, access.show(tx, call.caller, call.path["name"])))


async def revoke(call: Call) -> None:
    await _change(call, lambda tx: access.revoke(tx, call.caller, call.path["name"]))


async def grant(call: Call) -> wire_access.PrincipalDocument:
    added = wire_access.grants_of(call.document(wire_access.GrantsAsk).grants)
    await _change(call, lambda tx: access.grant(tx, call.caller, call.path["name"], added))
    return await show(call)


async def ungrant(call: Call) -> wire_access.PrincipalDocument:
    removed = wire_access.grants_of(call.document(wire_access.GrantsAsk).grants)
    await _change(call, lambda tx: access.ungrant(tx, call.caller, call.path["name"], removed))
    return await show(call)


async def create_role(call: Call) -> wire_access.RoleDocument:
    asked = call.document(wire_access.RoleAsk)
    new = NewPrincipal(
        id=credentials.new_principal_id(),
        name=asked.name,
        grants=wire_access.grants_of(asked.grants),
        kind="role",
        trusted=asked.trusted,
    )
    role = await _change(call, lambda tx: access.create(tx, call.caller, new))
    return wire_access.RoleDocument(
        name=role.name,
        arn=wire_access.role_arn(call.api.settings.account_id, role),
        grants=wire_access.grant_documents(role.grants),
    )


async def trust(call: Call) -> wire_access.PrincipalDocument:
    names = call.document(wire_access.TrustAsk).names
    await _change(call, lambda tx: access.trust(tx, call.caller, call.path["name"], names))
    return await show(call)


async def create_token(call: Call) -> wire_access.CreatedToken:
    token = credentials.new_token("", call.caller.now)
    owner, made = await _add(call, token.credential)
    return wire_access.CreatedToken(
        name=owner.name, id=made.id, token=token.text, expires_at=wire.when(made.expires_at)
    )


async def create_scoped_access_key(call: Call) -> wire_access.CreatedKey:
    """An access key that may be narrower than its principal and may end."""
    owner, made = await _add(call, credentials.new_access_key("", call.caller.now))
    return _created(call, owner, made)


async def rotate(call: Call) -> wire_access.RotatedCredential:
    """A new credential in the place of one."""
    grace, wanted = call.document(wire_access.RotateAsk).grace, call.path["id"]
    old, _ = await call.house.read(lambda tx: access.credential_by_id(tx, call.caller, wanted))
    token = credentials.new_token("", call.caller.now)
    is_token = old.kind == credentials.TOKEN
    new = token.credential if is_token else credentials.new_access_key("", call.caller.now)

    def command(tx: Transaction) -> tuple[Principal, Credential, Credential]:
        made = access.rotate(tx, call.caller, wanted, new, grace)
        owner, ended = tx.principal(made.principal), tx.credential(wanted)
        assert owner is not None
        assert ended is not None
        return owner, made, ended

    owner, made, ended = await _change(call, command)
    return wire_access.RotatedCredential(
        name=owner.name,
        id=made.id,
        kind=made.kind,
        token=token.text if is_token else "",
        secret_access_key="" if is_token else call.api.authenticator.secret_access_key(made),
        expires_at=wire.when(made.expires_at),
        old=ended.id,
        old_ends_at=wire.when(ended.revoked_at or ended.expires_at),
    )


async def revoke_credential(call: Call) -> wire_access.Revoked:
    ended = await _change(call, lambda tx: access.revoke_credential(tx, call.caller, call.path["id"]))
    return wire_access.Revoked(id=ended.id)


async def _add(call: Call, bare: Credential) -> tuple[Principal, Credential]:
    """The credential with what was asked for it, stored."""
    asked = call.document(wire_access.TokenAsk)
    wanted = msgspec.structs.replace(
        bare,
        expires_at=call.caller.now + asked.expires_in if asked.expires_in else 0.0,
        scope=None if asked.scope is None else wire_access.grants_of(asked.scope),
        description=asked.description,
    )
    name = asked.name or await call.house.read(lambda tx: access.name_of(tx, call.caller))

    def command(tx: Transaction) -> tuple[Principal, Credential]:
        owner = access.add_credential(tx, call.caller, name, wanted)
        made = tx.credential(wanted.id)
        assert made is not None
        return owner, made

    return await _change(call, command)


def _created(call: Call, owner: Principal, key: Credential) -> wire_access.CreatedKey:
    return wire_access.CreatedKey(
        name=owner.name,
        access_key_id=key.id,
        secret_access_key=call.api.authenticator.secret_access_key(key),
        grants=wire_access.grant_documents(owner.grants),
    )


async def _list(call: Call, kinds: tuple[str, ...]) -> wire_access.Principals:
    def query(tx: Reader) -> tuple[wire_access.PrincipalDocument, ...]:
        return tuple(_document(call, tx, member) for member in access.list_members(tx, call.caller, kinds))

    return wire_access.Principals(principals=await call.house.read(query))


def _document(call: Call, tx: Reader, member: Member) -> wire_access.PrincipalDocument:
    trusted = (tx.principal(each) for each in member.principal.trusted)
    names = tuple(each.name for each in trusted if each is not None and not each.revoked_at)
    return views.principal(member, call.api.authenticator.last_used, names, call.api.settings.account_id)


def _trust(call: Call, asked: wire_access.TrustPolicy | None) -> Trust | None:
    if asked is None:
        return None
    listed = call.api.settings.ci_issuers
    if asked.issuer not in listed:
        raise RequestInvalid(
            f"cannot trust {asked.issuer!r}: the issuers of this server are {', '.join(listed)}",
            hint="name it in the setting ci_issuers",
            argument="issuer",
        )
    return Trust(asked.issuer, asked.audience, asked.claims, asked.seconds, asked.proposals)


async def _change(call: Call, command: Callable[[Transaction], T]) -> T:
    try:
        return await call.house.write(command)
    finally:
        # Also when the outcome is unknown: reading anew costs little, an old grant too much.
        call.api.authenticator.changed()
