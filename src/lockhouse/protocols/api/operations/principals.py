"""Keys, roles, their grants, and tokens. Whatever changes access tells the authenticator after the commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lockhouse.auth import keys as credentials
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Credential, Principal
from lockhouse.protocols.api import views, wire
from lockhouse.protocols.api.call import Call
from lockhouse.service import access
from lockhouse.service.access import Member, NewPrincipal

T = TypeVar("T")
_ROLES = ("role",)


async def create_key(call: Call) -> wire.CreatedKey:
    asked = call.document(wire.KeyAsk)
    principal = credentials.new_principal_id()
    key = credentials.new_access_key(principal, call.caller.now)
    grants = wire.grants_of(asked.grants) or access.default_grants()
    new = NewPrincipal(id=principal, name=asked.name, grants=grants, credentials=(key,))
    made = await _change(call, lambda tx: access.create(tx, call.caller, new))
    return _created(call, made, key)


async def create_access_key(call: Call) -> wire.CreatedKey:
    """One more access key of the same principal, so that it can be rotated without a gap."""
    key = credentials.new_access_key("", call.caller.now)
    owner = await _change(call, lambda tx: access.add_credential(tx, call.caller, call.path["name"], key))
    return _created(call, owner, key)


async def list_keys(call: Call) -> wire.Principals:
    return await _list(call, access.ACCOUNTS)


async def list_roles(call: Call) -> wire.Principals:
    return await _list(call, _ROLES)


async def show(call: Call) -> wire.PrincipalDocument:
    return await call.house.read(lambda tx: _document(call, tx, access.show(tx, call.caller, call.path["name"])))


async def revoke(call: Call) -> None:
    await _change(call, lambda tx: access.revoke(tx, call.caller, call.path["name"]))


async def grant(call: Call) -> wire.PrincipalDocument:
    added = wire.grants_of(call.document(wire.GrantsAsk).grants)
    await _change(call, lambda tx: access.grant(tx, call.caller, call.path["name"], added))
    return await show(call)


async def ungrant(call: Call) -> wire.PrincipalDocument:
    removed = wire.grants_of(call.document(wire.GrantsAsk).grants)
    await _change(call, lambda tx: access.ungrant(tx, call.caller, call.path["name"], removed))
    return await show(call)


async def create_role(call: Call) -> wire.RoleDocument:
    asked = call.document(wire.RoleAsk)
    new = NewPrincipal(
        id=credentials.new_principal_id(),
        name=asked.name,
        grants=wire.grants_of(asked.grants),
        kind="role",
        trusted=asked.trusted,
    )
    role = await _change(call, lambda tx: access.create(tx, call.caller, new))
    return wire.RoleDocument(
        name=role.name,
        arn=wire.role_arn(call.api.settings.account_id, role),
        grants=wire.grant_documents(role.grants),
    )


async def trust(call: Call) -> wire.PrincipalDocument:
    names = call.document(wire.TrustAsk).names
    await _change(call, lambda tx: access.trust(tx, call.caller, call.path["name"], names))
    return await show(call)


async def create_token(call: Call) -> wire.CreatedToken:
    asked = call.document(wire.TokenAsk)
    now = call.caller.now
    token = credentials.new_token("", now, now + asked.expires_in if asked.expires_in else 0.0)
    name = asked.name or await call.house.read(lambda tx: access.name_of(tx, call.caller))
    owner = await _change(call, lambda tx: access.add_credential(tx, call.caller, name, token.credential))
    return wire.CreatedToken(
        name=owner.name,
        id=token.credential.id,
        token=token.text,
        expires_at=wire.when(token.credential.expires_at),
    )


async def revoke_credential(call: Call) -> wire.Revoked:
    ended = await _change(call, lambda tx: access.revoke_credential(tx, call.caller, call.path["id"]))
    return wire.Revoked(id=ended.id)


def _created(call: Call, owner: Principal, key: Credential) -> wire.CreatedKey:
    return wire.CreatedKey(
        name=owner.name,
        access_key_id=key.id,
        secret_access_key=call.api.authenticator.secret_access_key(key),
        grants=wire.grant_documents(owner.grants),
    )


async def _list(call: Call, kinds: tuple[str, ...]) -> wire.Principals:
    def query(tx: Reader) -> tuple[wire.PrincipalDocument, ...]:
        return tuple(_document(call, tx, member) for member in access.list_members(tx, call.caller, kinds))

    return wire.Principals(principals=await call.house.read(query))


def _document(call: Call, tx: Reader, member: Member) -> wire.PrincipalDocument:
    trusted = (tx.principal(each) for each in member.principal.trusted)
    names = tuple(each.name for each in trusted if each is not None and not each.revoked_at)
    return views.principal(member, call.api.authenticator.last_used, names)


async def _change(call: Call, command: Callable[[Transaction], T]) -> T:
    try:
        return await call.house.write(command)
    finally:
        # Also when the outcome is unknown: reading anew costs little, an old grant too much.
        call.api.authenticator.changed()
