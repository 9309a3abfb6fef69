"""Projects of a namespace: find by id, list, create, change, delete. Each namespace has a default one, always.

A project groups workspaces and grants nothing. Whoever may not see its namespace finds nothing behind its opaque id.
"""

from __future__ import annotations

from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, require
from lockhouse.core.workspaces import DEFAULT_PROJECT, Project, default_project, default_project_id
from lockhouse.errors import AccessDenied, ProjectExists, ProjectNotFound, RequestInvalid
from lockhouse.service import audit, namespaces
from lockhouse.service.callers import Caller
from lockhouse.service.workspaces import named


def list_all(tx: Reader, caller: Caller, namespace: str) -> list[Project]:
    """The default project and all others, in name order."""
    default = default_project(namespace, namespaces.get(tx, caller, namespace).at)
    others = paged(lambda after: tx.projects(namespace, after), "", lambda each: each.name)
    return sorted([default, *others], key=lambda each: each.name)


def get(tx: Reader, caller: Caller, project_id: str) -> Project:
    """A project by its opaque id. Errors: `project.not_found` (also for who may not see its namespace)."""
    project = tx.project(project_id)
    if project is None:
        for namespace in namespaces.list_all(tx, caller):
            if default_project_id(namespace.name) == project_id:
                return default_project(namespace.name, namespace.at)
    try:
        if project is not None:
            namespaces.get(tx, caller, project.namespace)
            return project
    except AccessDenied:
        pass
    raise ProjectNotFound(
        f"cannot find the project {project_id!r}", hint="ask for the list of projects of the organization"
    )


def create(tx: Transaction, caller: Caller, project: Project) -> Project:
    """A new project. Needs `write` on the namespace. Errors: `project.exists`, `request.invalid`, `access.denied`."""
    namespaces.get(tx, caller, project.namespace)
    require(caller.who, Right.WRITE, project.namespace)
    _check_name(tx, caller, project)
    tx.save_project(project)
    audit.note(tx, caller, "project.create", namespace=project.namespace, subject=project.name)
    return project


def change(tx: Transaction, caller: Caller, project: Project) -> Project:
    """Rename or describe. Needs `write` on the namespace."""
    require(caller.who, Right.WRITE, project.namespace)
    _refuse_default(project)
    _check_name(tx, caller, project)
    tx.save_project(project)
    audit.note(tx, caller, "project.change", namespace=project.namespace, subject=project.name)
    return project


def delete(tx: Transaction, caller: Caller, project_id: str) -> None:
    """Remove an empty project. Errors: `project.not_found`, `project.exists` while workspaces are in it."""
    project = get(tx, caller, project_id)
    require(caller.who, Right.WRITE, project.namespace)
    _refuse_default(project)
    if any(each.project == project_id for each in named(tx, project.namespace)):
        raise ProjectExists(
            f"cannot delete the project {project.name}: workspaces are in it",
            hint="delete or move its workspaces first",
        )
    tx.delete_project(project_id)
    audit.note(tx, caller, "project.delete", namespace=project.namespace, subject=project.name)


def _refuse_default(project: Project) -> None:
    if project.id == default_project_id(project.namespace):
        raise RequestInvalid(
            f"cannot change the project {DEFAULT_PROJECT}: it is always there",
            hint="make another project",
            argument="id",
        )


def _check_name(tx: Reader, caller: Caller, project: Project) -> None:
    if not 1 <= len(project.name) <= 90 or not project.name.isprintable():
        raise RequestInvalid(
            f"cannot use {project.name[:100]!r} as the name of a project: 1 to 90 printable characters",
            hint="choose another name",
            argument="name",
        )
    for other in list_all(tx, caller, project.namespace):
        if other.name == project.name and other.id != project.id:
            raise ProjectExists(
                f"cannot name a project {project.name}: Name has already been taken", hint="choose another name"
            )
