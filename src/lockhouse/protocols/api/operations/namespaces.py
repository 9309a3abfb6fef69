"""Namespaces: create, list, show, change, delete."""

from __future__ import annotations

import uuid

from lockhouse.core.items import lock_table
from lockhouse.core.ports import Transaction
from lockhouse.core.records import Namespace
from lockhouse.protocols.api import views, wire
from lockhouse.protocols.api.call import Call
from lockhouse.service import namespaces, tables


async def create(call: Call) -> wire.NamespaceDocument:
    asked = call.document(wire.NamespaceAsk)
    required = call.api.settings.require_lock if asked.require_lock is None else asked.require_lock
    table = lock_table(asked.lock_table, str(uuid.uuid4()), call.caller.now) if asked.lock_table else None

    def command(tx: Transaction) -> Namespace:
        mine = call.api.settings.region
        known = (
            namespaces.ensure(
                tx,
                call.caller,
                asked.name,
                asked.region,
                default_region=mine,
                require_lock=asked.require_lock,
            )
            if asked.if_not_exists
            else None
        )
        made = known or namespaces.create(tx, call.caller, asked.name, asked.region or mine, require_lock=required)
        if table is not None:
            tables.ensure_lock_table(tx, call.caller, table)
        return made

    return views.namespace(await call.house.write(command))


async def list_all(call: Call) -> wire.Namespaces:
    limit = call.limit()
    after = call.query.get("after", "")
    found = await call.house.read(lambda tx: namespaces.list_all(tx, call.caller, after, limit))
    return wire.Namespaces(
        namespaces=tuple(views.namespace(each) for each in found), next=found[-1].name if len(found) == limit else ""
    )


async def show(call: Call) -> wire.NamespaceDocument:
    return views.namespace(await call.house.read(lambda tx: namespaces.get(tx, call.caller, call.path["namespace"])))


async def change(call: Call) -> wire.NamespaceDocument:
    required = call.document(wire.NamespaceChange).require_lock
    name = call.path["namespace"]
    return views.namespace(
        await call.house.write(lambda tx: namespaces.set_require_lock(tx, call.caller, name, required=required))
    )


async def delete(call: Call) -> None:
    await call.house.write(lambda tx: namespaces.delete(tx, call.caller, call.path["namespace"]))
