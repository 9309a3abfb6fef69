"""The table of routes: method, path, handler, who may come in, and the documents both ways.

No row is open to strangers. What a verified caller may do is decided by the use case that the handler calls; `access`
says so in each row, and a test calls every row without a credential and with one that has no grant.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from lockhouse.protocols.api import wire
from lockhouse.protocols.api.call import Call, Download
from lockhouse.protocols.api.operations import locks, namespaces, parked, principals, server, states, workspaces

PREFIX = "/lockhouse/v1"
Operation = Callable[[Call], Awaitable[wire.Document | Download | None]]


class Access(StrEnum):
    """Who may come in."""

    CALLER = "caller"
    """Every verified caller: the use case asks for its grants."""
    ADMINISTRATOR = "administrator"
    """Who has `admin` on everything; the handler checks it, since no use case does."""


@dataclass(frozen=True)
class Route:
    """One row. `answer` None: 204 without a body; Download: bytes."""

    method: str
    path: str
    """Below `PREFIX`; `{name}` is one segment, percent-decoded."""
    operation: Operation
    access: Access
    summary: str
    answer: type[wire.Document | Download] | None
    body: type[wire.Ask] | None = None
    query: tuple[str, ...] = ()
    status: int = 200


_PAGE = ("after", "limit")
_STATE = "/namespaces/{namespace}/state"
C = Access.CALLER

ROUTES: tuple[Route, ...] = (
    Route("GET", "/status", server.status, C, "The server and the caller", wire.Status),
    Route(
        "POST",
        "/backup",
        server.backup,
        Access.ADMINISTRATOR,
        "Copy everything into the server's directory for backups",
        wire.BackupDocument,
    ),
    # Namespaces
    Route("GET", "/namespaces", namespaces.list_all, C, "List namespaces", wire.Namespaces, query=_PAGE),
    Route(
        "POST",
        "/namespaces",
        namespaces.create,
        C,
        "Create a namespace",
        wire.NamespaceDocument,
        body=wire.NamespaceAsk,
        status=201,
    ),
    Route("GET", "/namespaces/{namespace}", namespaces.show, C, "Show a namespace", wire.NamespaceDocument),
    Route(
        "PATCH",
        "/namespaces/{namespace}",
        namespaces.change,
        C,
        "Say whether writes need a lock",
        wire.NamespaceDocument,
        body=wire.NamespaceChange,
    ),
    Route("DELETE", "/namespaces/{namespace}", namespaces.delete, C, "Delete an empty namespace", None),
    Route("GET", "/namespaces/{namespace}/workspaces", workspaces.list_all, C, "List workspace names", wire.Workspaces),
    Route(
        "PUT",
        "/namespaces/{namespace}/workspaces/{name}",
        workspaces.name_state,
        C,
        "Give a state a workspace name",
        wire.WorkspaceDocument,
        body=wire.WorkspaceAsk,
    ),
    # Keys, roles, tokens
    Route("GET", "/keys", principals.list_keys, C, "List keys", wire.Principals),
    Route("POST", "/keys", principals.create_key, C, "Create a key", wire.CreatedKey, body=wire.KeyAsk, status=201),
    Route("GET", "/keys/{name}", principals.show, C, "Show a key or role", wire.PrincipalDocument),
    Route("DELETE", "/keys/{name}", principals.revoke, C, "Revoke a key or role", None),
    Route(
        "POST",
        "/keys/{name}/access-keys",
        principals.create_access_key,
        C,
        "Make one more access key, to rotate",
        wire.CreatedKey,
        status=201,
    ),
    Route(
        "POST",
        "/keys/{name}/grants",
        principals.grant,
        C,
        "Grant rights",
        wire.PrincipalDocument,
        body=wire.GrantsAsk,
    ),
    Route(
        "POST",
        "/keys/{name}/ungrant",
        principals.ungrant,
        C,
        "Take rights away",
        wire.PrincipalDocument,
        body=wire.GrantsAsk,
    ),
    Route("GET", "/roles", principals.list_roles, C, "List roles", wire.Principals),
    Route(
        "POST", "/roles", principals.create_role, C, "Create a role", wire.RoleDocument, body=wire.RoleAsk, status=201
    ),
    Route(
        "PUT",
        "/roles/{name}/trust",
        principals.trust,
        C,
        "Say who may assume a role",
        wire.PrincipalDocument,
        body=wire.TrustAsk,
    ),
    Route(
        "POST",
        "/tokens",
        principals.create_token,
        C,
        "Create an API token",
        wire.CreatedToken,
        body=wire.TokenAsk,
        status=201,
    ),
    Route(
        "DELETE", "/credentials/{id}", principals.revoke_credential, C, "Revoke an access key or token", wire.Revoked
    ),
    # States
    Route(
        "GET",
        "/namespaces/{namespace}/states",
        states.list_all,
        C,
        "List states",
        wire.States,
        query=("prefix", *_PAGE),
    ),
    Route("GET", _STATE, states.show, C, "Show a state", wire.StateDocument, query=("key",)),
    Route(
        "PATCH",
        _STATE,
        states.change,
        C,
        "Say whether writes need a lock",
        wire.StateDocument,
        body=wire.StateChange,
        query=("key",),
    ),
    Route(
        "DELETE",
        _STATE,
        states.delete,
        C,
        "Delete a state; its versions stay",
        wire.DeletedDocument,
        query=("key", "force"),
    ),
    Route(
        "GET",
        f"{_STATE}/versions",
        states.versions,
        C,
        "List versions, newest first",
        wire.Versions,
        query=("key", "before", "limit"),
    ),
    Route("GET", f"{_STATE}/body", states.download, C, "Download a version", Download, query=("key", "version")),
    Route(
        "POST",
        f"{_STATE}/restore",
        states.restore,
        C,
        "Make an old version current again",
        wire.VersionDocument,
        body=wire.RestoreAsk,
    ),
    # Parked writes
    Route(
        "GET", "/parked", parked.list_all, C, "List parked writes", wire.ParkedList, query=("namespace", "key", *_PAGE)
    ),
    Route("GET", "/parked/{id}", parked.show, C, "Show a parked write", wire.ParkedDocument),
    Route("GET", "/parked/{id}/body", parked.download, C, "Download a parked write", Download),
    Route("POST", "/parked/{id}/accept", parked.accept, C, "Make a parked write current", wire.VersionDocument),
    Route("DELETE", "/parked/{id}", parked.drop, C, "Drop a parked write", None),
    # Locks
    Route(
        "GET",
        "/locks",
        locks.list_held,
        C,
        "List held locks",
        wire.Locks,
        query=("namespace", "prefix", "after_namespace", "after_key", "limit"),
    ),
    Route(
        "GET",
        "/namespaces/{namespace}/lock",
        locks.show,
        C,
        "Show a lock, who waits for it, and its history",
        wire.LockDocumentView,
        query=("key",),
    ),
    Route(
        "POST",
        "/namespaces/{namespace}/force-unlock",
        locks.force_unlock,
        C,
        "Take a lock away and fence its holder",
        wire.ForceUnlocked,
        body=wire.ForceUnlockAsk,
    ),
)
