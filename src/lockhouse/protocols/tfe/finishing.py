"""Which requests a credential that has ended may still finish something with, over cloud and remote (`core.grace`).

What Terraform needs to save a state version and to unlock the workspace. The bytes themselves come to a signed address,
whose holder is asked about in `operations.state_versions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lockhouse.core.addresses import Address
from lockhouse.core.grace import Act, Finish
from lockhouse.core.ports import Reader
from lockhouse.protocols.tfe import documents, routes

ROUTES: Mapping[str, Act] = {
    "GET workspaces/{id}": Act.SHOW,
    "GET workspaces/{id}/current-state-version": Act.READ,
    "GET state-versions/{id}": Act.READ,
    "GET state-versions/{id}/download": Act.READ,
    "POST workspaces/{id}/state-versions": Act.WRITE,
    "POST workspaces/{id}/actions/unlock": Act.UNLOCK,
}


def finish_of(found: routes.Match | None) -> Finish | None:
    """What this request would finish; None: nothing."""
    act = ROUTES.get(f"{found.route.method} {found.route.path}") if found is not None else None
    if found is None or act is None:
        return None
    opaque = found.arguments["id"]
    of_version = found.route.path.startswith("state-versions/")
    return Finish(act, lambda tx: _of_version(tx, opaque) if of_version else _of_workspace(tx, opaque))


def finish_upload(upload_id: str) -> Finish:
    """The bytes of an announced version come."""

    def where(tx: Reader) -> Sequence[Address]:
        upload = tx.state_upload(upload_id)
        return () if upload is None else (upload.address,)

    return Finish(Act.WRITE, where)


def _of_workspace(tx: Reader, workspace_id: str) -> Sequence[Address]:
    workspace = tx.workspace(workspace_id)
    return () if workspace is None else (workspace.address,)


def _of_version(tx: Reader, text: str) -> Sequence[Address]:
    parsed = documents.parse_id(text)
    if parsed is None:
        return ()
    if parsed[0]:
        return _of_workspace(tx, parsed[0])
    upload = tx.state_upload(parsed[1])
    return () if upload is None else (upload.address,)
