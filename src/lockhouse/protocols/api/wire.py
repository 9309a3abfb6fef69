"""The documents of the JSON API and its one error table. Pure: values to bytes and back.

Times are RFC 3339 in UTC, sizes bytes, digests lower-case hex. A request document with a field that is not known is
refused: a misspelt field must not be ignored. Every error is
`{"error": {"code", "message", "hint", "request_id", "details"}}` with the status of `STATUSES`.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec

from lockhouse.core.times import timestamp
from lockhouse.errors import DocumentMalformed, Problem

T = TypeVar("T")

Name = Annotated[str, msgspec.Meta(max_length=64)]
NamespaceName = Annotated[str, msgspec.Meta(max_length=63)]
Key = Annotated[str, msgspec.Meta(max_length=1024)]
Text = Annotated[str, msgspec.Meta(max_length=1000)]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """An answer."""


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request's document."""


class ErrorDetail(Document, frozen=True, kw_only=True):
    code: str
    message: str
    hint: str
    request_id: str
    details: dict[str, str | int]


class ErrorDocument(Document, frozen=True, kw_only=True):
    error: ErrorDetail


class BackupAsk(Ask, frozen=True, kw_only=True):
    with_keys: bool = False
    """Whether the master key and the other files that open the data are to be in it."""


class BackupDocument(Document, frozen=True, kw_only=True):
    path: str
    """On the server's machine."""
    at: str
    versions: int
    parked: int
    blobs: int
    bytes: int
    """Of all bodies, as clients sent them."""
    keys: tuple[str, ...]
    """Names of the keys that bodies are sealed with."""
    files: tuple[str, ...]
    """Small files of the data directory that are in it: the keys, if they were asked for."""


class NamespaceAsk(Ask, frozen=True, kw_only=True, omit_defaults=True):
    name: NamespaceName
    region: Name = ""
    require_lock: bool | None = None
    """Without it: as the server's setting says."""
    lock_table: Annotated[str, msgspec.Meta(max_length=255)] = ""
    """A table for locks (`dynamodb_table`) to be made with it, unless it is there."""
    if_not_exists: bool = False
    """Leave a namespace that is there as it is. What is asked of it must then be so already."""


class NamespaceChange(Ask, frozen=True, kw_only=True):
    require_lock: bool


class NamespaceDocument(Document, frozen=True, kw_only=True):
    name: str
    region: str
    created_at: str
    require_lock: bool


class Namespaces(Document, frozen=True, kw_only=True):
    namespaces: tuple[NamespaceDocument, ...]
    next: str
    """Ask again with `after` set to this; empty: that was all."""


class VersionDocument(Document, frozen=True, kw_only=True):
    id: str
    number: int
    created_at: str
    current: bool
    deleted: bool
    """A delete marker: there are no bytes."""
    size: int
    md5: str
    sha256: str
    serial: int | None
    """None: the bytes are not a state."""
    lineage: str
    terraform_version: str
    resources: int | None
    """None: not known (encrypted by OpenTofu, or not counted yet)."""
    outputs: int | None
    encrypted: bool
    by: str
    protocol: str
    peer: str
    agent: str
    lock_id: str
    mark: str
    """`unlocked`, `override`, `rollback`, `accepted`, `imported` or empty."""
    source: str = ""
    """Of an imported version: its id where it was written."""
    content_type: str = ""
    tags: dict[str, str] = {}


class StaleDocument(Document, frozen=True, kw_only=True):
    """Why the holder is not there any more. It decides nothing by itself."""

    why: str
    at: str
    """When it was found."""
    source: str
    """`credential` or `job`."""
    asks: bool
    """Whether the policy waits for somebody to say yes: `lockhouse lock release --stale`."""


class MaintenanceDocument(Document, frozen=True, kw_only=True):
    """Maintenance that stands: nobody is given a lock there, and only who holds one may write."""

    id: str
    namespace: str
    prefix: str
    """Of keys; empty: the whole namespace."""
    exact: bool
    """`prefix` is one whole key."""
    reason: str
    since: str
    until: str
    """Empty: until somebody ends it."""
    by: str


