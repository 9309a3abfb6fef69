"""Maintenance: start, list, end."""

from __future__ import annotations

from collections.abc import Sequence

from lockhouse.core.maintenance import Maintenance
from lockhouse.core.ports import Reader
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.api import wire_maintenance as wire
from lockhouse.protocols.api.call import Call
from lockhouse.protocols.api.wire import MaintenanceDocument
from lockhouse.service import maintenance, namespaces
from lockhouse.service.maintenance import Place


async def start(call: Call) -> wire.StartedMaintenance:
    asked = call.document(wire.MaintenanceAsk)
    if asked.until and asked.lasts:
        raise RequestInvalid(
            "cannot tell when it ends: give until, or lasts", hint="for example: lasts=3600", argument="until"
        )
    place = Place(call.path["namespace"], asked.prefix, asked.exact)
    until = call.caller.now + asked.lasts if asked.lasts else asked.until or 0.0
    new_id = f"maintenance-{call.house.engine.nonce()}"
    made, before = await call.house.write(
        lambda tx: maintenance.start(tx, call.caller, place, new_id, asked.reason, until)
    )
    call.house.locking.maintenance_changed(made)
    return wire.StartedMaintenance(
        maintenance=wire.document(made), before=wire.document(before) if before is not None else None
    )


async def end(call: Call) -> MaintenanceDocument:
    place = Place(call.path["namespace"], call.query.get("prefix", ""), call.switch("exact"))
    ended = await call.house.write(lambda tx: maintenance.end(tx, call.caller, place))
    call.house.locking.maintenance_changed(ended)
    return wire.document(ended)


async def list_all(call: Call) -> wire.Maintenances:
    namespace = call.query.get("namespace", "")

    def look(tx: Reader) -> Sequence[Maintenance]:
        if namespace:
            namespaces.get(tx, call.caller, namespace)
        return maintenance.list_all(tx, call.caller, namespace)

    found = await call.house.read(look)
    return wire.Maintenances(maintenances=tuple(wire.document(each) for each in found))
