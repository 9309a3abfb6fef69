"""Workspaces, projects and announced state versions of the reference store, in the plainest words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lockhouse.core.addresses import Address
from lockhouse.core.records import StateRecord
from lockhouse.core.workspaces import Project, StateUpload, Workspace, name_from_key


@dataclass
class WorkspaceMaps:
    """The maps that these records need."""

    last_id: int = 0
    states: dict[Address, StateRecord] = field(default_factory=dict)
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    state_uploads: dict[str, StateUpload] = field(default_factory=dict)


class WorkspaceReads:
    """The part of `Reader` about workspaces."""

    _maps: WorkspaceMaps

    def workspace(self, workspace_id: str) -> Workspace | None:
        return self._maps.workspaces.get(workspace_id)

    def workspace_named(self, namespace: str, name: str) -> Workspace | None:
        found = [
            each for each in self._maps.workspaces.values() if each.address.namespace == namespace and each.name == name
        ]
        return found[0] if found else None

    def workspace_at(self, address: Address) -> Workspace | None:
        found = [each for each in self._maps.workspaces.values() if each.address == address]
        return found[0] if found else None

    def workspaces(self, namespace: str, after: str = "", limit: int = 1000, skip: int = 0) -> Sequence[Workspace]:
        found = [
            each for each in self._maps.workspaces.values() if each.address.namespace == namespace and each.name > after
        ]
        return sorted(found, key=lambda each: each.name)[skip : skip + limit]

    def count_workspaces(self, namespace: str) -> int:
        return sum(each.address.namespace == namespace for each in self._maps.workspaces.values())

    def unnamed_states(self, namespace: str, after: str = "", limit: int = 1000) -> Sequence[str]:
        named = {each.address for each in self._maps.workspaces.values()}
        found = [
            address.key
            for address, state in self._maps.states.items()
            if address.namespace == namespace
            and state.is_state
            and (state.live or not state.current)
            and address not in named
            and address.key > after
            and name_from_key(address.key)
        ]
        return sorted(found, key=str.encode)[:limit]

    def states_suggesting(self, namespace: str, name: str) -> Sequence[str]:
        every = self.unnamed_states(namespace, limit=len(self._maps.states))
        return [key for key in every if name_from_key(key) == name]

    def adoptable_states(self, namespace: str, after: str = "", limit: int = 1000) -> Sequence[str]:
        found = self.unnamed_states(namespace, after, len(self._maps.states))
        return [
            key
            for key in found
            if self.states_suggesting(namespace, name := name_from_key(key)) == [key]
            and self.workspace_named(namespace, name) is None
        ][:limit]

    def project(self, project_id: str) -> Project | None:
        return self._maps.projects.get(project_id)

    def projects(self, namespace: str, after: str = "", limit: int = 1000) -> Sequence[Project]:
        found = [
            each
            for each in self._maps.projects.values()
            if each.namespace == namespace and each.name.encode() > after.encode()
        ]
        return sorted(found, key=lambda each: each.name.encode())[:limit]

    def state_upload(self, upload_id: str) -> StateUpload | None:
        return self._maps.state_uploads.get(upload_id)

    def pending_uploads(self, address: Address) -> Sequence[StateUpload]:
        found = [
            each
            for each in self._maps.state_uploads.values()
            if each.address == address and not each.seq and not each.discarded
        ]
        return sorted(found, key=lambda each: each.id)


class WorkspaceWrites(WorkspaceReads):
    """The part of `Transaction` about workspaces."""

    def save_workspace(self, workspace: Workspace) -> None:
        for other in self._maps.workspaces.values():
            same = other.address == workspace.address or (
                other.address.namespace == workspace.address.namespace and other.name == workspace.name
            )
            if same and other.id != workspace.id:
                raise ValueError(f"another workspace has the name or address of {workspace.name!r}")
        self._maps.workspaces[workspace.id] = workspace

    def add_workspaces(self, namespace: str, workspaces: Sequence[Workspace]) -> None:
        for each in workspaces:
            assert each.address.namespace == namespace
            self.save_workspace(each)

    def delete_workspace(self, workspace_id: str) -> None:
        self._maps.workspaces.pop(workspace_id, None)

    def settle_names(self, limit: int = 500) -> int:
        return min(0, limit)  # names are made when they are asked for

    def save_project(self, project: Project) -> None:
        for other in self._maps.projects.values():
            if (other.namespace, other.name) == (project.namespace, project.name) and other.id != project.id:
                raise ValueError(f"another project is named {project.name!r}")
        self._maps.projects[project.id] = project

    def delete_project(self, project_id: str) -> None:
        self._maps.projects.pop(project_id, None)

    def save_state_upload(self, upload: StateUpload) -> None:
        self._maps.state_uploads[upload.id] = upload

    def _forget_namespace(self, name: str) -> None:
        for workspace in list(self._maps.workspaces.values()):
            if workspace.address.namespace == name:
                del self._maps.workspaces[workspace.id]
        for project in list(self._maps.projects.values()):
            if project.namespace == name:
                del self._maps.projects[project.id]
        for upload in list(self._maps.state_uploads.values()):
            if upload.address.namespace == name:
                del self._maps.state_uploads[upload.id]