class HolderDocument(Document, frozen=True, kw_only=True):
    """A held lock."""

    namespace: str
    key: str
    id: str
    since: str
    name: str
    """The principal, and the run or session."""
    kind: str
    """What the principal is: `user`, `service-account`, `ci-job` and so on."""
    credential: str
    """The id of the lasting credential behind the lock."""
    last_seen: str
    """When a request with this credential last proved itself, at any server: at most a minute behind at others."""
    job: str
    """Where the CI job can be seen; empty: it is none, or its issuer says no address."""
    stale: StaleDocument | None
    who: str
    """As the client names its user, `user@host`."""
    operation: str
    facets: tuple[str, ...]
    peer: str
    agent: str
    epoch: int
    info: str
    """The lock document as Terraform sent it."""
    waiters: int


class WaiterDocument(Document, frozen=True, kw_only=True):
    name: str
    since: str
    peer: str
    agent: str
    polls: bool
    """It asks again and again, instead of being held in the queue."""


class StateDocument(Document, frozen=True, kw_only=True):
    namespace: str
    key: str
    versions: int
    parked: int
    require_lock: bool
    share_customer_key: bool
    highest_serial: int
    current: VersionDocument | None
    lock: HolderDocument | None


class StateLine(Document, frozen=True, kw_only=True):
    namespace: str
    key: str
    version: str
    serial: int | None
    size: int
    resources: int | None
    terraform_version: str
    updated_at: str
    by: str
    versions: int
    parked: int
    locked_by: str
    """Empty: not locked."""


class States(Document, frozen=True, kw_only=True):
    states: tuple[StateLine, ...]
    next: str


class Versions(Document, frozen=True, kw_only=True):
    versions: tuple[VersionDocument, ...]
    next: int
    """Ask again with `before` set to this; 0: that was all."""


class ImportAsk(Ask, frozen=True, kw_only=True):
    """What is said of a version that was written elsewhere; its bytes are the body of the request."""

    key: Key
    at: Annotated[float, msgspec.Meta(ge=0)]
    """When it was written there, in seconds since 1970."""
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    """Its own id there: the same again is the same version."""
    place: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    """Where it comes from, for people."""
    after: Name = ""
    """The version here that it follows; empty: it is the first."""
    deleted: bool = False
    """A delete marker: no bytes."""
    content_type: Annotated[str, msgspec.Meta(max_length=255)] = ""
    metadata: dict[str, str] = {}


class ImportedDocument(Document, frozen=True, kw_only=True):
    created: bool
    """False: it had come before."""
    version: VersionDocument


class ObjectLine(Document, frozen=True, kw_only=True):
    key: str
    versions: int
    state: bool
    """False: a plain object."""
    current: VersionDocument | None


class Objects(Document, frozen=True, kw_only=True):
    objects: tuple[ObjectLine, ...]
    next: str


class RestoreAsk(Ask, frozen=True, kw_only=True):
    key: Key
    version: Name


class StateChange(Ask, frozen=True, kw_only=True):
    """What is not named stays as it is."""

    require_lock: bool | None = None
    share_customer_key: bool | None = None
    """Whether versions that were stored with a customer's key (S3's SSE-C) may be read over other protocols."""


class WorkspaceAsk(Ask, frozen=True, kw_only=True):
    key: Key
    """Of the state that is to have this name."""


class WorkspaceDocument(Document, frozen=True, kw_only=True):
    id: str
    namespace: str
    name: str
    key: str
    """Of the state behind it."""
    project: str
    tags: tuple[str, ...]


class Workspaces(Document, frozen=True, kw_only=True):
    workspaces: tuple[WorkspaceDocument, ...]


class DeletedDocument(Document, frozen=True, kw_only=True):
    version: str
    """The delete marker."""


class ParkedDocument(Document, frozen=True, kw_only=True):
    id: str
    namespace: str
    key: str
    created_at: str
    reason: str
    """The code of the problem that refused it."""
    message: str
    size: int
    sha256: str
    serial: int | None
    lineage: str
    by: str
    protocol: str
    peer: str
    agent: str
    current_serial: int | None


class ParkedList(Document, frozen=True, kw_only=True):
    parked: tuple[ParkedDocument, ...]
    next: str


class LockEventDocument(Document, frozen=True, kw_only=True):
    number: int
    at: str
    verb: str
    lock_id: str
    epoch: int
    facet: str
    name: str
    who: str
    operation: str
    reason: str
    job: str


class FenceDocument(Document, frozen=True, kw_only=True):
    """A holder whose lock was taken away: what it still writes is refused."""

    lock_ids: tuple[str, ...]
    credential: str
    at: str
    by: str
    reason: str
    epoch: int


