"""The documents of the JSON API and its one error table. Pure: values to bytes and back.

Times are RFC 3339 in UTC, sizes bytes, digests lower-case hex. A request document with a field that is not known is
refused: a misspelt field must not be ignored. Every error is
`{"error": {"code", "message", "hint", "request_id", "details"}}` with the status of `STATUSES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec

from lockhouse.core.grants import ROLE_RIGHTS, Role, role_of
from lockhouse.core.principals import Grant, Kind, Link, Principal, Right
from lockhouse.core.reviews import Review
from lockhouse.errors import DocumentMalformed, Problem
from lockhouse.service.locks import timestamp

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


class GrantAsk(Ask, frozen=True, kw_only=True):
    """Rights on the keys of `namespace` (`*`: all namespaces) that start with `prefix`."""

    namespace: Annotated[str, msgspec.Meta(max_length=255)]
    rights: tuple[Right, ...] = ()
    prefix: Key = ""
    role: Role | None = None
    """A named set of rights, beside or in place of `rights`."""
    exact: bool = False
    """`prefix` is one whole key."""


class GrantDocument(Document, frozen=True, kw_only=True):
    namespace: str
    prefix: str
    rights: tuple[Right, ...]
    role: str = ""
    """The role that has exactly these rights; empty: none has."""
    exact: bool = False
    """`prefix` is one whole key."""


class LinkDocument(Document, frozen=True, kw_only=True):
    """Who a user, or a team, is at an identity provider."""

    issuer: str
    subject: str
    email: str
    display_name: str


class Status(Document, frozen=True, kw_only=True):
    version: str
    name: str
    """Who asks."""
    kind: str
    grants: tuple[GrantDocument, ...]
    account_id: str
    region: str
    held_locks: int
    """Among what the caller may see; at most 1000 are counted."""


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


class NamespaceAsk(Ask, frozen=True, kw_only=True):
    name: NamespaceName
    region: Name = ""
    require_lock: bool | None = None
    """Without it: as the server's setting says."""


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


class KeyAsk(Ask, frozen=True, kw_only=True):
    name: Name
    grants: tuple[GrantAsk, ...] = ()
    """Without any: read, write, lock and force-unlock everywhere."""


class CredentialDocument(Document, frozen=True, kw_only=True):
    id: str
    kind: str
    created_at: str
    expires_at: str
    """Empty: never."""
    last_used_at: str
    """Empty: never, as far as is known: uses are written down once a minute."""
    description: str = ""
    scope: tuple[GrantDocument, ...] | None = None
    """What the principal's grants are narrowed to; null: not at all."""
    replaced_by: str = ""
    """Id of the credential that was made by rotating this one."""


class TrustPolicy(Ask, frozen=True, kw_only=True):
    """All claims must be equal to those of the token."""

    issuer: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    audience: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    claims: dict[str, str]
    seconds: Annotated[int, msgspec.Meta(ge=900, le=3600)] = 3600
    proposals: bool = False
    """Whether runs for pull requests and merge requests are believed."""


class TrustDocument(Document, frozen=True, kw_only=True):
    """The trust policy of a CI job."""

    issuer: str
    audience: str
    claims: dict[str, str]
    seconds: int
    proposals: bool
    role_arn: str
    """For `assume_role_with_web_identity`."""


class PrincipalDocument(Document, frozen=True, kw_only=True):
    name: str
    kind: str
    created_at: str
    grants: tuple[GrantDocument, ...]
    """Its own."""
    credentials: tuple[CredentialDocument, ...]
    trusted: tuple[str, ...]
    """Roles: names of who may assume it."""
    teams: tuple[str, ...] = ()
    effective: tuple[GrantDocument, ...] = ()
    """Its own and those of its teams."""
    link: LinkDocument | None = None
    namespace: str = ""
    """Teams: the organization; empty: the whole server."""
    trust: TrustDocument | None = None
    """CI jobs: whose ID tokens give their credentials."""


class LinkAsk(Ask, frozen=True, kw_only=True):
    """Both empty: the link is taken away."""

    issuer: Text = ""
    subject: Text = ""
    email: Annotated[str, msgspec.Meta(max_length=320)] = ""
    display_name: Annotated[str, msgspec.Meta(max_length=200)] = ""


class PrincipalAsk(Ask, frozen=True, kw_only=True):
    """A principal without credentials."""

    name: Annotated[str, msgspec.Meta(max_length=128)]
    kind: Kind
    grants: Annotated[tuple[GrantAsk, ...], msgspec.Meta(max_length=200)] = ()
    link: LinkAsk | None = None
    namespace: NamespaceName = ""
    """Teams: the organization; the name is then `NAMESPACE:TEAM`."""
    trust: TrustPolicy | None = None
    """CI jobs: whose ID tokens give their credentials."""


class ExchangeAsk(Ask, frozen=True, kw_only=True):
    """An ID token of a CI system, for an API token. This is asked without a credential."""

    policy: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    """The name of the CI job whose trust policy is to believe it."""
    token: Annotated[str, msgspec.Meta(min_length=1, max_length=16 * 1024)]


class TeamsAsk(Ask, frozen=True, kw_only=True):
    teams: Annotated[tuple[Annotated[str, msgspec.Meta(max_length=128)], ...], msgspec.Meta(max_length=500)]


class MemberDocument(Document, frozen=True, kw_only=True):
    name: str
    kind: str
    since: str
    source: str
    """The issuer whose directory says so; empty where a person did."""


class Members(Document, frozen=True, kw_only=True):
    team: str
    members: tuple[MemberDocument, ...]


