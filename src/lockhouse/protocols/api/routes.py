"""The table of routes: method, path, handler, who may come in, and the documents both ways.

Only the rows with `Access.PROOF` are open to strangers. What a verified caller may do is decided by the use case that
the handler calls; `access` says so in each row, and a test calls every row without a credential and with one that has
no grant.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from lockhouse.core.reviews import Review
from lockhouse.protocols.api import (
    wire,
    wire_access,
    wire_audit,
    wire_encryption,
    wire_history,
    wire_locks,
    wire_maintenance,
    wire_reviews,
    wire_sessions,
    wire_webhooks,
)
from lockhouse.protocols.api.call import Call, Download
from lockhouse.protocols.api.operations import (
    audit,
    encryption,
    federation,
    imports,
    keeping,
    locks,
    maintenance,
    namespaces,
    parked,
    principals,
    retention,
    reviews,
    server,
    sessions,
    states,
    traffic,
    webhooks,
    workspaces,
)

PREFIX = "/lockhouse/v1"
MAX_DOCUMENT = 64 * 1024
MAX_EXCHANGE = 32 * 1024
MAX_REVIEW = 4 * 1024 * 1024
Operation = Callable[[Call], Awaitable[wire.Document | Download | None]]


class Access(StrEnum):
    """Who may come in."""

    CALLER = "caller"
    """Every verified caller: the use case asks for its grants."""
    ADMINISTRATOR = "administrator"
    """Who has `admin` on everything; the handler checks it, since no use case does."""
    PROOF = "proof"
    """Anybody: what is sent is the proof, and the handler checks it."""


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
    body: type[wire.Ask | Review] | None = None
    query: tuple[str, ...] = ()
    status: int = 200
    largest: int = MAX_DOCUMENT
    """Bytes that the body may have."""
    takes_bytes: bool = False
    """The body is not a document but bytes, up to the setting `max_body`."""


_PAGE = ("after", "limit")
_STATE = "/namespaces/{namespace}/state"
C = Access.CALLER

ROUTES: tuple[Route, ...] = (
    Route("GET", "/status", server.status, C, "The server and the caller", wire_access.Status),
    Route(
        "POST",
        "/backup",
        server.backup,
        Access.ADMINISTRATOR,
        "Copy everything into the server's directory for backups",
        wire.BackupDocument,
        body=wire.BackupAsk,
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
    # Principals of every kind
    Route("GET", "/principals", principals.list_all, C, "List principals", wire_access.Principals, query=("kind",)),
    Route(
        "POST",
        "/principals",
        principals.create,
        C,
        "Create a user, team, service account or CI job without credentials",
        wire_access.PrincipalDocument,
        body=wire_access.PrincipalAsk,
        status=201,
    ),
    Route(
        "PUT",
        "/principals/{name}/link",
        principals.link,
        C,
        "Say who a user or team is at an identity provider",
        wire_access.PrincipalDocument,
        body=wire_access.LinkAsk,
    ),
    Route(
        "PUT",
        "/principals/{name}/teams",
        principals.set_teams,
        C,
        "Put a principal into exactly these teams",
        wire_access.PrincipalDocument,
        body=wire_access.TeamsAsk,
    ),
    Route(
        "GET", "/teams/{name}/members", principals.list_members, C, "List the members of a team", wire_access.Members
    ),
    Route(
        "PUT", "/teams/{name}/members/{member}", principals.add_member, C, "Add a member to a team", wire_access.Members
    ),
    Route(
        "DELETE",
        "/teams/{name}/members/{member}",
        principals.remove_member,
        C,
        "Take a member out of a team",
        wire_access.Members,
    ),
    # Keys, roles, tokens
    Route("GET", "/keys", principals.list_keys, C, "List keys", wire_access.Principals),
    Route(
        "POST",
        "/keys",
        principals.create_key,
        C,
        "Create a key",
        wire_access.CreatedKey,
        body=wire_access.KeyAsk,
        status=201,
    ),
    Route("GET", "/keys/{name}", principals.show, C, "Show a principal of any kind", wire_access.PrincipalDocument),
    Route("DELETE", "/keys/{name}", principals.revoke, C, "Revoke a principal of any kind", None),
    Route(
        "POST",
        "/keys/{name}/access-keys",
        principals.create_access_key,
        C,
        "Make one more access key, to rotate",
        wire_access.CreatedKey,
        status=201,
    ),
    Route(
        "POST",
        "/keys/{name}/grants",
        principals.grant,
        C,
        "Grant rights to a principal of any kind",
        wire_access.PrincipalDocument,
        body=wire_access.GrantsAsk,
    ),
    Route(
        "POST",
        "/keys/{name}/ungrant",
        principals.ungrant,
        C,
        "Take rights away from a principal of any kind",
        wire_access.PrincipalDocument,
        body=wire_access.GrantsAsk,
    ),
    Route("GET", "/roles", principals.list_roles, C, "List roles", wire_access.Principals),
    Route(
        "POST",
        "/roles",
        principals.create_role,
        C,
        "Create a role",
        wire_access.RoleDocument,
        body=wire_access.RoleAsk,
        status=201,
    ),
    Route(
        "PUT",
        "/roles/{name}/trust",
        principals.trust,
        C,
        "Say who may assume a role",
        wire_access.PrincipalDocument,
        body=wire_access.TrustAsk,
    ),
    Route(
        "POST",
        "/tokens",
        principals.create_token,
        C,
        "Create an API token",
        wire_access.CreatedToken,
        body=wire_access.TokenAsk,
        status=201,
    ),
    Route(
        "POST",
        "/access-keys",
        principals.create_scoped_access_key,
        C,
        "Create an access key, narrowed and for a time where wanted",
        wire_access.CreatedKey,
        body=wire_access.AccessKeyAsk,
        status=201,
    ),
    Route(
        "POST",
        "/credentials/{id}/rotate",
        principals.rotate,
        C,
        "Put a new credential in the place of one",
        wire_access.RotatedCredential,
        body=wire_access.RotateAsk,
        status=201,
    ),
    Route(
        "DELETE",
        "/credentials/{id}",
        principals.revoke_credential,
        C,
        "Revoke an access key or token",
        wire_access.Revoked,
    ),
    Route(
        "POST",
        "/exchange",
        federation.exchange,
        Access.PROOF,
        "Exchange an ID token of a CI job for an API token",
        wire_access.CreatedToken,
        body=wire_access.ExchangeAsk,
        status=201,
        largest=MAX_EXCHANGE,
    ),
    # Sessions of people
    Route(
        "GET",
        "/sessions",
        sessions.list_all,
        C,
        "List where somebody is signed in",
        wire_sessions.Sessions,
        query=("user", "all"),
    ),
    Route("DELETE", "/sessions/{id}", sessions.end, C, "End a session", wire_sessions.EndedSessions),
    Route(
        "DELETE",
        "/principals/{name}/sessions",
        sessions.end_all,
        C,
        "End all sessions of a principal",
        wire_sessions.EndedSessions,
    ),
    # States
    Route(
        "GET",
        "/namespaces/{namespace}/states",
        states.list_all,
        C,
        "List states",
        wire.States,
        query=("prefix", "deleted", *_PAGE),
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
    Route(
        "POST",
        f"{_STATE}/undelete",
        retention.undelete,
        C,
        "Bring a deleted state back, or a version from the trash",
        wire.VersionDocument,
        body=wire_history.UndeleteAsk,
    ),
    Route(
        "PUT",
        f"{_STATE}/tags",
        retention.set_tags,
        C,
        "Replace the tags of a version",
        wire.VersionDocument,
        body=wire_history.TagsAsk,
    ),
    Route(
        "GET",
        f"{_STATE}/trash",
        retention.list_trash,
        C,
        "List what can be had back of a state",
        wire_history.TrashDocument,
        query=("key", "before", "limit"),
    ),
    Route(
        "DELETE",
        f"{_STATE}/trash",
        retention.purge,
        C,
        "End a version in the trash for good",
        wire_history.TrashedDocument,
        query=("key", "version"),
    ),
    # How the history is kept
    Route(
        "POST",
        "/packing",
        keeping.pack,
        Access.ADMINISTRATOR,
        "Pack what is due now, instead of in the next minute",
        wire_history.PackedDocument,
    ),
    Route(
        "POST",
        "/scrub",
        keeping.scrub,
        Access.ADMINISTRATOR,
        "Check stored bodies against their digests, for a few seconds",
        wire_history.ScrubDocument,
        body=wire_history.ScrubAsk,
    ),
    # The keys that seal states
    Route(
        "GET",
        "/encryption",
        encryption.status,
        Access.ADMINISTRATOR,
        "Show the keys that seal states",
        wire_encryption.EncryptionDocument,
    ),
    Route(
        "POST",
        "/encryption/rotate",
        encryption.rotate,
        Access.ADMINISTRATOR,
        "Make a key and wrap the data keys of all bodies with it",
        wire_encryption.EncryptionDocument,
    ),
    Route(
        "DELETE",
        "/encryption/keys/{id}",
        encryption.retire,
        Access.ADMINISTRATOR,
        "Forget a key that nothing needs any more",
        wire_encryption.EncryptionDocument,
    ),
    # Retention
    Route(
        "GET",
        "/namespaces/{namespace}/retention",
        retention.show,
        C,
        "Show which versions are kept",
        wire_history.RetentionDocument,
    ),
    Route(
        "PUT",
        "/namespaces/{namespace}/retention",
        retention.set_rule,
        C,
        "Set the retention rule of a prefix",
        wire_history.RetentionDocument,
        body=wire_history.RuleAsk,
    ),
    Route(
        "DELETE",
        "/namespaces/{namespace}/retention",
        retention.remove_rule,
        C,
        "Remove the retention rule of a prefix",
        wire_history.RetentionDocument,
        query=("prefix",),
    ),
    Route(
        "POST",
        "/namespaces/{namespace}/retention/preview",
        retention.preview,
        C,
        "List the versions that retention would take",
        wire_history.PreviewDocument,
        body=wire_history.PreviewAsk,
    ),
    Route(
        "POST",
        "/namespaces/{namespace}/import",
        imports.add,
        C,
        "Add a version that was written elsewhere",
        wire.ImportedDocument,
        query=("about",),
        takes_bytes=True,
    ),
    Route(
        "GET",
        "/namespaces/{namespace}/objects",
        imports.list_everything,
        C,
        "List all keys, deleted ones and plain objects too",
        wire.Objects,
        query=("prefix", *_PAGE),
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
        query=("namespace", "prefix", "stale", "after_namespace", "after_key", "limit"),
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
        "/namespaces/{namespace}/release-stale",
        locks.release_stale,
        C,
        "Take a lock away from a holder that is gone by the evidence kept with it",
        wire_locks.ReleasedStale,
        body=wire_locks.ReleaseStaleAsk,
    ),
    Route(
        "GET",
        "/namespaces/{namespace}/stale-locks",
        locks.show_policy,
        C,
        "Show what is done about stale locks",
        wire_locks.StalePolicyDocument,
    ),
    Route(
        "PUT",
        "/namespaces/{namespace}/stale-locks",
        locks.set_rule,
        C,
        "Say what is done about stale locks of a prefix",
        wire_locks.StalePolicyDocument,
        body=wire_locks.StaleRuleAsk,
    ),
    Route(
        "DELETE",
        "/namespaces/{namespace}/stale-locks",
        locks.remove_rule,
        C,
        "Remove the rule about stale locks of a prefix",
        wire_locks.StalePolicyDocument,
        query=("prefix",),
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
    # Maintenance
    Route(
        "GET",
        "/maintenance",
        maintenance.list_all,
        C,
        "List maintenance that stands",
        wire_maintenance.Maintenances,
        query=("namespace",),
    ),
    Route(
        "PUT",
        "/namespaces/{namespace}/maintenance",
        maintenance.start,
        C,
        "Start maintenance, or change its reason and end",
        wire_maintenance.StartedMaintenance,
        body=wire_maintenance.MaintenanceAsk,
    ),
    Route(
        "DELETE",
        "/namespaces/{namespace}/maintenance",
        maintenance.end,
        C,
        "End maintenance",
        wire.MaintenanceDocument,
        query=("prefix", "exact"),
    ),
    # The audit log
    Route(
        "GET",
        "/audit",
        audit.list_all,
        C,
        "List audit entries, newest first",
        wire_audit.Entries,
        query=("namespace", "prefix", "principal", "action", "outcome", "since", "until", "before", "limit"),
    ),
    Route(
        "GET",
        "/audit/segments",
        audit.segments,
        C,
        "Download sealed segments of the audit log, oldest first",
        wire_audit.Segments,
        query=("after",),
    ),
    Route(
        "GET",
        "/audit/checkpoint",
        audit.checkpoint,
        C,
        "Get the signed checkpoint of the newest sealed entry",
        wire_audit.CheckpointDocument,
    ),
    # Webhooks
    Route("GET", "/webhooks", webhooks.list_all, C, "List webhooks", wire_webhooks.Webhooks),
    Route(
        "POST",
        "/webhooks",
        webhooks.create,
        C,
        "Create a webhook",
        wire_webhooks.CreatedWebhook,
        body=wire_webhooks.WebhookAsk,
        status=201,
    ),
    Route("GET", "/webhooks/{name}", webhooks.show, C, "Show a webhook", wire_webhooks.WebhookDocument),
    Route(
        "PATCH",
        "/webhooks/{name}",
        webhooks.change,
        C,
        "Stop telling a webhook, or go on",
        wire_webhooks.WebhookDocument,
        body=wire_webhooks.WebhookChange,
    ),
    Route(
        "POST",
        "/webhooks/{name}/replay",
        webhooks.replay,
        C,
        "Tell a webhook again",
        wire_webhooks.WebhookDocument,
        body=wire_webhooks.ReplayAsk,
    ),
    Route(
        "POST", "/webhooks/{name}/test", webhooks.test, C, "Send a webhook a made-up event", wire_webhooks.TestedWebhook
    ),
    Route("DELETE", "/webhooks/{name}", webhooks.delete, C, "Delete a webhook", None),
    # Reviews of repositories, and what clients really do
    Route(
        "POST",
        "/reviews",
        reviews.send,
        C,
        "Keep a review of a repository",
        wire_reviews.SentReview,
        body=Review,
        status=201,
        largest=MAX_REVIEW,
    ),
    Route(
        "GET",
        "/reviews",
        reviews.list_all,
        C,
        "List the newest review of every root, or all of one root",
        wire_reviews.Reviews,
        query=("root", "before", "limit"),
    ),
    Route("GET", "/reviews/{id}", reviews.show, C, "Show a review and what changed", wire_reviews.ReviewDocument),
    Route("DELETE", "/reviews/{id}", reviews.delete, C, "Delete a review", None),
    Route(
        "GET",
        "/traffic/locks",
        traffic.locks,
        C,
        "Count who locked through which facet in the last days",
        wire_reviews.LockTrafficDocument,
        query=("days",),
    ),
)
