"""Workspaces: find, list, create, change, delete (PROTOCOLS 4.5 and 4.6)."""

from __future__ import annotations

import fnmatch

from lockhouse.core.outputs import read_outputs
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.workspaces import Setting, Workspace, default_project_id
from lockhouse.errors import AccessDenied, EncryptionKeyInvalid, RequestInvalid, StateNotFound, WorkspaceNotFound
from lockhouse.protocols.tfe import documents
from lockhouse.protocols.tfe.call import Call, no_content, respond, respond_one
from lockhouse.protocols.tfe.wire import Document, Json, attribute, bindings_of, page_of
from lockhouse.protocols.web import Response
from lockhouse.runtime.outgoing import whole
from lockhouse.service import namespaces, workspaces
from lockhouse.service.workspaces import Change, NewWorkspace, View

REMOTE = (
    "remote execution is not offered here: runs happen where terraform runs, and this server keeps state and locks "
    '(execution mode "local")'
)


async def by_name(call: Call) -> View:
    """The workspace that the path names; a state that suggests this name is adopted."""
    caller, namespace, name = call.caller, call["org"], call["name"]
    try:
        return await call.house.read(lambda tx: workspaces.get(tx, caller, namespace, name))
    except WorkspaceNotFound:
        found = await call.house.read(lambda tx: workspaces.look_up(tx, namespace, name))
        if len(found.keys) != 1:
            raise
    new_id = call.new_id("ws-")
    await call.house.write(lambda tx: workspaces.adopt(tx, caller, namespace, name, new_id))
    return await call.house.read(lambda tx: workspaces.get(tx, caller, namespace, name))


async def by_id(call: Call) -> View:
    caller, workspace_id = call.caller, call["id"]
    return await call.house.read(lambda tx: workspaces.get_by_id(tx, caller, workspace_id))


async def show(call: Call) -> Response:
    return await respond_view(call, await by_name(call))


async def show_by_id(call: Call) -> Response:
    return await respond_view(call, await by_id(call))


async def respond_view(call: Call, view: View, status: int = 200) -> Response:
    found, included = await render(call, view)
    return respond_one(found, status, included)


async def render(call: Call, view: View) -> tuple[Json, list[Json]]:
    """The resource, and what `include` asks for."""
    who, query = call.caller.who, call.query
    included: list[Json] = []
    outputs: list[Json] | None = None
    if query.includes("organization"):
        namespace = view.workspace.address.namespace
        owner = await call.house.read(lambda tx: namespaces.get(tx, call.caller, namespace))
        included.append(documents.organization(owner, who))
    if query.includes("project"):
        included.append(documents.project(view.project, who))
    if query.includes("current_state_version") and view.current is not None:
        included.append(documents.state_version(view.workspace, view.current, call.base))
    holder = view.lock.lock or view.maintained(call.caller.now)
    if query.includes("locked_by") and holder is not None:
        included.append(documents.user(holder.principal, holder.name))
    if query.includes("outputs"):
        outputs = await _outputs(call, view)
        included += outputs
    if query.includes("effective_tag_bindings"):
        included += documents.tag_bindings(view.workspace.bindings, "effective-tag-bindings")
    return documents.workspace(view, call.caller, outputs=outputs), included


async def _outputs(call: Call, view: View) -> list[Json]:
    try:
        found = await call.house.get(call.caller, view.workspace.address)
    except (AccessDenied, EncryptionKeyInvalid, StateNotFound):
        return []
    assert found.version.body is not None
    values = read_outputs(await whole(found.version.body, call.house.bodies)) or {}
    version_id = documents.version_id(view.workspace, found.version)
    return [documents.workspace_output(version_id, name, value) for name, value in values.items()]


async def list_all(call: Call) -> Response:
    query = call.query
    await call.house.adopt_workspaces(call.caller, call["org"], lambda: call.new_id("ws-"))
    views, total = await call.house.read(lambda tx: _page(tx, call))
    found: list[Json] = []
    included: list[Json] = []
    for view in views:
        one, more = await render(call, view)
        found.append(one)
        included += more
    return respond(page_of(found, query, total, included if query.get("include") else None))


