"""Projects: groups of workspaces inside an organization."""

from __future__ import annotations

import msgspec

from lockhouse.core.workspaces import Project
from lockhouse.protocols.tfe import documents
from lockhouse.protocols.tfe.call import Call, no_content, respond, respond_one
from lockhouse.protocols.tfe.wire import bindings_of, page_of
from lockhouse.protocols.web import Response
from lockhouse.service import projects


async def list_all(call: Call) -> Response:
    caller, namespace, query = call.caller, call["org"], call.query
    found = await call.house.read(lambda tx: projects.list_all(tx, caller, namespace))
    names = query.words("filter[names]")
    chosen = [
        each for each in found if (not names or each.name in names) and query.get("q").lower() in each.name.lower()
    ]
    number, size = query.page()
    page = [documents.project(each, caller.who) for each in chosen[(number - 1) * size : number * size]]
    return respond(page_of(page, query, len(chosen)))


async def create(call: Call) -> Response:
    caller, document = call.caller, await call.document()
    project = Project(
        id=call.new_id("prj-"),
        namespace=call["org"],
        name=document.text("name"),
        at=caller.now,
        description=document.text("description"),
        bindings=bindings_of(document.related("tag-bindings") or []),
    )
    await call.house.write(lambda tx: projects.create(tx, caller, project))
    return respond_one(documents.project(project, caller.who), 201)


async def show(call: Call) -> Response:
    return respond_one(documents.project(await _get(call), call.caller.who))


async def change(call: Call) -> Response:
    caller, document, project = call.caller, await call.document(), await _get(call)
    bindings = document.related("tag-bindings")
    changed = msgspec.structs.replace(
        project,
        name=document.text("name", project.name),
        description=document.text("description", project.description),
        bindings=project.bindings if bindings is None else bindings_of(bindings),
    )
    await call.house.write(lambda tx: projects.change(tx, caller, changed))
    return respond_one(documents.project(changed, caller.who))


async def delete(call: Call) -> Response:
    caller, project_id = call.caller, call["id"]
    await call.house.write(lambda tx: projects.delete(tx, caller, project_id))
    return no_content()


async def list_bindings(call: Call) -> Response:
    return respond({"data": list(documents.tag_bindings((await _get(call)).bindings))})


async def add_bindings(call: Call) -> Response:
    caller, document, project = call.caller, await call.document(), await _get(call)
    changed = msgspec.structs.replace(project, bindings=project.bindings | bindings_of(document.items))
    await call.house.write(lambda tx: projects.change(tx, caller, changed))
    return respond({"data": list(documents.tag_bindings(changed.bindings))})


async def _get(call: Call) -> Project:
    caller, project_id = call.caller, call["id"]
    return await call.house.read(lambda tx: projects.get(tx, caller, project_id))
