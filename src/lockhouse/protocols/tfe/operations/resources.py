"""The resources of a workspace's current state. Source: HCP Terraform API, "Workspace Resources"."""

from __future__ import annotations

import hashlib

from lockhouse.core.resources import Instance, read_instances
from lockhouse.errors import StateNotFound
from lockhouse.protocols.tfe import documents
from lockhouse.protocols.tfe.call import Call, respond
from lockhouse.protocols.tfe.operations.workspaces import by_id
from lockhouse.protocols.tfe.wire import Json, moment, page_of, resource
from lockhouse.protocols.web import Response
from lockhouse.runtime.outgoing import whole


async def list_current(call: Call) -> Response:
    """The instances of the current version, in its order; none at all when there is no version."""
    owner = (await by_id(call)).workspace
    try:
        version = (await call.house.get(call.caller, owner.address)).version
    except StateNotFound:
        return respond(page_of([], call.query, 0))
    assert version.body is not None
    found = read_instances(await whole(version.body, call.house.bodies)) or []
    number, size = call.query.page()
    shown = found[(number - 1) * size : number * size]
    written = moment(version.at)
    version_id = documents.version_id(owner, version)
    listed = [_document(owner.id, each, written, version_id) for each in shown]
    return respond(page_of(listed, call.query, len(found)))


def _document(workspace_id: str, instance: Instance, written: str, version_id: str) -> Json:
    mark = hashlib.sha256(f"{workspace_id}\0{instance.address}".encode()).hexdigest()[:16]
    return resource(
        "resources",
        f"wsr-{mark}",
        {
            "address": instance.address,
            "name": instance.name,
            "module": instance.module,
            "provider": instance.provider,
            "provider-type": instance.type,
            "name-index": instance.index or None,
            "created-at": written,
            "updated-at": written,
            "modified-by-state-version-id": version_id,
        },
    )
