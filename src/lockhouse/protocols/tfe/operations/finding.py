"""State versions by their opaque ids."""

from __future__ import annotations

from lockhouse.core.ports import Reader
from lockhouse.core.versions import Version
from lockhouse.core.workspaces import StateUpload, Workspace
from lockhouse.errors import UploadNotFound, VersionNotFound, WorkspaceNotFound
from lockhouse.protocols.tfe import documents
from lockhouse.protocols.tfe.call import Call
from lockhouse.service import versions, workspaces


def find(tx: Reader, call: Call, text: str) -> tuple[Workspace, Version | StateUpload]:
    """A state version by its opaque id, pending or written. Errors: `version.not_found` (also for who may not see
    it)."""
    parsed = documents.parse_id(text)
    try:
        if parsed is not None and parsed[0]:
            view = workspaces.get_by_id(tx, call.caller, parsed[0])
            if view.state is not None:
                return view.workspace, versions.find_version(tx, view.state, parsed[1])
        elif parsed is not None:
            return _find_announced(tx, call, parsed[1])
    except (WorkspaceNotFound, UploadNotFound, VersionNotFound):
        pass
    raise VersionNotFound(
        f"cannot find the state version {text!r}", hint="lockhouse state versions NAMESPACE KEY lists them"
    )


def _find_announced(tx: Reader, call: Call, upload_id: str) -> tuple[Workspace, Version | StateUpload]:
    found = tx.state_upload(upload_id)
    owner = tx.workspace_at(found.address) if found is not None else None
    if found is None or owner is None:
        raise UploadNotFound(f"cannot find the state version {upload_id!r}", hint="run terraform apply again")
    view = workspaces.get_by_id(tx, call.caller, owner.id)
    version = tx.version(view.state, found.seq, packed=False) if found.seq and view.state is not None else None
    return view.workspace, version or found
