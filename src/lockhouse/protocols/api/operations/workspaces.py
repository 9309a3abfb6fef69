"""Workspaces: the names by which `cloud {}` and `backend "remote"` find states."""

from __future__ import annotations

from lockhouse.core.addresses import Address
from lockhouse.core.workspaces import new_workspace_id
from lockhouse.protocols.api import wire
from lockhouse.protocols.api.call import Call
from lockhouse.service import workspaces
from lockhouse.service.workspaces import View


async def list_all(call: Call) -> wire.Workspaces:
    caller, namespace, nonce = call.caller, call.path["namespace"], call.house.engine.nonce
    await call.house.adopt_workspaces(caller, namespace, lambda: new_workspace_id(nonce()))
    found = await call.house.read(lambda tx: workspaces.list_all(tx, caller, namespace))
    return wire.Workspaces(workspaces=tuple(_document(each) for each in found))


async def name_state(call: Call) -> wire.WorkspaceDocument:
    asked = call.document(wire.WorkspaceAsk)
    address, name = Address(call.path["namespace"], asked.key), call.path["name"]
    new_id = new_workspace_id(call.house.engine.nonce())
    return _document(await call.house.write(lambda tx: workspaces.name_state(tx, call.caller, address, name, new_id)))


def _document(view: View) -> wire.WorkspaceDocument:
    found = view.workspace
    return wire.WorkspaceDocument(
        id=found.id,
        namespace=found.address.namespace,
        name=found.name,
        key=found.address.key,
        project=view.project.name,
        tags=(*found.tags, *(f"{key}={value}" for key, value in sorted(found.bindings.items()))),
    )