class LockDocumentView(Document, frozen=True, kw_only=True):
    namespace: str
    key: str
    held: HolderDocument | None
    epoch: int
    waiters: tuple[WaiterDocument, ...]
    fences: tuple[FenceDocument, ...]
    history: tuple[LockEventDocument, ...]
    """Newest first."""
    maintenance: MaintenanceDocument | None = None
    """What stands there now."""


class Locks(Document, frozen=True, kw_only=True):
    locks: tuple[HolderDocument, ...]
    next_namespace: str
    next_key: str


class ForceUnlockAsk(Ask, frozen=True, kw_only=True):
    key: Key
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    id: Text = ""
    """Only this lock; empty: the one that is held when the request comes."""


class ForceUnlocked(Document, frozen=True, kw_only=True):
    namespace: str
    key: str
    id: str
    holder: str


class Health(Document, frozen=True, kw_only=True, omit_defaults=True):
    status: str
    version: str
    large_bodies: str = ""
    """`unavailable` while their place does not answer."""


STATUSES: dict[str, int] = {
    "access.denied": 403,
    "body.digest": 400,
    "body.digest_invalid": 400,
    "body.incomplete": 400,
    "body.invalid": 400,
    "body.length_missing": 411,
    "body.too_large": 413,
    "condition.failed": 412,
    "credential.expired": 401,
    "credential.unknown": 401,
    "delete.locked": 423,
    "delete.resources": 409,
    "encryption.key": 400,
    "lock.held": 423,
    "lock.maintenance": 423,
    "lock.mismatch": 409,
    "lock.not_found": 404,
    "namespace.conflict": 409,
    "namespace.document_not_found": 404,
    "namespace.exists": 409,
    "namespace.invalid": 400,
    "namespace.not_empty": 409,
    "namespace.not_found": 404,
    "parked.not_found": 404,
    "principal.exists": 409,
    "principal.needed": 409,
    "principal.not_found": 404,
    "range.unsatisfiable": 416,
    "request.document": 400,
    "request.invalid": 400,
    "request.method": 405,
    "request.unsupported": 501,
    "review.not_found": 404,
    "webhook.exists": 409,
    "webhook.not_found": 404,
    "maintenance.not_found": 404,
    "signature.expired": 403,
    "signature.malformed": 403,
    "signature.mismatch": 403,
    "signature.missing": 403,
    "signature.skewed": 403,
    "signature.unsupported": 403,
    "provider.unavailable": 503,
    "slow_down": 429,
    "state.deleted": 404,
    "state.not_found": 404,
    "storage.full": 503,
    "storage.unavailable": 503,
    "table.exists": 409,
    "table.not_found": 404,
    "workspace.not_found": 404,
    "workspace.exists": 409,
    "workspace.ambiguous": 409,
    "project.not_found": 404,
    "project.exists": 409,
    "upload.not_found": 404,
    "upload.part_invalid": 400,
    "version.not_found": 404,
    "write.fenced": 409,
    "write.lineage": 409,
    "write.lock_required": 409,
    "write.locked": 423,
    "write.maintenance": 423,
    "write.serial": 409,
}
"""Code to HTTP status; a test proves it complete."""

_encode = msgspec.json.Encoder().encode


def encode(document: Document | dict[str, Any]) -> bytes:
    return _encode(document)


def encode_problem(problem: Problem, request_id: str) -> tuple[int, bytes]:
    """(status, document)."""
    detail = ErrorDetail(
        code=problem.code,
        message=_text(problem.message),
        hint=_text(problem.hint),
        request_id=request_id,
        details={name: _text(value) if isinstance(value, str) else value for name, value in problem.details.items()},
    )
    return STATUSES[problem.code], encode(ErrorDocument(error=detail))


def _text(said: str) -> str:
    """What may stand in JSON: a problem can repeat bytes of an address that are no UTF-8."""
    return said if said.isascii() else said.encode("utf-8", "replace").decode()


def encode_internal(request_id: str) -> bytes:
    detail = ErrorDetail(
        code="internal",
        message="cannot answer: something is wrong inside the server",
        hint=f"the server's log has the reason under request id {request_id}",
        request_id=request_id,
        details={},
    )
    return encode(ErrorDocument(error=detail))


def decode(raw: bytes, kind: type[T]) -> T:
    """A request's document. Errors: `request.document` says where and what."""
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise DocumentMalformed(f"cannot read the request: {wrong}", hint="/lockhouse/v1/openapi.json") from None


def when(at: float) -> str:
    """RFC 3339, or empty for 0."""
    return timestamp(at) if at else ""
