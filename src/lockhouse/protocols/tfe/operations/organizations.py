"""Organizations: the namespaces that the caller sees, and what they are entitled to."""

from __future__ import annotations

from lockhouse.protocols.tfe import documents
from lockhouse.protocols.tfe.call import Call, respond, respond_one
from lockhouse.protocols.tfe.wire import page_of
from lockhouse.protocols.web import Response
from lockhouse.service import namespaces


async def ping(call: Call) -> Response:
    """Only the headers are read; the body says that we are here."""
    del call
    return Response(204)


async def list_all(call: Call) -> Response:
    caller, query = call.caller, call.query
    wanted = query.get("q").lower()
    found = [
        each
        for each in await call.house.read(lambda tx: namespaces.list_all(tx, caller))
        if wanted in each.name.lower()
    ]
    number, size = query.page()
    page = [documents.organization(each, caller.who) for each in found[(number - 1) * size : number * size]]
    return respond(page_of(page, query, len(found)))


async def show(call: Call) -> Response:
    caller, name = call.caller, call["org"]
    namespace = await call.house.read(lambda tx: namespaces.get(tx, caller, name))
    return respond_one(documents.organization(namespace, caller.who))


async def create(call: Call) -> Response:
    caller, document = call.caller, await call.document()
    name = document.text("name")
    required = call.house.require_lock
    namespace = await call.house.write(lambda tx: namespaces.create(tx, caller, name, require_lock=required))
    return respond_one(documents.organization(namespace, caller.who), 201)


async def entitlements(call: Call) -> Response:
    caller, name = call.caller, call["org"]
    await call.house.read(lambda tx: namespaces.get(tx, caller, name))
    return respond_one(documents.entitlement_set(name))


async def account(call: Call) -> Response:
    return respond_one(documents.account(call.caller.who))
