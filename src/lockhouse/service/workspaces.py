"""Workspaces: find by name or id, list, create, change, delete.

A state that came over S3 or http is adopted when somebody first asks for the name that its key suggests: if no other
state suggests the same, a workspace is made for it then. Access is that of the state behind the name. Somebody without
a grant is refused (`access.denied`) whether or not the named thing exists; behind opaque ids he finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.locks import LockRecord
from lockhouse.core.maintenance import Maintenance, standing
from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, allows, require, way_in
from lockhouse.core.records import StateRecord
from lockhouse.core.versions import Version
from lockhouse.core.workspaces import (
    ADOPTED_MOST,
    Project,
    Setting,
    Workspace,
    check_name,
    default_project,
    default_project_id,
    keys_for,
    name_from_key,
)
from lockhouse.errors import (
    AccessDenied,
    DeleteGuarded,
    DeleteLocked,
    ProjectNotFound,
    RequestInvalid,
    StateNotFound,
    WorkspaceAmbiguous,
    WorkspaceExists,
    WorkspaceNotFound,
)
from lockhouse.service import audit, maintenance, namespaces, objects
from lockhouse.service.callers import Caller

MAX_TAGS = 200
MAX_CANDIDATES = 10
_VIEWED = 500
"""Workspaces whose states are asked for at once."""
_SIGHT = (Right.READ, Right.READ_OUTPUTS, Right.WRITE, Right.LOCK, Right.FORCE_UNLOCK)


class View(msgspec.Struct, frozen=True):
    """A workspace with what is shown of its state."""

    workspace: Workspace
    state: StateRecord | None
    lock: LockRecord
    current: Version | None
    """Without bytes; None when there is no live version."""
    project: Project
    maintenances: Sequence[Maintenance] = ()
    """All that are kept of its namespace."""

    def maintained(self, now: float) -> Maintenance | None:
        """What stands there."""
        return standing(self.maintenances, self.workspace.address.key, now)


class NewWorkspace(msgspec.Struct, frozen=True):
    """A workspace to be."""

    id: str
    name: str
    project: str = ""
    tags: tuple[str, ...] = ()
    bindings: dict[str, str] = {}
    settings: dict[str, Setting] = {}


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """What to change; None leaves it."""

    name: str | None = None
    project: str | None = None
    bindings: dict[str, str] | None = None
    settings: dict[str, Setting] = {}


class NameInUse(msgspec.Struct, frozen=True):
    """What a name stands for: a workspace, or the keys of states that would get it."""

    workspace: Workspace | None
    keys: tuple[str, ...]


def look_up(tx: Reader, namespace: str, name: str) -> NameInUse:
    """Who has a name, or would get it."""
    workspace = tx.workspace_named(namespace, name)
    if workspace is not None:
        return NameInUse(workspace, ())
    return NameInUse(None, tuple(tx.states_suggesting(namespace, name)))


def adopt(tx: Transaction, caller: Caller, namespace: str, name: str, new_id: str) -> Workspace | None:
    """Make the workspace of the only state that suggests this name; None when there is none.

    Errors: `workspace.ambiguous` with the candidates that the caller may see."""
    found = look_up(tx, namespace, name)
    if found.workspace is not None or not found.keys:
        return found.workspace
    if len(found.keys) > 1:
        raise _ambiguous(caller, namespace, name, found.keys)
    workspace = Workspace(new_id, Address(namespace, found.keys[0]), name, caller.now, caller.now)
    tx.save_workspace(workspace)
    _tell(tx, caller, "workspace.create", workspace)
    return workspace


def unadopted(tx: Reader, namespace: str) -> bool:
    """Whether any state waits for `adopt_some`."""
    return bool(tx.adoptable_states(namespace, limit=1))


def adopt_some(
    tx: Transaction,
    caller: Caller,
    namespace: str,
    new_id: Callable[[], str],
    after: str = "",
    limit: int = ADOPTED_MOST,
) -> str | None:
    """Make the workspaces of states whose suggested names are unique, up to `limit` of them with keys after `after`: a
    store that others share is held up for a moment only. Answers where to go on; None: that was all."""
    if tx.settle_names(limit):
        return after
    keys = tx.adoptable_states(namespace, after, limit)
    made = [Workspace(new_id(), Address(namespace, key), name_from_key(key), caller.now, caller.now) for key in keys]
    tx.add_workspaces(namespace, made)
    for workspace in made:
        _tell(tx, caller, "workspace.create", workspace)
    return keys[-1] if len(keys) == limit else None


def get(tx: Reader, caller: Caller, namespace: str, name: str) -> View:
    """A workspace by its name. Errors: `access.denied` for who has no grant that could cover it, `namespace.not_found`,
    `workspace.not_found`, `workspace.ambiguous`."""
    namespaces.get(tx, caller, namespace)
    found = look_up(tx, namespace, name)
    if found.workspace is None:
        seen = [key for key in found.keys if _sees(caller, Address(namespace, key))]
        if found.keys and not seen:
            raise _hidden(caller, namespace, name)
        if len(found.keys) > 1:
            raise _ambiguous(caller, namespace, name, found.keys)
        if not any(_sees(caller, Address(namespace, key)) for key in keys_for(name)[:2]):
            raise _hidden(caller, namespace, name)
        raise WorkspaceNotFound(
            f"cannot find the workspace {name} in {namespace}", hint=f"lockhouse workspace list {namespace}"
        )
    if not _sees(caller, found.workspace.address):
        raise _hidden(caller, namespace, name)
    return view(tx, found.workspace)


def get_by_id(tx: Reader, caller: Caller, workspace_id: str) -> View:
    """A workspace by its opaque id. Errors: `workspace.not_found` (also for who may not see it)."""
    workspace = tx.workspace(workspace_id)
    if workspace is None or not _sees(caller, workspace.address):
        raise WorkspaceNotFound(
            f"cannot find the workspace {workspace_id!r}", hint="lockhouse workspace list NAMESPACE"
        )
    return view(tx, workspace)


def list_all(tx: Reader, caller: Caller, namespace: str) -> list[View]:
    """Every workspace that the caller sees, in name order. Errors: `access.denied`, `namespace.not_found`."""
    return views(tx, list_named(tx, caller, namespace))


def list_named(tx: Reader, caller: Caller, namespace: str) -> list[Workspace]:
    """As `list_all`, without what is shown of their states."""
    namespaces.get(tx, caller, namespace)
    return [each for each in named(tx, namespace) if _sees(caller, each.address)]


def list_page(tx: Reader, caller: Caller, namespace: str, skip: int, limit: int) -> tuple[list[View], int] | None:
    """`limit` of them after the first `skip`, and how many there are, in the time of a page whatever there is; None for
    a caller who sees a part of the namespace. Errors: `access.denied`, `namespace.not_found`."""
    namespaces.get(tx, caller, namespace)
    if not _sees(caller, Address(namespace, "")):
        return None
    found = tx.workspaces(namespace, limit=limit, skip=skip)
    return views(tx, found), tx.count_workspaces(namespace)


def named(tx: Reader, namespace: str) -> list[Workspace]:
    """All of a namespace, in name order, whoever asks."""
    return list(paged(lambda after: tx.workspaces(namespace, after), "", lambda each: each.name))


def view(tx: Reader, workspace: Workspace) -> View:
    state = tx.state(workspace.address)
    current = tx.current(state, packed=False) if state is not None and state.live else None
    return _view(tx, workspace, state, tx.lock(state) if state is not None else LockRecord(), current)


def views(tx: Reader, workspaces: Sequence[Workspace]) -> list[View]:
    """As `view`, of many that are in one namespace, with few questions."""
    found: list[View] = []
    for start in range(0, len(workspaces), _VIEWED):
        some = workspaces[start : start + _VIEWED]
        seen = tx.overview(some[0].address.namespace, [each.address.key for each in some])
        known = {state.address: (state, lock, current if state.live else None) for state, lock, current in seen}
        found += [_view(tx, each, *known.get(each.address, (None, LockRecord(), None))) for each in some]
    return found


def _view(
    tx: Reader, workspace: Workspace, state: StateRecord | None, lock: LockRecord, current: Version | None
) -> View:
    project = tx.project(workspace.project) if workspace.project else None
    namespace = tx.namespace(workspace.address.namespace)
    return View(
        workspace,
        state,
        lock,
        current,
        project or default_project(workspace.address.namespace, namespace.at if namespace else 0.0),
        tx.maintenances(workspace.address.namespace),
    )


def create(tx: Transaction, caller: Caller, namespace: str, new: NewWorkspace) -> View:
    """A new workspace with a new state behind it. Needs `write` at the key of that name.

    Errors: `request.invalid` (name, tags), `workspace.exists`, `workspace.ambiguous`, `project.not_found`,
    `access.denied`, `namespace.not_found`."""
    namespaces.get(tx, caller, namespace)
    check_name(new.name)
    found = look_up(tx, namespace, new.name)
    if len(found.keys) > 1:
        raise _ambiguous(caller, namespace, new.name, found.keys)
    if found.workspace is not None or found.keys:
        raise WorkspaceExists(
            f"cannot create the workspace {new.name}: Name has already been taken",
            hint=f"choose another name, or use it: lockhouse workspace list {namespace}",
            name=new.name,
        )
    address = _coming_back(tx, caller, namespace, new.name) or _free_address(tx, namespace, new.name)
    require(caller.who, Right.WRITE, *address)
    workspace = Workspace(
        id=new.id,
        address=address,
        name=new.name,
        at=caller.now,
        updated_at=caller.now,
        project=_known_project(tx, namespace, new.project),
        tags=_tags(new.tags),
        bindings=_bindings(new.bindings),
        settings=new.settings,
    )
    state = tx.ensure_state(address)
    tx.save_state(msgspec.structs.replace(state, is_state=True))
    tx.save_workspace(workspace)
    _tell(tx, caller, "workspace.create", workspace)
    return view(tx, workspace)


def change(tx: Transaction, caller: Caller, workspace_id: str, wanted: Change) -> View:
    """Rename, move or set. Needs `write` there. Errors: `workspace.not_found`, `workspace.exists`, `access.denied`,
    `project.not_found`, `request.invalid`."""
    workspace = _writable(tx, caller, workspace_id)
    if wanted.name is not None and wanted.name != workspace.name:
        check_name(wanted.name)
        found = look_up(tx, workspace.address.namespace, wanted.name)
        if found.workspace is not None or set(found.keys) - {workspace.address.key}:
            raise WorkspaceExists(
                f"cannot rename {workspace.name} to {wanted.name}: Name has already been taken",
                hint=f"choose another name: lockhouse workspace list {workspace.address.namespace}",
                name=wanted.name,
            )
    project = workspace.project
    if wanted.project is not None:
        project = _known_project(tx, workspace.address.namespace, wanted.project)
    changed = msgspec.structs.replace(
        workspace,
        name=workspace.name if wanted.name is None else wanted.name,
        project=project,
        bindings=workspace.bindings if wanted.bindings is None else _bindings(wanted.bindings),
        settings=workspace.settings | wanted.settings,
    )
    return _save(tx, caller, changed)


def name_state(tx: Transaction, caller: Caller, address: Address, name: str, new_id: str) -> View:
    """Give the state at an address a workspace name, or another one. Needs `write` there.

    Errors: `state.not_found`, `workspace.exists`, `access.denied`, `namespace.not_found`, `request.invalid`."""
    namespaces.address_in(tx, caller, address)
    require(caller.who, Right.WRITE, *address)
    found = tx.workspace_at(address)
    if found is not None:
        return change(tx, caller, found.id, Change(name=name))
    state = tx.state(address)
    if state is None or not state.is_state:
        raise StateNotFound(f"cannot find {address.lock_id}", hint=f"lockhouse state list {address.namespace}")
    check_name(name)
    if tx.workspace_named(address.namespace, name) is not None:
        raise WorkspaceExists(
            f"cannot name {address.lock_id} {name}: another state has this name",
            hint=f"choose another name: lockhouse workspace list {address.namespace}",
            name=name,
        )
    workspace = Workspace(new_id, address, name, caller.now, caller.now)
    tx.save_workspace(workspace)
    _tell(tx, caller, "workspace.create", workspace)
    return view(tx, workspace)


def set_tags(tx: Transaction, caller: Caller, workspace_id: str, tags: Sequence[str]) -> View:
    """Replace the tags. Needs `write` there."""
    workspace = _writable(tx, caller, workspace_id)
    return _save(tx, caller, msgspec.structs.replace(workspace, tags=_tags(tags)))


def add_bindings(tx: Transaction, caller: Caller, workspace_id: str, bindings: dict[str, str]) -> View:
    """Add key-value tags. Needs `write` there."""
    workspace = _writable(tx, caller, workspace_id)
    return _save(tx, caller, msgspec.structs.replace(workspace, bindings=_bindings(workspace.bindings | bindings)))


def set_consumers(tx: Transaction, caller: Caller, workspace_id: str, ids: Sequence[str]) -> View:
    """Replace the stored list of remote-state consumers. Needs `write` there. Errors: `workspace.not_found`."""
    workspace = _writable(tx, caller, workspace_id)
    for each in ids:
        get_by_id(tx, caller, each)
    return _save(tx, caller, msgspec.structs.replace(workspace, consumers=tuple(dict.fromkeys(ids))))


def delete(tx: Transaction, caller: Caller, workspace_id: str, nonce: str, *, guarded: bool) -> None:
    """Take the name away and delete the state softly: its versions stay.

    `guarded` (safe-delete) refuses while resources remain. Needs `write` there. Errors: `workspace.not_found`,
    `delete.locked`, `delete.resources`, `access.denied`."""
    workspace = _writable(tx, caller, workspace_id)
    address = workspace.address
    shown = view(tx, workspace)
    if shown.lock.lock is not None:
        raise DeleteLocked(
            f"cannot delete the workspace {workspace.name}: it is locked by {shown.lock.lock.holder}",
            hint=f"wait for it: lockhouse lock show {workspace.address.words}",
        )
    maintenance.refuse_delete(tx, address, caller.now)
    facts = shown.current.facts if shown.current is not None else None
    if guarded and facts is not None and facts.resources != 0:
        raise DeleteGuarded(
            f"cannot delete the workspace {workspace.name}: its state still describes resources",
            hint="terraform destroy, or: terraform workspace delete -force",
            resources=facts.resources,
        )
    if shown.state is not None and shown.state.live:
        objects.delete(tx, caller, address, nonce)
    elif shown.state is not None:
        # Nothing was ever written: without this the empty address would be adopted again at once.
        tx.save_state(msgspec.structs.replace(shown.state, is_state=False))
    tx.delete_workspace(workspace.id)
    _tell(tx, caller, "workspace.delete", workspace)


def _save(tx: Transaction, caller: Caller, changed: Workspace) -> View:
    changed = msgspec.structs.replace(changed, updated_at=caller.now)
    tx.save_workspace(changed)
    _tell(tx, caller, "workspace.change", changed)
    return view(tx, changed)


def _tell(tx: Transaction, caller: Caller, action: str, workspace: Workspace) -> None:
    audit.note(tx, caller, action, workspace.address, subject=workspace.name)


def _known_project(tx: Reader, namespace: str, project_id: str) -> str:
    if not project_id or project_id == default_project_id(namespace):
        return ""
    project = tx.project(project_id)
    if project is None or project.namespace != namespace:
        raise ProjectNotFound(
            f"cannot find the project {project_id!r}", hint="leave the project out: it is the default project then"
        )
    return project.id


def _coming_back(tx: Reader, caller: Caller, namespace: str, name: str) -> Address | None:
    """The address of a deleted state that suggests this name and is locked: somebody is about to write it again, so it
    is what the name means. An address of its own would make two states, with two locks, of what both think is one.

    Errors: as `adopt`; `access.denied` for who sees no such state."""
    locks = paged(
        lambda after: tx.held_locks(namespace, "", after, _VIEWED),
        None,
        lambda each: each[0].address,
    )
    keys = tuple(
        state.address.key
        for state, _ in locks
        if name_from_key(state.address.key) == name and not state.live and tx.workspace_at(state.address) is None
    )
    if len(keys) > 1:
        raise _ambiguous(caller, namespace, name, keys)
    if keys and not _sees(caller, Address(namespace, keys[0])):
        raise _hidden(caller, namespace, name)
    return Address(namespace, keys[0]) if keys else None


def _free_address(tx: Reader, namespace: str, name: str) -> Address:
    for key in keys_for(name):
        address = Address(namespace, key)
        state = tx.state(address)
        if state is None or (not state.live and tx.workspace_at(address) is None and tx.lock(state).lock is None):
            return address
    raise WorkspaceExists(
        f"cannot create the workspace {name}: too many states have its name",
        hint=f"choose another name: lockhouse workspace list {namespace}",
        name=name,
    )


def _writable(tx: Reader, caller: Caller, workspace_id: str) -> Workspace:
    workspace = get_by_id(tx, caller, workspace_id).workspace
    require(caller.who, Right.WRITE, *workspace.address)
    return workspace


def _tags(tags: Sequence[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(tag.lower() for tag in tags))
    if len(found) > MAX_TAGS or any(not 0 < len(tag) <= 255 for tag in found):
        raise RequestInvalid(
            f"cannot keep these tags: at most {MAX_TAGS}, each of 1 to 255 characters",
            hint="leave some out, or shorten them",
            argument="tags",
        )
    return found


def _bindings(bindings: dict[str, str]) -> dict[str, str]:
    wrong = any(not 0 < len(key) <= 128 or len(value) > 256 for key, value in bindings.items())
    if len(bindings) > MAX_TAGS or wrong:
        raise RequestInvalid(
            f"cannot keep these tags: at most {MAX_TAGS}, keys of 1 to 128 and values of up to 256 characters",
            hint="leave some out, or shorten them",
            argument="tag-bindings",
        )
    return dict(bindings)


def _sees(caller: Caller, address: Address) -> bool:
    return any(allows(caller.who.grants, right, *address) for right in _SIGHT)


def _hidden(caller: Caller, namespace: str, name: str) -> AccessDenied:
    return AccessDenied(
        f"cannot see the workspace {name} in {namespace}: {caller.who.name} has no grant there",
        hint=way_in(caller.who, Right.READ, namespace),
        right=str(Right.READ),
    )


def _ambiguous(caller: Caller, namespace: str, name: str, keys: tuple[str, ...]) -> WorkspaceAmbiguous:
    seen = [key for key in keys if _sees(caller, Address(namespace, key))][:MAX_CANDIDATES]
    return WorkspaceAmbiguous(
        f"cannot tell which state the workspace {name} in {namespace} is: {', '.join(seen)} would all get this name",
        hint=f"name one of them: lockhouse workspace name {namespace} KEY NAME",
        candidates=", ".join(seen),
    )
