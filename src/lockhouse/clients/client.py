"""The client: one method for each route of the API, documents in and out (`protocols.api.wire`).

Lists are followed to their end. Errors: as `clients.connection` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from urllib.parse import quote

import msgspec

from lockhouse.clients.connection import PAGE, Connection, Query
from lockhouse.core.audit import Segment
from lockhouse.core.reviews import Review
from lockhouse.core.staleness import Act
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


class Client(Connection):
    """What one caller can ask of one server."""

    # The server -------------------------------------------------------------------------------------------------------

    def status(self) -> wire_access.Status:
        return self._ask("GET", "/status", wire_access.Status)

    def backup(self, *, with_keys: bool = False) -> wire.BackupDocument:
        """Returns when the backup is complete and verified, however long that takes."""
        return self._ask("POST", "/backup", wire.BackupDocument, wire.BackupAsk(with_keys=with_keys), patient=True)

    # Namespaces -------------------------------------------------------------------------------------------------------

    def create_namespace(
        self,
        name: str,
        *,
        region: str = "",
        require_lock: bool | None = None,
        lock_table: str = "",
        if_not_exists: bool = False,
    ) -> wire.NamespaceDocument:
        asked = wire.NamespaceAsk(
            name=name, region=region, require_lock=require_lock, lock_table=lock_table, if_not_exists=if_not_exists
        )
        return self._ask("POST", "/namespaces", wire.NamespaceDocument, asked)

    def namespaces(self) -> list[wire.NamespaceDocument]:
        pages = self._pages("/namespaces", wire.Namespaces, "after", {"limit": PAGE})
        return [each for page in pages for each in page.namespaces]

    def namespace(self, name: str) -> wire.NamespaceDocument:
        return self._ask("GET", f"/namespaces/{_segment(name)}", wire.NamespaceDocument)

    def workspaces(self, namespace: str) -> list[wire.WorkspaceDocument]:
        path = _in(namespace, "workspaces")
        return list(self._ask("GET", path, wire.Workspaces).workspaces)

    def name_workspace(self, namespace: str, key: str, name: str) -> wire.WorkspaceDocument:
        path = f"/namespaces/{_segment(namespace)}/workspaces/{_segment(name)}"
        return self._ask("PUT", path, wire.WorkspaceDocument, wire.WorkspaceAsk(key=key))

    def set_namespace_require_lock(self, name: str, *, required: bool) -> wire.NamespaceDocument:
        asked = wire.NamespaceChange(require_lock=required)
        return self._ask("PATCH", f"/namespaces/{_segment(name)}", wire.NamespaceDocument, asked)

    def delete_namespace(self, name: str) -> None:
        self._do("DELETE", f"/namespaces/{_segment(name)}")

    # Keys, roles, tokens ----------------------------------------------------------------------------------------------

    def create_key(self, name: str, grants: Sequence[wire_access.GrantAsk] = ()) -> wire_access.CreatedKey:
        return self._ask("POST", "/keys", wire_access.CreatedKey, wire_access.KeyAsk(name=name, grants=tuple(grants)))

    def create_access_key(self, name: str) -> wire_access.CreatedKey:
        return self._ask("POST", f"/keys/{_segment(name)}/access-keys", wire_access.CreatedKey)

    def keys(self) -> list[wire_access.PrincipalDocument]:
        return list(self._ask("GET", "/keys", wire_access.Principals).principals)

    def key(self, name: str) -> wire_access.PrincipalDocument:
        return self._ask("GET", f"/keys/{_segment(name)}", wire_access.PrincipalDocument)

    def revoke_key(self, name: str) -> None:
        self._do("DELETE", f"/keys/{_segment(name)}")

    def grant(self, name: str, grants: Sequence[wire_access.GrantAsk]) -> wire_access.PrincipalDocument:
        asked = wire_access.GrantsAsk(grants=tuple(grants))
        return self._ask("POST", f"/keys/{_segment(name)}/grants", wire_access.PrincipalDocument, asked)

    def ungrant(self, name: str, grants: Sequence[wire_access.GrantAsk]) -> wire_access.PrincipalDocument:
        asked = wire_access.GrantsAsk(grants=tuple(grants))
        return self._ask("POST", f"/keys/{_segment(name)}/ungrant", wire_access.PrincipalDocument, asked)

    def roles(self) -> list[wire_access.PrincipalDocument]:
        return list(self._ask("GET", "/roles", wire_access.Principals).principals)

    def create_role(
        self, name: str, grants: Sequence[wire_access.GrantAsk], trusted: Sequence[str]
    ) -> wire_access.RoleDocument:
        asked = wire_access.RoleAsk(name=name, grants=tuple(grants), trusted=tuple(trusted))
        return self._ask("POST", "/roles", wire_access.RoleDocument, asked)

    def trust(self, role: str, names: Sequence[str]) -> wire_access.PrincipalDocument:
        asked = wire_access.TrustAsk(names=tuple(names))
        return self._ask("PUT", f"/roles/{_segment(role)}/trust", wire_access.PrincipalDocument, asked)

    def create_token(self, asked: wire_access.TokenAsk) -> wire_access.CreatedToken:
        return self._ask("POST", "/tokens", wire_access.CreatedToken, asked)

    def create_scoped_access_key(self, asked: wire_access.AccessKeyAsk) -> wire_access.CreatedKey:
        return self._ask("POST", "/access-keys", wire_access.CreatedKey, asked)

    def rotate(self, credential: str, grace: float) -> wire_access.RotatedCredential:
        path = f"/credentials/{_segment(credential)}/rotate"
        return self._ask("POST", path, wire_access.RotatedCredential, wire_access.RotateAsk(grace=grace))

    # Principals of every kind -----------------------------------------------------------------------------------------

    def create_principal(self, asked: wire_access.PrincipalAsk) -> wire_access.PrincipalDocument:
        return self._ask("POST", "/principals", wire_access.PrincipalDocument, asked)

    def principals(self, kind: str = "") -> list[wire_access.PrincipalDocument]:
        query = {"kind": kind} if kind else {}
        return list(self._ask("GET", "/principals", wire_access.Principals, query=query).principals)

    def link(self, name: str, link: wire_access.LinkAsk) -> wire_access.PrincipalDocument:
        return self._ask("PUT", f"/principals/{_segment(name)}/link", wire_access.PrincipalDocument, link)

    def set_teams(self, name: str, teams: Sequence[str]) -> wire_access.PrincipalDocument:
        asked = wire_access.TeamsAsk(teams=tuple(teams))
        return self._ask("PUT", f"/principals/{_segment(name)}/teams", wire_access.PrincipalDocument, asked)

    def members(self, team: str) -> wire_access.Members:
        return self._ask("GET", f"/teams/{_segment(team)}/members", wire_access.Members)

    def add_member(self, team: str, name: str) -> wire_access.Members:
        return self._ask("PUT", f"/teams/{_segment(team)}/members/{_segment(name)}", wire_access.Members)

    def remove_member(self, team: str, name: str) -> wire_access.Members:
        return self._ask("DELETE", f"/teams/{_segment(team)}/members/{_segment(name)}", wire_access.Members)

    def revoke_credential(self, credential: str) -> wire_access.Revoked:
        return self._ask("DELETE", f"/credentials/{_segment(credential)}", wire_access.Revoked)

    # Sessions of people -----------------------------------------------------------------------------------------------

    def sessions(self, user: str = "", *, everybody: bool = False) -> list[wire_sessions.SessionDocument]:
        query: Query = {"all": True} if everybody else {"user": user} if user else {}
        return list(self._ask("GET", "/sessions", wire_sessions.Sessions, query=query).sessions)

    def end_session(self, session: str) -> wire_sessions.EndedSessions:
        return self._ask("DELETE", f"/sessions/{_segment(session)}", wire_sessions.EndedSessions)

    def end_sessions(self, user: str) -> wire_sessions.EndedSessions:
        return self._ask("DELETE", f"/principals/{_segment(user)}/sessions", wire_sessions.EndedSessions)

    # States -----------------------------------------------------------------------------------------------------------

    def states(self, namespace: str, prefix: str = "", *, deleted: bool = False) -> list[wire.StateLine]:
        query: Query = {"prefix": prefix, "deleted": deleted, "limit": PAGE}
        pages = self._pages(_in(namespace, "states"), wire.States, "after", query)
        return [each for page in pages for each in page.states]

    def state(self, namespace: str, key: str) -> wire.StateDocument:
        return self._ask("GET", _in(namespace, "state"), wire.StateDocument, query={"key": key})

    def set_state_require_lock(self, namespace: str, key: str, *, required: bool) -> wire.StateDocument:
        asked = wire.StateChange(require_lock=required)
        return self._ask("PATCH", _in(namespace, "state"), wire.StateDocument, asked, {"key": key})

    def set_state_share_customer_key(self, namespace: str, key: str, *, shared: bool) -> wire.StateDocument:
        asked = wire.StateChange(share_customer_key=shared)
        return self._ask("PATCH", _in(namespace, "state"), wire.StateDocument, asked, {"key": key})

    def versions(self, namespace: str, key: str, limit: int) -> list[wire.VersionDocument]:
        """The newest `limit` versions."""
        query: Query = {"key": key, "limit": min(PAGE, limit)}
        pages = self._pages(_in(namespace, "state/versions"), wire.Versions, "before", query)
        return list(islice((each for page in pages for each in page.versions), limit))

    def version_id(self, namespace: str, key: str, text: str) -> str:
        """The whole id of a version that may be named by its number alone: `3` for `3.Zk1x…`."""
        if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
            return text
        query: Query = {"key": key, "limit": 1, "before": int(text) + 1}
        found = self._ask("GET", _in(namespace, "state/versions"), wire.Versions, query=query).versions
        return next((each.id for each in found if each.id.partition(".")[0] == str(int(text))), text)

    @contextmanager
    def download(self, namespace: str, key: str, version: str = "") -> Iterator[tuple[int, Iterator[bytes]]]:
        """(size in bytes, pieces) of a version."""
        query: dict[str, str | int | bool] = {"key": key}
        if version:
            query["version"] = version
        with self._download("GET", _in(namespace, "state/body"), query) as found:
            yield found

    def restore(self, namespace: str, key: str, version: str) -> wire.VersionDocument:
        asked = wire.RestoreAsk(key=key, version=version)
        return self._ask("POST", _in(namespace, "state/restore"), wire.VersionDocument, asked)

    def objects(self, namespace: str, prefix: str = "") -> Iterator[wire.ObjectLine]:
        """Every key, deleted ones and plain objects too, in key order, page by page."""
        query: Query = {"prefix": prefix, "limit": PAGE}
        for page in self._pages(_in(namespace, "objects"), wire.Objects, "after", query):
            yield from page.objects

    def import_version(self, namespace: str, about: wire.ImportAsk, body: Iterable[bytes]) -> wire.ImportedDocument:
        """Add a version that was written elsewhere."""
        path, query = _in(namespace, "import"), {"about": msgspec.json.encode(about).decode()}
        return self._ask("POST", path, wire.ImportedDocument, body, query, patient=True)

    def delete_state(self, namespace: str, key: str, *, force: bool) -> wire.DeletedDocument:
        return self._ask("DELETE", _in(namespace, "state"), wire.DeletedDocument, query={"key": key, "force": force})

    def undelete(self, namespace: str, key: str, version: str = "") -> wire.VersionDocument:
        asked = wire_history.UndeleteAsk(key=key, version=version)
        return self._ask("POST", _in(namespace, "state/undelete"), wire.VersionDocument, asked)

    def set_tags(self, namespace: str, key: str, version: str, tags: Mapping[str, str]) -> wire.VersionDocument:
        asked = wire_history.TagsAsk(key=key, version=version, tags=dict(tags))
        return self._ask("PUT", _in(namespace, "state/tags"), wire.VersionDocument, asked)

    def trash(self, namespace: str, key: str) -> list[wire_history.TrashedDocument]:
        query: Query = {"key": key, "limit": PAGE}
        pages = self._pages(_in(namespace, "state/trash"), wire_history.TrashDocument, "before", query)
        return [each for page in pages for each in page.trash]

    def purge(self, namespace: str, key: str, version: str) -> wire_history.TrashedDocument:
        query: Query = {"key": key, "version": version}
        return self._ask("DELETE", _in(namespace, "state/trash"), wire_history.TrashedDocument, query=query)

    def pack(self) -> wire_history.PackedDocument:
        """Returns when everything that is due is packed, however long that takes."""
        return self._ask("POST", "/packing", wire_history.PackedDocument, patient=True)

    def scrub(self, namespace: str = "", after: str = "", rate: int = 0) -> wire_history.ScrubDocument:
        """Some seconds of a scrub: go on until `next` is empty."""
        asked = wire_history.ScrubAsk(namespace=namespace, after=after, rate=rate)
        return self._ask("POST", "/scrub", wire_history.ScrubDocument, asked, patient=True)

    # Retention --------------------------------------------------------------------------------------------------------

    def encryption(self) -> wire_encryption.EncryptionDocument:
        return self._ask("GET", "/encryption", wire_encryption.EncryptionDocument)

    def rotate_encryption(self) -> wire_encryption.EncryptionDocument:
        return self._ask("POST", "/encryption/rotate", wire_encryption.EncryptionDocument, patient=True)

    def retire_encryption(self, key: str) -> wire_encryption.EncryptionDocument:
        return self._ask("DELETE", f"/encryption/keys/{_segment(key)}", wire_encryption.EncryptionDocument)

    def retention(self, namespace: str) -> wire_history.RetentionDocument:
        return self._ask("GET", _in(namespace, "retention"), wire_history.RetentionDocument)

    def set_retention(self, namespace: str, rule: wire_history.RuleAsk) -> wire_history.RetentionDocument:
        return self._ask("PUT", _in(namespace, "retention"), wire_history.RetentionDocument, rule)

    def remove_retention(self, namespace: str, prefix: str) -> wire_history.RetentionDocument:
        path = _in(namespace, "retention")
        return self._ask("DELETE", path, wire_history.RetentionDocument, query={"prefix": prefix})

    def preview_retention(
        self, namespace: str, rule: wire_history.RuleAsk | None = None
    ) -> list[wire_history.DueDocument]:
        found: list[wire_history.DueDocument] = []
        after = ""
        while True:
            asked = wire_history.PreviewAsk(rule=rule, after=after)
            page = self._ask("POST", _in(namespace, "retention/preview"), wire_history.PreviewDocument, asked)
            found += page.due
            if not page.next:
                return found
            after = page.next

    # Parked writes ----------------------------------------------------------------------------------------------------

    def parked_writes(self, namespace: str = "", key: str = "") -> list[wire.ParkedDocument]:
        query: Query = {"namespace": namespace, "key": key, "limit": PAGE}
        return [each for page in self._pages("/parked", wire.ParkedList, "after", query) for each in page.parked]

    def parked(self, parked: str) -> wire.ParkedDocument:
        return self._ask("GET", f"/parked/{_segment(parked)}", wire.ParkedDocument)

    @contextmanager
    def download_parked(self, parked: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        with self._download("GET", f"/parked/{_segment(parked)}/body", {}) as found:
            yield found

    def accept_parked(self, parked: str) -> wire.VersionDocument:
        return self._ask("POST", f"/parked/{_segment(parked)}/accept", wire.VersionDocument)

    def drop_parked(self, parked: str) -> None:
        self._do("DELETE", f"/parked/{_segment(parked)}")

    # Locks ------------------------------------------------------------------------------------------------------------

    def locks(self, namespace: str = "", prefix: str = "", *, stale: bool = False) -> list[wire.HolderDocument]:
        found: list[wire.HolderDocument] = []
        query: dict[str, str | int | bool] = {"namespace": namespace, "prefix": prefix, "limit": PAGE, "stale": stale}
        while True:
            page = self._ask("GET", "/locks", wire.Locks, query=query)
            found += page.locks
            if not page.next_namespace:
                return found
            query |= {"after_namespace": page.next_namespace, "after_key": page.next_key}

    def lock(self, namespace: str, key: str) -> wire.LockDocumentView:
        return self._ask("GET", _in(namespace, "lock"), wire.LockDocumentView, query={"key": key})

    def release_stale(self, namespace: str, key: str, lock_id: str = "") -> wire_locks.ReleasedStale:
        asked = wire_locks.ReleaseStaleAsk(key=key, id=lock_id)
        return self._ask("POST", _in(namespace, "release-stale"), wire_locks.ReleasedStale, asked)

    def stale_policy(self, namespace: str) -> wire_locks.StalePolicyDocument:
        return self._ask("GET", _in(namespace, "stale-locks"), wire_locks.StalePolicyDocument)

    def set_stale_rule(self, namespace: str, prefix: str, act: Act) -> wire_locks.StalePolicyDocument:
        asked = wire_locks.StaleRuleAsk(prefix=prefix, act=act)
        return self._ask("PUT", _in(namespace, "stale-locks"), wire_locks.StalePolicyDocument, asked)

    def remove_stale_rule(self, namespace: str, prefix: str) -> wire_locks.StalePolicyDocument:
        path = _in(namespace, "stale-locks")
        return self._ask("DELETE", path, wire_locks.StalePolicyDocument, query={"prefix": prefix})

    def force_unlock(self, namespace: str, key: str, reason: str, lock_id: str = "") -> wire.ForceUnlocked:
        asked = wire.ForceUnlockAsk(key=key, reason=reason, id=lock_id)
        return self._ask("POST", _in(namespace, "force-unlock"), wire.ForceUnlocked, asked)

    # Maintenance ------------------------------------------------------------------------------------------------------

    def start_maintenance(
        self, namespace: str, asked: wire_maintenance.MaintenanceAsk
    ) -> wire_maintenance.StartedMaintenance:
        path = _in(namespace, "maintenance")
        return self._ask("PUT", path, wire_maintenance.StartedMaintenance, asked)

    def maintenances(self, namespace: str = "") -> list[wire.MaintenanceDocument]:
        found = self._ask("GET", "/maintenance", wire_maintenance.Maintenances, query={"namespace": namespace})
        return list(found.maintenances)

    def end_maintenance(self, namespace: str, prefix: str = "", *, exact: bool = False) -> wire.MaintenanceDocument:
        path = _in(namespace, "maintenance")
        return self._ask("DELETE", path, wire.MaintenanceDocument, query={"prefix": prefix, "exact": exact})

    # Reviews and traffic ----------------------------------------------------------------------------------------------

    def reviews(self, root: str = "") -> list[wire_reviews.ReviewLine]:
        """The newest review of every root; with a root all of its reviews. Newest first."""
        pages = self._pages("/reviews", wire_reviews.Reviews, "before", {"root": root, "limit": PAGE})
        return [each for page in pages for each in page.reviews]

    def review(self, review: str) -> wire_reviews.ReviewDocument:
        return self._ask("GET", f"/reviews/{_segment(review)}", wire_reviews.ReviewDocument)

    def send_review(self, review: Review) -> wire_reviews.SentReview:
        return self._ask("POST", "/reviews", wire_reviews.SentReview, review)

    def delete_review(self, review: str) -> None:
        self._do("DELETE", f"/reviews/{_segment(review)}")

    def traffic_locks(self, days: int = 30) -> wire_reviews.LockTrafficDocument:
        """Who locked through which facet in the last days: rows of the facet `table` still need the lock table."""
        return self._ask("GET", "/traffic/locks", wire_reviews.LockTrafficDocument, query={"days": days})

    # The audit log ----------------------------------------------------------------------------------------------------

    def audit(self, query: Query, limit: int) -> list[wire_audit.EntryDocument]:
        """The newest `limit` entries that match."""
        pages = self._pages("/audit", wire_audit.Entries, "before", {**query, "limit": min(PAGE, limit)})
        return list(islice((each for page in pages for each in page.entries), limit))

    def audit_segments(self) -> Iterator[tuple[Segment, bytes]]:
        """(sealed segment, the server's public key), oldest first."""
        for page in self._pages("/audit/segments", wire_audit.Segments, "after", {}):
            for each in page.segments:
                yield each, bytes.fromhex(page.public_key)

    def audit_checkpoint(self) -> wire_audit.CheckpointDocument:
        return self._ask("GET", "/audit/checkpoint", wire_audit.CheckpointDocument)

    # Webhooks ---------------------------------------------------------------------------------------------------------

    def create_webhook(self, asked: wire_webhooks.WebhookAsk) -> wire_webhooks.CreatedWebhook:
        return self._ask("POST", "/webhooks", wire_webhooks.CreatedWebhook, asked)

    def webhooks(self) -> list[wire_webhooks.WebhookDocument]:
        return list(self._ask("GET", "/webhooks", wire_webhooks.Webhooks).webhooks)

    def webhook(self, name: str) -> wire_webhooks.WebhookDocument:
        return self._ask("GET", f"/webhooks/{_segment(name)}", wire_webhooks.WebhookDocument)

    def enable_webhook(self, name: str, *, enabled: bool) -> wire_webhooks.WebhookDocument:
        asked = wire_webhooks.WebhookChange(enabled=enabled)
        return self._ask("PATCH", f"/webhooks/{_segment(name)}", wire_webhooks.WebhookDocument, asked)

    def replay_webhook(self, name: str, after: int) -> wire_webhooks.WebhookDocument:
        asked = wire_webhooks.ReplayAsk(after=after)
        return self._ask("POST", f"/webhooks/{_segment(name)}/replay", wire_webhooks.WebhookDocument, asked)

    def test_webhook(self, name: str) -> wire_webhooks.TestedWebhook:
        return self._ask("POST", f"/webhooks/{_segment(name)}/test", wire_webhooks.TestedWebhook)

    def delete_webhook(self, name: str) -> None:
        self._do("DELETE", f"/webhooks/{_segment(name)}")


_DIGITS = 15
"""More than any version number has, and few enough for every store's integers."""


def _segment(text: str) -> str:
    return quote(text, safe="")


def _in(namespace: str, what: str) -> str:
    return f"/namespaces/{_segment(namespace)}/{what}"