def _page(tx: Reader, call: Call) -> tuple[list[View], int]:
    """The page that was asked for, and of how many workspaces it is one."""
    caller, namespace, query = call.caller, call["org"], call.query
    number, size = query.page()
    skip = (number - 1) * size
    if not query.narrows:
        page = workspaces.list_page(tx, caller, namespace, skip, size)
        if page is not None:
            return page
    chosen = [each for each in workspaces.list_named(tx, caller, namespace) if matches(call, each)]
    if query.get("sort") == "-name":
        chosen.reverse()
    return workspaces.views(tx, chosen[skip : skip + size]), len(chosen)


def matches(call: Call, workspace: Workspace) -> bool:
    """Whether the workspace is meant by the searches and filters of the request.

    A search for tags means the keys of key-value tags too: clients send both for the same `tags` map."""
    query = call.query
    project = workspace.project or default_project_id(workspace.address.namespace)
    tags = {*workspace.tags, *workspace.bindings}
    wildcard = query.get("search[wildcard-name]")
    return (
        query.get("search[name]").lower() in workspace.name.lower()
        and (not wildcard or fnmatch.fnmatchcase(workspace.name, wildcard.replace("[", "[[]").replace("?", "[?]")))
        and set(query.words("search[tags]")) <= tags
        and not set(query.words("search[exclude-tags]")) & tags
        and query.get("filter[project][id]") in ("", project)
        and all(key in workspace.bindings and value in (None, workspace.bindings[key]) for key, value in query.tagged())
    )


async def create(call: Call) -> Response:
    caller, namespace = call.caller, call["org"]
    document = await call.document()
    settings = _settings(document)
    new = NewWorkspace(
        id=call.new_id("ws-"),
        name=document.text("name"),
        project=document.related_id("project") or "",
        tags=tuple(attribute(each, "name") for each in document.related("tags") or []),
        bindings=bindings_of(document.related("tag-bindings") or []),
        settings=settings,
    )
    view = await call.house.write(lambda tx: workspaces.create(tx, caller, namespace, new))
    return await respond_view(call, view, 201)


async def change(call: Call) -> Response:
    return await _change(call, (await by_name(call)).workspace.id)


async def change_by_id(call: Call) -> Response:
    return await _change(call, call["id"])


async def _change(call: Call, workspace_id: str) -> Response:
    caller, document = call.caller, await call.document()
    bindings = document.related("tag-bindings")
    wanted = Change(
        name=document.text("name") or None,
        project=document.related_id("project"),
        bindings=None if bindings is None else bindings_of(bindings),
        settings=_settings(document),
    )
    view = await call.house.write(lambda tx: workspaces.change(tx, caller, workspace_id, wanted))
    return await respond_view(call, view)


async def delete(call: Call) -> Response:
    return await _delete(call, (await by_name(call)).workspace.id, guarded=False)


async def delete_by_id(call: Call) -> Response:
    return await _delete(call, call["id"], guarded=False)


async def safe_delete(call: Call) -> Response:
    return await _delete(call, (await by_name(call)).workspace.id, guarded=True)


async def safe_delete_by_id(call: Call) -> Response:
    return await _delete(call, call["id"], guarded=True)


async def _delete(call: Call, workspace_id: str, *, guarded: bool) -> Response:
    caller, nonce = call.caller, call.house.engine.nonce()

    def command(tx: Transaction) -> None:
        workspaces.delete(tx, caller, workspace_id, nonce, guarded=guarded)

    await call.house.write(command)
    return no_content()


def _settings(document: Document) -> dict[str, Setting]:
    attributes = document.attributes
    if attributes.get("execution-mode") not in (None, "local") or attributes.get("operations") is True:
        raise RequestInvalid(
            f"cannot set this execution mode: {REMOTE}", hint="say execution-mode: local", argument="execution-mode"
        )
    if attributes.get("vcs-repo") is not None:
        raise RequestInvalid(f"cannot connect a repository: {REMOTE}", hint="leave vcs-repo out", argument="vcs-repo")
    found: dict[str, Setting] = {}
    for name, default in documents.DEFAULTS.items():
        if name not in attributes:
            continue
        value = attributes[name]
        right = value is None or isinstance(value, bool if isinstance(default, bool) else str)
        if not right or (isinstance(value, str) and len(value) > 4096):
            raise RequestInvalid(
                f"cannot use the attribute {name}",
                hint="docs/reference/tfe.md lists the attributes that are kept",
                argument=name,
            )
        found[name] = value if isinstance(value, (bool, str)) else None
    return found
