"""Tags and tag bindings of workspaces and projects, and the consumers of a workspace's state."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from lockhouse.core.ports import Reader, Transaction
from lockhouse.errors import RequestInvalid, WorkspaceNotFound
from lockhouse.protocols.tfe import documents
from lockhouse.protocols.tfe.call import Call, no_content, respond
from lockhouse.protocols.tfe.operations.workspaces import by_id
from lockhouse.protocols.tfe.wire import Document, Json, attribute, bindings_of, page_of, resource
from lockhouse.protocols.web import Response
from lockhouse.service import workspaces
from lockhouse.service.workspaces import View


async def list_tags(call: Call) -> Response:
    view = await by_id(call)
    return respond(
        page_of(_page(call, [_tag(name, 1) for name in view.workspace.tags]), call.query, len(view.workspace.tags))
    )


async def list_organization_tags(call: Call) -> Response:
    caller, namespace = call.caller, call["org"]
    found = await call.house.read(lambda tx: workspaces.list_named(tx, caller, namespace))
    counts: dict[str, int] = {}
    for workspace in found:
        for name in workspace.tags:
            counts[name] = counts.get(name, 0) + 1
    wanted = call.query.get("q")
    tags = [_tag(name, count) for name, count in sorted(counts.items()) if wanted in name]
    return respond(page_of(_page(call, tags), call.query, len(tags)))


async def add_tags(call: Call) -> Response:
    document = await call.document()
    names = _names(document)
    await _set_tags(call, lambda tags: [*tags, *names])
    return no_content()


async def remove_tags(call: Call) -> Response:
    document = await call.document()
    ids = {str(each.get("id", "")) for each in document.items}
    names = {attribute(each, "name").lower() for each in document.items}
    await _set_tags(call, lambda tags: [tag for tag in tags if tag not in names and documents.tag_id(tag) not in ids])
    return no_content()


async def list_bindings(call: Call) -> Response:
    view = await by_id(call)
    return respond({"data": list(documents.tag_bindings(view.workspace.bindings))})


async def list_effective_bindings(call: Call) -> Response:
    view = await by_id(call)
    both = view.project.bindings | view.workspace.bindings
    return respond({"data": list(documents.tag_bindings(both, "effective-tag-bindings"))})


async def add_bindings(call: Call) -> Response:
    caller, workspace_id, document = call.caller, call["id"], await call.document()
    added = bindings_of(document.items)
    view = await call.house.write(lambda tx: workspaces.add_bindings(tx, caller, workspace_id, added))
    return respond({"data": list(documents.tag_bindings(view.workspace.bindings))})


async def list_consumers(call: Call) -> Response:
    caller, view = call.caller, await by_id(call)

    def look(tx: Reader) -> list[Json]:
        found: list[Json] = []
        for workspace_id in view.workspace.consumers:
            with suppress(WorkspaceNotFound):
                consumer = workspaces.get_by_id(tx, caller, workspace_id)
                found.append(documents.workspace(consumer, caller))
        return found

    found = await call.house.read(look)
    return respond(page_of(_page(call, found), call.query, len(found)))


async def add_consumers(call: Call) -> Response:
    return await _set_consumers(call, lambda old, new: [*old, *new])


async def replace_consumers(call: Call) -> Response:
    return await _set_consumers(call, lambda _, new: new)


async def remove_consumers(call: Call) -> Response:
    return await _set_consumers(call, lambda old, new: [each for each in old if each not in new])


async def _set_consumers(call: Call, combine: Callable[[list[str], list[str]], list[str]]) -> Response:
    caller, document, view = call.caller, await call.document(), await by_id(call)
    ids = combine(list(view.workspace.consumers), [str(each.get("id", "")) for each in document.items])
    await call.house.write(lambda tx: workspaces.set_consumers(tx, caller, view.workspace.id, ids))
    return no_content()


async def _set_tags(call: Call, combine: Callable[[list[str]], list[str]]) -> View:
    caller, workspace_id = call.caller, call["id"]

    def command(tx: Transaction) -> View:
        old = workspaces.get_by_id(tx, caller, workspace_id).workspace.tags
        return workspaces.set_tags(tx, caller, workspace_id, combine(list(old)))

    return await call.house.write(command)


def _names(document: Document) -> list[str]:
    found = [attribute(each, "name") for each in document.items]
    if "" in found:
        raise RequestInvalid("cannot add a tag without a name", hint="give each tag a name", argument="name")
    return found


def _tag(name: str, count: int) -> Json:
    return resource("tags", documents.tag_id(name), {"name": name, "instance-count": count})


def _page(call: Call, found: list[Json]) -> list[Json]:
    number, size = call.query.page()
    return found[(number - 1) * size : number * size]
