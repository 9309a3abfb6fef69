"""The ports: what the domain asks of storage. One contract suite (`tests/contract`) holds every implementation to it.

`Store` runs commands: a command is a plain synchronous function of a `Transaction`. A store MUST run each command
atomically and isolated from all others, MUST call `deliver` only after the command's effects are durable, and MUST
undo exactly one command's effects when that command raises. Commands may be run in groups that share one durable
commit. A command must be pure but for the transaction: a store may run it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from lockhouse.core.addresses import Address
from lockhouse.core.audit import Segment
from lockhouse.core.data_keys import DataKey, KeyRecord
from lockhouse.core.locks import LockRecord
from lockhouse.core.maintenance import Maintenance
from lockhouse.core.principals import Credential, Membership, Principal
from lockhouse.core.queues import QueueReader, QueueWriter
from lockhouse.core.records import ItemRecord, LockEvent, Namespace, Parked, Part, StateRecord, TableRecord, Upload
from lockhouse.core.reviews import ReviewRecord
from lockhouse.core.sessions import Session
from lockhouse.core.trash import TrashReader, TrashWriter
from lockhouse.core.versions import Facts, Version
from lockhouse.core.webhooks import Progress, Webhook
from lockhouse.core.workspaces import Project, StateUpload, Workspace

T = TypeVar("T")


class Reader(TrashReader, QueueReader, Protocol):
    """Consistent reads within one command or query. Everything paged is ordered by its key's bytes and bounded by
    `limit`; `after` is exclusive."""

    def namespace(self, name: str) -> Namespace | None: ...
    def namespaces(self, after: str = "", limit: int = 1000) -> Sequence[Namespace]: ...
    def document(self, namespace: str, kind: str) -> bytes | None: ...

    def state(self, address: Address) -> StateRecord | None: ...
    def states(
        self, namespace: str, prefix: str = "", after: str = "", limit: int = 1000, *, live_only: bool = True
    ) -> Sequence[tuple[StateRecord, Version | None]]:
        """Addresses in key order with their newest version (None when there is none), without its packed bytes.
        `live_only` leaves out those without versions and those whose newest version is a delete marker. `after`
        compares with keys; to skip a whole common prefix pass the prefix followed by U+10FFFF."""
        ...

    def leading_keys(
        self, namespace: str, prefix: str, delimiter: str, after: str = "", limit: int = 1000
    ) -> Sequence[str]:
        """Keys of `states` in order; of those that have all up to the first `delimiter` behind the prefix in common,
        the first alone. What is left out is stepped over, not read."""
        ...

    def current(self, state: StateRecord, *, packed: bool = True) -> Version | None:
        """The newest version (`state.current`), delete marker or not. Without `packed` a body kept in a row comes
        without its bytes (both `packed` and `blob` empty), and a sealed one without its wrapped key: ask so wherever
        only the facts and digests are needed."""
        ...

    def version(self, state: StateRecord, seq: int, *, packed: bool = True) -> Version | None: ...
    def versions(self, state: StateRecord, before: int = 0, limit: int = 1000) -> Sequence[Version]:
        """Newest first, without packed bytes; with `before` > 0 only seq < before."""
        ...

    def lock(self, state: StateRecord) -> LockRecord: ...
    def state_and_lock(self, address: Address) -> tuple[StateRecord, LockRecord] | None:
        """`state` and `lock` of an address in one question."""
        ...

    def state_and_version(self, address: Address, *, packed: bool = True) -> tuple[StateRecord, Version | None] | None:
        """`state` and `current` of an address in one question."""
        ...

    def overview(self, namespace: str, keys: Sequence[str]) -> Sequence[tuple[StateRecord, LockRecord, Version | None]]:
        """Of the states with these keys, in any order: the state, its lock (`FREE` unless it is held), its current
        version without packed bytes. At most 500 keys."""
        ...

    def held_locks(
        self, namespace: str = "", prefix: str = "", after: Address | None = None, limit: int = 1000
    ) -> Sequence[tuple[StateRecord, LockRecord]]:
        """Addresses with a held lock, ordered by (namespace, key); an empty namespace means all."""
        ...

    def lock_events(self, state: StateRecord, before: int = 0, limit: int = 100) -> Sequence[LockEvent]: ...

    def recent_lock_events(self, before: int = 0, limit: int = 500) -> Sequence[tuple[Address, LockEvent]]:
        """Of all addresses, newest first; with `before` > 0 only seq < before."""
        ...

    def parked(self, parked_id: str) -> Parked | None: ...
    def parked_writes(self, address: Address | None = None, after: str = "", limit: int = 1000) -> Sequence[Parked]:
        """Ordered by id, without packed bytes and wrapped keys."""
        ...

    def upload(self, upload_id: str) -> Upload | None: ...
    def uploads(
        self, namespace: str, prefix: str = "", after: tuple[str, str] = ("", ""), limit: int = 1000
    ) -> Sequence[Upload]:
        """Ordered by (key, upload id)."""
        ...

    def parts(self, upload_id: str, after: int = 0, limit: int = 1000) -> Sequence[Part]: ...

    def principal(self, principal_id: str) -> Principal | None: ...
    def principal_named(self, name: str) -> Principal | None:
        """Only among those not revoked."""
        ...

    def principal_linked(self, issuer: str, subject: str) -> Principal | None:
        """Who was saved with this link last while not revoked: the answer may have been revoked since."""
        ...

    def principals(self, after: str = "", limit: int = 1000) -> Sequence[Principal]: ...
    def memberships_of(self, member: str) -> Sequence[Membership]:
        """Ordered by team id."""
        ...

    def members_of(self, team: str) -> Sequence[Membership]:
        """Ordered by member id."""
        ...

    def credential(self, credential_id: str) -> Credential | None: ...
    def credentials(self, principal_id: str) -> Sequence[Credential]: ...
    def uses(self, principal_id: str) -> dict[str, float]:
        """When each credential of this principal was last used, by its id; those never used are left out."""
        ...

    def last_uses(self, credentials: Sequence[str]) -> dict[str, float]:
        """When these credentials (at most 1,000), of whichever principals, were last used; as `uses`."""
        ...

    def table(self, name: str) -> TableRecord | None: ...
    def tables(self, after: str = "", limit: int = 100) -> Sequence[TableRecord]: ...
    def item(self, table: str, hash_key: bytes, range_key: bytes) -> ItemRecord | None: ...
    def items(
        self,
        table: str,
        hash_key: bytes | None = None,
        after: tuple[bytes, bytes] | None = None,
        limit: int = 1000,
        *,
        descending: bool = False,
        hash_prefix: bytes = b"",
    ) -> Sequence[ItemRecord]:
        """Ordered by (hash_key, range_key); with `hash_key` only its items; with `hash_prefix` only keys below it."""
        ...

    def workspace(self, workspace_id: str) -> Workspace | None: ...
    def workspace_named(self, namespace: str, name: str) -> Workspace | None: ...
    def workspace_at(self, address: Address) -> Workspace | None: ...
    def workspaces(self, namespace: str, after: str = "", limit: int = 1000, skip: int = 0) -> Sequence[Workspace]:
        """In name order: those after a name, or without the first `skip` of all."""
        ...

    def count_workspaces(self, namespace: str) -> int: ...
    def unnamed_states(self, namespace: str, after: str = "", limit: int = 1000) -> Sequence[str]:
        """Keys, in order, of states that have no workspace and suggest a name (`core.workspaces.name_from_key`): live
        ones, and those that were only locked so far."""
        ...

    def states_suggesting(self, namespace: str, name: str) -> Sequence[str]:
        """The keys among `unnamed_states` that suggest this name, in order, at most 1,000."""
        ...

    def adoptable_states(self, namespace: str, after: str = "", limit: int = 1000) -> Sequence[str]:
        """Keys, in order, of `unnamed_states` that suggest a name which no other suggests and no workspace has. One
        whose name is not settled yet (`settle_names`) counts as one of them, whatever it suggests."""
        ...

    def project(self, project_id: str) -> Project | None: ...
    def projects(self, namespace: str, after: str = "", limit: int = 1000) -> Sequence[Project]:
        """In name order."""
        ...

    def state_upload(self, upload_id: str) -> StateUpload | None: ...
    def pending_uploads(self, address: Address) -> Sequence[StateUpload]:
        """Announced and neither written nor discarded."""
        ...

    def review(self, review_id: str) -> ReviewRecord | None: ...
    def review_body(self, review_id: str) -> bytes | None: ...
    def reviews(
        self, root: str = "", principal: str = "", before: int = 0, limit: int = 100, *, newest_only: bool = False
    ) -> Sequence[ReviewRecord]:
        """Newest first, of this root and this sender (empty: of all); with `before` > 0 only seq < before.
        `newest_only`: of each root only the newest of this sender (of all)."""
        ...

    def notices(self, prefix: str = "") -> Sequence[tuple[str, bytes]]:
        """(name, body) of what was noted about the data as a whole, in name order: a copy being made, a move."""
        ...

    def unsealed(self, limit: int = 1000, *, newest_first: bool = False) -> Sequence[tuple[int, bytes]]:
        """(id, entry) of audit entries that have no place in the chain yet, in the order in which they were written."""
        ...

    def last_segment(self) -> Segment | None: ...
    def segments(self, after: int = 0, limit: int = 100) -> Sequence[Segment]:
        """Sealed audit entries in order, whose first entry has a number above `after`."""
        ...

    def segments_before(self, before: int = 0, limit: int = 100) -> Sequence[Segment]:
        """Newest first; with `before` > 0 only those whose first entry has a lower number."""
        ...

    def session(self, session_id: str) -> Session | None: ...
    def sessions(self, principal: str = "", after: str = "", limit: int = 1000) -> Sequence[Session]:
        """Of one principal (empty: of all), in id order."""
        ...

    def data_keys(self, after: bytes = b"", limit: int = 1000) -> Sequence[DataKey]:
        """Wrapped data keys in id order, without places."""
        ...

    def is_wrapping(self, kek: str) -> bool:
        """Whether any data key is wrapped with this key. Looks at all of them."""
        ...

    def key_records(self) -> Sequence[KeyRecord]:
        """The key-encryption keys that any data key may need, oldest first."""
        ...

    def blob_size(self, name: str) -> int | None:
        """Of a finished blob that is kept in rows."""
        ...

    def blob_piece(self, name: str, number: int) -> bytes | None: ...
    def blobs(self, after: str = "", limit: int = 1000) -> Sequence[tuple[str, float, bool]]:
        """(name, seconds since 1970, finished) of blobs that are kept in rows, in name order."""
        ...

    def maintenances(self, namespace: str = "") -> Sequence[Maintenance]:
        """Of this namespace (empty: of all), also those whose time is over, by place. With a namespace it costs next to
        nothing: every lock request asks."""
        ...

    def webhook_named(self, name: str) -> Webhook | None: ...
    def webhooks(self) -> Sequence[tuple[Webhook, Progress]]:
        """All, by name, with how far each has been told."""
        ...

    def blob_names(self, after: str = "", limit: int = 1000) -> Sequence[str]:
        """Names of all blobs that any version (in the trash, too), part or parked write refers to, in order."""
        ...


class Transaction(Reader, TrashWriter, QueueWriter, Protocol):
    """Reads and writes of one command."""

    def create_namespace(self, namespace: Namespace) -> None: ...
    def save_namespace(self, namespace: Namespace) -> None: ...
    def delete_namespace(self, name: str) -> None:
        """Also removes its documents, workspaces, projects, maintenance and addresses without versions, with their
        trash. The caller has checked that it is empty."""
        ...

    def set_document(self, namespace: str, kind: str, body: bytes | None) -> None:
        """None removes it."""
        ...

    def ensure_state(self, address: Address) -> StateRecord: ...
    def save_state(self, state: StateRecord) -> None: ...
    def add_version(self, state: StateRecord, version: Version) -> None:
        """The caller saves the state's counters itself. A seq is written once. The body's wrapped key, if it has one,
        is kept apart and goes with the version (so with parked writes and parts, too)."""
        ...

    def set_facts(self, state: StateRecord, seq: int, facts: Facts) -> None: ...
    def set_tags(self, state: StateRecord, seq: int, tags: dict[str, str]) -> None: ...
    def delete_version(self, state: StateRecord, seq: int) -> None:
        """For good, past the trash. The blob stays until a sweep finds that nothing refers to it."""
        ...

    def save_lock(self, state: StateRecord, record: LockRecord, expected_epoch: int) -> bool:
        """Compare-and-set: False (and nothing done) when the stored epoch is not the expected one."""
        ...

    def add_lock_event(self, state: StateRecord, event: LockEvent) -> None:
        """`event.seq` is ignored: the store numbers them, rising (not from 1, not without gaps)."""
        ...

    def add_parked(self, parked: Parked) -> None: ...
    def delete_parked(self, parked_id: str) -> None: ...

    def add_upload(self, upload: Upload) -> None: ...
    def delete_upload(self, upload_id: str) -> None:
        """With its parts."""
        ...

    def save_part(self, upload_id: str, part: Part) -> None:
        """The same number again replaces the part."""
        ...

    def save_workspace(self, workspace: Workspace) -> None:
        """A new one, or another name and record for the same id: an address has at most one workspace, a name in a
        namespace too."""
        ...

    def add_workspaces(self, namespace: str, workspaces: Sequence[Workspace]) -> None:
        """Save many that are new."""
        ...

    def delete_workspace(self, workspace_id: str) -> None: ...
    def settle_names(self, limit: int = 500) -> int:
        """Prepare `unnamed_states` for states that an older version made; answers how many. Until then they cost more
        to find."""
        ...

    def save_project(self, project: Project) -> None: ...
    def delete_project(self, project_id: str) -> None: ...
    def save_state_upload(self, upload: StateUpload) -> None: ...

    def save_principal(self, principal: Principal) -> None:
        """Its link is its own from now on, unless it is revoked: then who has the link does not change."""
        ...

    def save_membership(self, membership: Membership) -> None:
        """One for each team and member."""
        ...

    def delete_membership(self, team: str, member: str) -> None: ...
    def save_credential(self, credential: Credential) -> None: ...
    def delete_credential(self, credential_id: str) -> None:
        """Forget a credential that is over, and when it was used; nothing to forget is no error."""
        ...

    def save_use(self, credential_id: str, at: float) -> None:
        """Keeps the later time."""
        ...

    def save_table(self, table: TableRecord) -> None: ...
    def delete_table(self, name: str) -> None:
        """With its items."""
        ...

    def put_item(self, table: str, item: ItemRecord) -> None: ...
    def delete_item(self, table: str, hash_key: bytes, range_key: bytes) -> None: ...
    def add_review(self, record: ReviewRecord, body: bytes) -> ReviewRecord:
        """The record with the seq that it was given; `record.seq` is ignored."""
        ...

    def delete_review(self, review_id: str) -> None: ...
    def set_notice(self, name: str, body: bytes | None) -> None:
        """None removes it. Notices are about this place alone: no backup and no move takes them along."""
        ...

    def add_entry(self, raw: bytes) -> None:
        """Append to the audit log. Works on a full disk as long as anything does."""
        ...

    def seal(self, segment: Segment, ids: Sequence[int]) -> None:
        """Keep the segment in place of the entries with these ids. A first number is given once."""
        ...

    def delete_segments(self, before: int) -> None:
        """Those whose first entry has a number below `before`; never the newest."""
        ...

    def add_session(self, session: Session) -> None: ...
    def save_session(self, session: Session) -> bool:
        """False, and nothing is kept, when there is none of this id: what was ended does not come back."""
        ...

    def delete_session(self, session_id: str) -> bool:
        """Whether there was one."""
        ...

    def delete_sessions(self, principal: str) -> int:
        """Answers how many."""
        ...

    def expire_sessions(self, now: float, limit: int = 1000) -> int:
        """Remove sessions whose end has come; answers how many."""
        ...

    def add_blob_piece(self, name: str, at: float, number: int, piece: bytes) -> None:
        """Pieces are numbered from 0; each once."""
        ...

    def finish_blob(self, name: str, at: float, size: int, pieces: int) -> None: ...
    def delete_blob(self, name: str) -> None: ...
    def rewrap(self, key: DataKey, old_kek: str) -> bool:
        """Replace the wrapped form of a data key, if it is there and still wrapped with `old_kek`."""
        ...

    def save_key_record(self, record: KeyRecord) -> None: ...
    def delete_key_record(self, record_id: str) -> None: ...
    def save_maintenance(self, maintenance: Maintenance) -> None:
        """In the place of the one that was kept there, if any. No command that runs beside it decides as if it were not
        there once this is committed."""
        ...

    def delete_maintenance(self, maintenance: Maintenance) -> None:
        """What is kept of its place; nothing to delete is no error."""
        ...

    def save_webhook(self, webhook: Webhook, progress: Progress) -> None:
        """A new one, or another record for the same id; a name is given once."""
        ...

    def save_progress(self, webhook_id: str, progress: Progress) -> None:
        """Nothing is done where there is no such webhook."""
        ...

    def delete_webhook(self, webhook_id: str) -> None: ...
    def saw_reader(self, namespace: str, key: str, principal: str) -> bool:
        """Remember that this principal has read this state; whether that is new."""
        ...

    def expire_items(self, now: float, limit: int = 1000) -> int:
        """Remove items whose time has come; answers how many."""
        ...


Delivery = tuple[object, Any, BaseException | None]
"""(token, result, error) of one command."""


class Store(Protocol):
    """Where states, versions, locks and all else of record are kept."""

    reads_are_local: bool
    """Whether `read` takes microseconds and may be called on the event loop."""

    @property
    def access_generation(self) -> int:
        """Rises when another replica has changed principals, teams, grants or credentials: what was read under a lower
        number is to be read anew. At most a second old, so a revocation reaches every replica within that second.
        What this process changes itself is told by whoever commits it. Always 0 where there are no replicas."""
        ...

    in_order: bool
    """Whether commands run in the order of their submission. Where they do not, whoever needs one after the other waits
    for the first one's delivery."""

    def submit(self, command: Callable[[Transaction], object], token: object) -> None:
        """Queue a command; its delivery reaches `deliver_to`'s callback after the durable commit.

        Errors delivered: the command's own Problem; StorageFull (`storage.full`); StorageUnavailable
        (`storage.unavailable`) when the outcome is unknown."""
        ...

    def offer(self, group: Sequence[tuple[Callable[[Transaction], object], object]]) -> bool:
        """Run commands in the calling thread at once, if the store can and is free; deliveries follow as for `submit`,
        or come before this returns.

        False: nothing was done, and they are to be submitted. For one thread only (the event loop)."""
        ...

    def deliver_to(self, callback: Callable[[list[Delivery]], None]) -> None:
        """Where deliveries go, one call per committed group, from a thread of the store or from within `offer`."""
        ...

    def write(self, command: Callable[[Transaction], T]) -> T:
        """Run one command and wait for its commit (command line, start-up, tests)."""
        ...

    def read(self, query: Callable[[Reader], T]) -> T:
        """Run a query against a snapshot that includes every delivered command."""
        ...

    def close(self) -> None:
        """Commit what is queued and stop."""
        ...
