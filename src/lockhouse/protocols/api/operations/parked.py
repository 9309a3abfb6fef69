"""Parked writes: what had to be refused, waiting for somebody to accept or drop it."""

from __future__ import annotations

from lockhouse.core.ports import Reader
from lockhouse.core.records import Parked
from lockhouse.core.versions import Version
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.api import views, wire
from lockhouse.protocols.api.call import Call, Download
from lockhouse.runtime.outgoing import give_out
from lockhouse.service import objects, parking
from lockhouse.service.objects import Found


async def list_all(call: Call) -> wire.ParkedList:
    limit, after = call.limit(), call.query.get("after", "")
    namespace, key = call.query.get("namespace", ""), call.query.get("key", "")
    if key and not namespace:
        raise RequestInvalid(
            "cannot list the parked writes of a key without its namespace",
            hint="add &namespace=NAMESPACE to the address, or leave out the key",
            argument="key",
        )

    def query(tx: Reader) -> wire.ParkedList:
        found = parking.list_parked(tx, call.caller, namespace, key, after, limit)
        return wire.ParkedList(
            parked=tuple(views.parked(each, _current(tx, each)) for each in found),
            next=found[-1].id if len(found) == limit else "",
        )

    return await call.house.read(query)


async def show(call: Call) -> wire.ParkedDocument:
    def query(tx: Reader) -> wire.ParkedDocument:
        found = parking.get_parked(tx, call.caller, call.path["id"])
        return views.parked(found, _current(tx, found))

    return await call.house.read(query)


async def download(call: Call) -> Download:
    def query(tx: Reader) -> Parked:
        found = parking.get_parked(tx, call.caller, call.path["id"])
        state, current = tx.state(found.address), _current(tx, found)
        if state is not None and current is not None:
            objects.require_shared(call.caller, Found(state, current))
        return found

    found = await call.house.read(query)
    body = await give_out(found.body, call.house.bodies)
    return Download(body, f"{found.id}.tfstate", found.content_type or "application/json")


async def accept(call: Call) -> wire.VersionDocument:
    result = await call.house.accept_parked(call.caller, call.path["id"])
    return views.version(result.version, result.version.seq)


async def drop(call: Call) -> None:
    await call.house.write(lambda tx: parking.drop_parked(tx, call.caller, call.path["id"]))


def _current(tx: Reader, parked: Parked) -> Version | None:
    state = tx.state(parked.address)
    return tx.current(state, packed=False) if state is not None and state.current else None
