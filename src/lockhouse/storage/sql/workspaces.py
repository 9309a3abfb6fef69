"""Workspaces, projects and announced state versions in SQL. Specification: `core.ports`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.workspaces import Project, StateUpload, Workspace, name_from_key
from lockhouse.storage.sql.name_blocks import NameBlockReads, NameBlockWrites
from lockhouse.storage.sql.records import Row, encode

_workspace = msgspec.msgpack.Decoder(Workspace).decode
_project = msgspec.msgpack.Decoder(Project).decode
_upload = msgspec.msgpack.Decoder(StateUpload).decode

_UNNAMED = (
    "SELECT s.key FROM states s WHERE s.namespace = ? AND {which} AND s.is_state = 1 "
    "AND (s.live = 1 OR s.current = 0) "
    "AND (SELECT count(*) FROM workspaces w WHERE w.namespace = s.namespace AND w.key = s.key) = 0 "
    "ORDER BY s.key LIMIT ?"
)
"""Counted, not NOT EXISTS: PostgreSQL makes a join of that, and compared each state with every workspace."""
_ALL = _UNNAMED.format(which="s.key > ? AND coalesce(s.awaits, 'x') <> ''")
_SUGGESTING = _UNNAMED.format(which="s.awaits = ? AND s.awaits <> ''")
_UNSETTLED = _UNNAMED.format(which="s.key > ? AND s.awaits IS NULL")
# As conditions of one row, which a planner cannot turn into a join of all: it stops at the end of the page.
_ADOPTABLE = _UNNAMED.format(
    which="s.key > ? AND coalesce(s.awaits, 'x') <> '' "
    "AND CASE WHEN EXISTS (SELECT 1 FROM states o WHERE o.namespace = s.namespace "
    "AND o.awaits = s.awaits AND o.awaits <> '' AND o.is_state = 1 AND o.id <> s.id "
    "AND (o.live = 1 OR o.current = 0)) THEN 0 ELSE 1 END = 1 "
    "AND (SELECT count(*) FROM workspaces n WHERE n.namespace = s.namespace AND n.name = s.awaits) = 0"
)
ADD_WORKSPACE = "INSERT INTO workspaces (id, namespace, name, key, record) VALUES (?, ?, ?, ?, ?)"
AWAITS = "UPDATE states SET awaits = ? WHERE namespace = ? AND key = ?"
_PAGE = 1000


class WorkspaceReads(NameBlockReads):
    """The part of `Reader` about workspaces."""

    _fetch: Callable[..., list[Row]]

    def workspace(self, workspace_id: str) -> Workspace | None:
        rows = self._fetch("SELECT record FROM workspaces WHERE id = ?", (workspace_id,))
        return _workspace(rows[0][0]) if rows else None

    def workspace_named(self, namespace: str, name: str) -> Workspace | None:
        rows = self._fetch("SELECT record FROM workspaces WHERE namespace = ? AND name = ?", (namespace, name))
        return _workspace(rows[0][0]) if rows else None

    def workspace_at(self, address: Address) -> Workspace | None:
        rows = self._fetch("SELECT record FROM workspaces WHERE namespace = ? AND key = ?", (address[0], address[1]))
        return _workspace(rows[0][0]) if rows else None

    def workspaces(self, namespace: str, after: str = "", limit: int = 1000, skip: int = 0) -> Sequence[Workspace]:
        if not skip:
            rows = self._fetch(
                "SELECT record FROM workspaces WHERE namespace = ? AND name > ? ORDER BY name LIMIT ?",
                (namespace, after, limit),
            )
            return [_workspace(row[0]) for row in rows]
        first = self._name_at(namespace, skip)
        if first is None:
            return []
        rows = self._fetch(
            "SELECT record FROM workspaces WHERE namespace = ? AND name >= ? ORDER BY name LIMIT ?",
            (namespace, first, limit),
        )
        return [_workspace(row[0]) for row in rows]

    def unnamed_states(self, namespace: str, after: str = "", limit: int = 1000) -> Sequence[str]:
        return [row[0] for row in self._fetch(_ALL, (namespace, after, limit))]

    def states_suggesting(self, namespace: str, name: str) -> Sequence[str]:
        found = [row[0] for row in self._fetch(_SUGGESTING, (namespace, name, _PAGE))]
        after = ""
        while page := [row[0] for row in self._fetch(_UNSETTLED, (namespace, after, _PAGE))]:
            found += [key for key in page if name_from_key(key) == name]
            after = page[-1]
        return sorted(found, key=str.encode)[:_PAGE]

    def adoptable_states(self, namespace: str, after: str = "", limit: int = 1000) -> Sequence[str]:
        return [row[0] for row in self._fetch(_ADOPTABLE, (namespace, after, limit))]

    def project(self, project_id: str) -> Project | None:
        rows = self._fetch("SELECT record FROM projects WHERE id = ?", (project_id,))
        return _project(rows[0][0]) if rows else None

    def projects(self, namespace: str, after: str = "", limit: int = 1000) -> Sequence[Project]:
        rows = self._fetch(
            "SELECT record FROM projects WHERE namespace = ? AND name > ? ORDER BY name LIMIT ?",
            (namespace, after, limit),
        )
        return [_project(row[0]) for row in rows]

    def state_upload(self, upload_id: str) -> StateUpload | None:
        rows = self._fetch("SELECT record FROM state_uploads WHERE id = ?", (upload_id,))
        return _upload(rows[0][0]) if rows else None

    def pending_uploads(self, address: Address) -> Sequence[StateUpload]:
        rows = self._fetch(
            "SELECT record FROM state_uploads WHERE namespace = ? AND key = ? AND pending = 1 ORDER BY id",
            (address[0], address[1]),
        )
        return [_upload(row[0]) for row in rows]


class WorkspaceWrites(NameBlockWrites, WorkspaceReads):
    """The part of `Transaction` about workspaces."""

    _fetch: Callable[..., list[Row]]
    _change: Callable[[str, Row], int]
    _grow: Callable[[str, Row], int]
    _put: Callable[[str, Row], None]

    def save_workspace(self, workspace: Workspace) -> None:
        namespace, key = workspace.address
        named = self._fetch("SELECT name FROM workspaces WHERE id = ?", (workspace.id,))
        self._put(
            f"{ADD_WORKSPACE} ON CONFLICT (id) DO UPDATE SET name = excluded.name, record = excluded.record",
            (workspace.id, namespace, workspace.name, key, encode(workspace)),
        )
        if not named:
            self._names_added(namespace, [workspace.name])
        elif named[0][0] != workspace.name:
            self._name_removed(namespace, named[0][0])
            self._names_added(namespace, [workspace.name])
        self._put(AWAITS, ("", namespace, key))

    def add_workspaces(self, namespace: str, workspaces: Sequence[Workspace]) -> None:
        for each in workspaces:
            self._put(ADD_WORKSPACE, (each.id, namespace, each.name, each.address.key, encode(each)))
            self._put(AWAITS, ("", namespace, each.address.key))
        self._names_added(namespace, [each.name for each in workspaces])

    def delete_workspace(self, workspace_id: str) -> None:
        found = self._fetch("SELECT namespace, key, name FROM workspaces WHERE id = ?", (workspace_id,))
        self._change("DELETE FROM workspaces WHERE id = ?", (workspace_id,))
        for namespace, key, name in found:
            self._change(AWAITS, (name_from_key(key), namespace, key))
            self._name_removed(namespace, name)

    def settle_names(self, limit: int = 500) -> int:
        rows = self._fetch(
            "SELECT s.namespace, s.key, w.id FROM states s "
            "LEFT JOIN workspaces w ON w.namespace = s.namespace AND w.key = s.key WHERE s.awaits IS NULL LIMIT ?",
            (limit,),
        )
        for namespace, key, workspace_id in rows:
            self._change(AWAITS, (name_from_key(key) if workspace_id is None else "", namespace, key))
        return len(rows)

    def save_project(self, project: Project) -> None:
        self._grow(
            "INSERT INTO projects (id, namespace, name, record) VALUES (?, ?, ?, ?) ON CONFLICT (id) "
            "DO UPDATE SET name = excluded.name, record = excluded.record",
            (project.id, project.namespace, project.name, encode(project)),
        )

    def delete_project(self, project_id: str) -> None:
        self._change("DELETE FROM projects WHERE id = ?", (project_id,))

    def save_state_upload(self, upload: StateUpload) -> None:
        pending = int(not upload.seq and not upload.discarded)
        self._grow(
            "INSERT INTO state_uploads (id, namespace, key, pending, record) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) "
            "DO UPDATE SET pending = excluded.pending, record = excluded.record",
            (upload.id, *upload.address, pending, encode(upload)),
        )

    def _forget_namespace(self, name: str) -> None:
        for table in ("workspaces", "workspace_blocks", "projects", "state_uploads"):
            self._change(f"DELETE FROM {table} WHERE namespace = ?", (name,))  # noqa: S608 - four known names
