"""Outputs of state versions. Sensitive values are null in lists, and shown where they are asked for by id."""

from __future__ import annotations

from lockhouse.core.outputs import Output, read_outputs
from lockhouse.core.versions import Version
from lockhouse.core.workspaces import StateUpload, Workspace
from lockhouse.errors import StateNotFound, VersionNotFound
from lockhouse.protocols.tfe import documents
from lockhouse.protocols.tfe.call import Call, respond, respond_one
from lockhouse.protocols.tfe.operations.finding import find
from lockhouse.protocols.tfe.operations.workspaces import by_id
from lockhouse.protocols.tfe.wire import Json, page_of
from lockhouse.protocols.web import Response
from lockhouse.runtime.outgoing import whole


async def of_version(call: Call, owner: Workspace, version: Version) -> list[Json]:
    """The outputs of a version as the caller may see them."""
    version_id = documents.version_id(owner, version)
    values = await _values(call, owner, version)
    return [documents.output(version_id, name, value, reveal=False) for name, value in values.items()]


async def _values(call: Call, owner: Workspace, version: Version) -> dict[str, Output]:
    found = (await call.house.get(call.caller, owner.address, version.id)).version
    assert found.body is not None
    return read_outputs(await whole(found.body, call.house.bodies)) or {}


async def list_current(call: Call) -> Response:
    """Outputs of the current version; none at all when there is no version (404 would be an error to clients)."""
    view = await by_id(call)
    try:
        found = await call.house.get(call.caller, view.workspace.address)
    except StateNotFound:
        return respond(page_of([], call.query, 0))
    return _respond(call, await of_version(call, view.workspace, found.version))


async def list_of_version(call: Call) -> Response:
    owner, found = await call.house.read(lambda tx: find(tx, call, call["id"]))
    listed = [] if isinstance(found, StateUpload) else await of_version(call, owner, found)
    return _respond(call, listed)


def _respond(call: Call, listed: list[Json]) -> Response:
    number, size = call.query.page()
    if not call.query.get("page[number]") and not call.query.get("page[size]"):
        return respond({"data": list(listed)})
    return respond(page_of(listed[(number - 1) * size : number * size], call.query, len(listed)))


async def show(call: Call) -> Response:
    parsed = documents.parse_output_id(call["id"])
    if parsed is not None:
        version_id, mark = parsed
        owner, found = await call.house.read(lambda tx: find(tx, call, version_id))
        if not isinstance(found, StateUpload):
            for name, value in (await _values(call, owner, found)).items():
                if documents.is_marked(name, mark):
                    return respond_one(documents.output(version_id, name, value, reveal=True))
    raise VersionNotFound(
        f"cannot find the output {call['id']!r}", hint="read the outputs of the state version again: terraform output"
    )