class RotateAsk(Ask, frozen=True, kw_only=True):
    grace: Annotated[float, msgspec.Meta(ge=0, le=30 * 86_400)] = 3600.0
    """Seconds for which the old one still works; 0: it ends at once."""


class RotatedCredential(Document, frozen=True, kw_only=True):
    """The new secret is shown here and never again: `token`, or `secret_access_key` of the access key `id`."""

    name: str
    id: str
    kind: str
    token: str
    secret_access_key: str
    expires_at: str
    old: str
    old_ends_at: str


class Principals(Document, frozen=True, kw_only=True):
    principals: tuple[PrincipalDocument, ...]


class CreatedKey(Document, frozen=True, kw_only=True):
    """The secret is shown here and never again."""

    name: str
    access_key_id: str
    secret_access_key: str
    grants: tuple[GrantDocument, ...]


class GrantsAsk(Ask, frozen=True, kw_only=True):
    grants: Annotated[tuple[GrantAsk, ...], msgspec.Meta(min_length=1, max_length=200)]


class RoleAsk(Ask, frozen=True, kw_only=True):
    name: Name
    grants: Annotated[tuple[GrantAsk, ...], msgspec.Meta(min_length=1, max_length=200)]
    trusted: tuple[Name, ...] = ()


class RoleDocument(Document, frozen=True, kw_only=True):
    name: str
    arn: str
    grants: tuple[GrantDocument, ...]


class TrustAsk(Ask, frozen=True, kw_only=True):
    names: Annotated[tuple[Name, ...], msgspec.Meta(max_length=200)]


class TokenAsk(Ask, frozen=True, kw_only=True):
    name: Name = ""
    """Of the key or administrator whose token it is; empty: of the caller."""
    expires_in: Annotated[float, msgspec.Meta(ge=1, le=10 * 366 * 86_400)] | None = None
    """Seconds; without it the token lasts until it is revoked."""
    scope: Annotated[tuple[GrantAsk, ...], msgspec.Meta(max_length=50)] | None = None
    """What the token may do of all that its principal may; without it: all."""
    description: Annotated[str, msgspec.Meta(max_length=200)] = ""


class AccessKeyAsk(TokenAsk, frozen=True, kw_only=True):
    """As a token, but an access key comes of it."""


class CreatedToken(Document, frozen=True, kw_only=True):
    """The token is shown here and never again."""

    name: str
    id: str
    token: str
    expires_at: str


class Revoked(Document, frozen=True, kw_only=True):
    id: str


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


class HolderDocument(Document, frozen=True, kw_only=True):
    """A held lock."""

    namespace: str
    key: str
    id: str
    since: str
    name: str
    """The principal."""
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
    require_lock: bool


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


class SentReview(Document, frozen=True, kw_only=True):
    id: str
    url: str
    """Of its page in the console: absolute where the setting public_url is set."""


class ReviewLine(Document, frozen=True, kw_only=True):
    id: str
    at: str
    root: str
    commit: str
    by: str
    size: int
    statuses: dict[str, int]
    """How many services have each status."""
    findings: int
    violations: int


class Reviews(Document, frozen=True, kw_only=True):
    """Newest first: of every root the newest; with `root`, all of this root."""

    reviews: tuple[ReviewLine, ...]
    next: int
    """Ask again with `before` set to this; 0: that was all."""


class ReviewChange(Document, frozen=True, kw_only=True):
    """One service that is not as it was in the review before. An empty status: not present."""

    service: str
    before: str
    after: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]


class ReviewDocument(Document, frozen=True, kw_only=True):
    about: ReviewLine
    previous: str
    """The id of the review before of the same root; empty: there is none."""
    changes: tuple[ReviewChange, ...]
    review: Review


class LockClient(Document, frozen=True, kw_only=True):
    """Who locked in a namespace through a facet."""

    namespace: str
    name: str
    """The principal."""
    who: str
    """As the client named its user the last time."""
    facet: str
    """`table`, `lockfile`, `http` or `workspace`."""
    locks: int
    states: int
    first_at: str
    last_at: str
    versions: tuple[str, ...]
    """Of Terraform or OpenTofu, the newest lock's first."""


class LockTrafficDocument(Document, frozen=True, kw_only=True):
    since: str
    complete: bool
    """False: more locks than are counted at once; nothing since `since` is missing."""
    clients: tuple[LockClient, ...]


class Health(Document, frozen=True, kw_only=True):
    status: str
    version: str


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
        message=problem.message,
        hint=problem.hint,
        request_id=request_id,
        details=dict(problem.details),
    )
    return STATUSES[problem.code], encode(ErrorDocument(error=detail))


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


def grants_of(asked: Sequence[GrantAsk]) -> tuple[Grant, ...]:
    return tuple(
        Grant(each.namespace, each.prefix, (*each.rights, *(ROLE_RIGHTS[each.role] if each.role else ())), each.exact)
        for each in asked
    )


def link_of(asked: LinkAsk | None) -> Link | None:
    if asked is None or not (asked.issuer or asked.subject):
        return None
    if not (asked.issuer and asked.subject):
        raise DocumentMalformed("cannot link: both issuer and subject are needed", argument="link")
    return Link(asked.issuer, asked.subject, asked.email, asked.display_name)


def grant_documents(grants: Sequence[Grant]) -> tuple[GrantDocument, ...]:
    return tuple(
        GrantDocument(
            namespace=each.namespace,
            prefix=each.prefix,
            rights=each.rights,
            role=str(role_of(each.rights) or ""),
            exact=each.exact,
        )
        for each in grants
    )


def role_arn(account_id: str, role: Principal) -> str:
    return f"arn:aws:iam::{account_id}:role/{role.name}"
