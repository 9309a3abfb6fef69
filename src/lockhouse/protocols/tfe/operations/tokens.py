"""API tokens of the caller, and the one token of an organization. A token's text is answered once, when it is made."""

from __future__ import annotations

from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Credential, Grant, Right, require
from lockhouse.errors import PrincipalNotFound
from lockhouse.protocols.tfe import documents
from lockhouse.protocols.tfe.call import Call, no_content, respond, respond_one
from lockhouse.protocols.tfe.wire import page_of
from lockhouse.protocols.web import Response
from lockhouse.service import access, namespaces
from lockhouse.service.access import DEFAULT_RIGHTS, NewPrincipal

_TOKEN = "token"  # noqa: S105 - the kind of a credential


async def list_own(call: Call) -> Response:
    _require_self(call)
    principal = call.caller.who.principal
    found = [each for each in await call.house.read(lambda tx: _living(tx, principal)) if each.kind == _TOKEN]
    number, size = call.query.page()
    page = [documents.token(each) for each in found[(number - 1) * size : number * size]]
    return respond(page_of(page, call.query, len(found)))


async def create_own(call: Call) -> Response:
    _require_self(call)
    caller = call.caller
    made = call.tokens.new_token(caller.who.principal)
    await call.house.write(lambda tx: access.add_credential(tx, caller, caller.who.name, made.credential))
    call.tokens.changed()
    return respond_one(documents.token(made.credential, text=made.text), 201)


async def show(call: Call) -> Response:
    wanted, principal = call["id"].removeprefix("at-"), call.caller.who.principal
    for each in await call.house.read(lambda tx: _living(tx, principal)):
        if each.id == wanted and each.kind == _TOKEN:
            return respond_one(documents.token(each))
    raise PrincipalNotFound(f"cannot find the token {call['id']!r}", hint="lockhouse token list")


async def revoke(call: Call) -> Response:
    caller, wanted = call.caller, call["id"].removeprefix("at-")
    await call.house.write(lambda tx: access.revoke_credential(tx, caller, wanted))
    call.tokens.changed()
    return no_content()


async def show_organization(call: Call) -> Response:
    caller, namespace = call.caller, call["org"]
    await call.house.read(lambda tx: _administer(tx, call))
    owner = await call.house.read(lambda tx: tx.principal_named(_name(namespace)))
    found = await call.house.read(lambda tx: _living(tx, owner.id)) if owner is not None else []
    if not found:
        raise PrincipalNotFound(
            f"cannot find a token of the organization {namespace}",
            hint=f"make one: lockhouse token create --name {namespace}",
        )
    del caller
    return respond_one(documents.token(found[-1], owner=owner))


async def create_organization(call: Call) -> Response:
    """A new token that may do everything but administer in this organization; the one before it ends."""
    caller, namespace = call.caller, call["org"]
    made = call.tokens.new_token(call.new_id("P"))
    new = NewPrincipal(
        id=made.credential.principal,
        name=_name(namespace),
        grants=(Grant(namespace, "", DEFAULT_RIGHTS),),
        credentials=(made.credential,),
    )

    def command(tx: Transaction) -> None:
        _administer(tx, call)
        if tx.principal_named(new.name) is not None:
            access.revoke(tx, caller, new.name)
        access.create(tx, caller, new)

    await call.house.write(command)
    call.tokens.changed()
    return respond_one(documents.token(made.credential, text=made.text), 201)


async def revoke_organization(call: Call) -> Response:
    caller, namespace = call.caller, call["org"]

    def command(tx: Transaction) -> None:
        _administer(tx, call)
        access.revoke(tx, caller, _name(namespace))

    await call.house.write(command)
    call.tokens.changed()
    return no_content()


def _name(namespace: str) -> str:
    return f"org-{namespace}"[:64]


def _administer(tx: Reader, call: Call) -> None:
    namespaces.get(tx, call.caller, call["org"])
    require(call.caller.who, Right.ADMIN, call["org"])


def _living(tx: Reader, principal: str) -> list[Credential]:
    return sorted((each for each in tx.credentials(principal) if not each.revoked_at), key=lambda each: each.at)


def _require_self(call: Call) -> None:
    if call["user"] != documents.user_id(call.caller.who.principal):
        raise PrincipalNotFound(f"cannot find the user {call['user']!r}", hint="lockhouse access list --kind user")
