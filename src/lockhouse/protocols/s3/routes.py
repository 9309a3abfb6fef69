"""The routes of S3: place, method, sub-resource, operation, access. One row for each; what has no row is refused.

A sub-resource is a query parameter that names another thing than the bucket or object itself. Those that S3 has and
this service does not offer are listed too: an unknown word must never fall through to reading or writing the object.
The access of a row is enforced by the use case that the operation calls, and tested for each row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum

import msgspec

from lockhouse.errors import MethodNotAllowed, OperationUnsupported, RequestInvalid
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.s3.documents import DOCUMENTS
from lockhouse.protocols.s3.operations import bucket_documents, buckets, object_acl, object_tagging, uploads
from lockhouse.protocols.s3.operations.copy_object import copy_object
from lockhouse.protocols.s3.operations.delete_object import delete_object
from lockhouse.protocols.s3.operations.delete_objects import delete_objects
from lockhouse.protocols.s3.operations.get_object import get_object, head_object
from lockhouse.protocols.s3.operations.get_object_attributes import get_object_attributes
from lockhouse.protocols.s3.operations.list_buckets import list_buckets
from lockhouse.protocols.s3.operations.list_objects import list_objects_v1, list_objects_v2
from lockhouse.protocols.s3.operations.list_versions import list_versions
from lockhouse.protocols.s3.operations.put_object import put_object
from lockhouse.protocols.web import Request, Response

Operation = Callable[[Call], Awaitable[Response]]


class Place(StrEnum):
    """What the path names."""

    SERVICE = "service"
    BUCKET = "bucket"
    OBJECT = "object"

    __hash__ = str.__hash__
    """Each request looks one up; that of `Enum` is a function in Python."""


class Access(StrEnum):
    """What a caller needs, beside a valid signature."""

    NOTHING = "nothing more: it sees what its grants show"
    ANY_GRANT = "any grant on the bucket"
    READ = "read (locks: read or lock)"
    WRITE = "write (locks: lock; somebody else's lock: force-unlock)"
    ADMIN = "admin on the bucket"


class Route(msgspec.Struct, frozen=True):
    """One row."""

    place: Place
    method: str
    marker: str
    """The sub-resource, or how the request is told from its neighbours; empty for the thing itself."""
    operation: Operation
    access: Access
    name: str
    """AWS's name of the operation."""


COPY = "x-amz-copy-source"
COPY_PART = "uploadId+copy"
LIST_V2 = "list-type"
_COPY_FIELD = COPY.encode()

_S, _B, _O = Place
_ROWS: tuple[Route, ...] = (
    Route(_S, "GET", "", list_buckets, Access.NOTHING, "ListBuckets"),
    Route(_B, "PUT", "", buckets.create_bucket, Access.ADMIN, "CreateBucket"),
    Route(_B, "HEAD", "", buckets.head_bucket, Access.ANY_GRANT, "HeadBucket"),
    Route(_B, "DELETE", "", buckets.delete_bucket, Access.ADMIN, "DeleteBucket"),
    Route(_B, "GET", "", list_objects_v1, Access.READ, "ListObjects"),
    Route(_B, "GET", LIST_V2, list_objects_v2, Access.READ, "ListObjectsV2"),
    Route(_B, "GET", "versions", list_versions, Access.READ, "ListObjectVersions"),
    Route(_B, "GET", "uploads", uploads.list_uploads, Access.READ, "ListMultipartUploads"),
    Route(_B, "POST", "delete", delete_objects, Access.WRITE, "DeleteObjects"),
    Route(_B, "GET", "location", buckets.bucket_location, Access.ANY_GRANT, "GetBucketLocation"),
    Route(_B, "GET", "versioning", bucket_documents.get_versioning, Access.ANY_GRANT, "GetBucketVersioning"),
    Route(_B, "PUT", "versioning", bucket_documents.put_versioning, Access.ADMIN, "PutBucketVersioning"),
    Route(_B, "GET", "acl", bucket_documents.get_acl, Access.ANY_GRANT, "GetBucketAcl"),
    Route(_B, "PUT", "acl", bucket_documents.put_acl, Access.ADMIN, "PutBucketAcl"),
    Route(_B, "GET", "policyStatus", bucket_documents.get_policy_status, Access.READ, "GetBucketPolicyStatus"),
    Route(_O, "PUT", "", put_object, Access.WRITE, "PutObject"),
    Route(_O, "PUT", COPY, copy_object, Access.WRITE, "CopyObject"),
    Route(_O, "GET", "", get_object, Access.READ, "GetObject"),
    Route(_O, "HEAD", "", head_object, Access.READ, "HeadObject"),
    Route(_O, "DELETE", "", delete_object, Access.WRITE, "DeleteObject"),
    Route(_O, "GET", "tagging", object_tagging.get_object_tagging, Access.READ, "GetObjectTagging"),
    Route(_O, "PUT", "tagging", object_tagging.put_object_tagging, Access.WRITE, "PutObjectTagging"),
    Route(_O, "DELETE", "tagging", object_tagging.delete_object_tagging, Access.WRITE, "DeleteObjectTagging"),
    Route(_O, "GET", "acl", object_acl.get_object_acl, Access.READ, "GetObjectAcl"),
    Route(_O, "PUT", "acl", object_acl.put_object_acl, Access.WRITE, "PutObjectAcl"),
    Route(_O, "GET", "attributes", get_object_attributes, Access.READ, "GetObjectAttributes"),
    Route(_O, "POST", "uploads", uploads.create_upload, Access.WRITE, "CreateMultipartUpload"),
    Route(_O, "PUT", "uploadId", uploads.upload_part, Access.WRITE, "UploadPart"),
    Route(_O, "PUT", COPY_PART, uploads.upload_part_copy, Access.WRITE, "UploadPartCopy"),
    Route(_O, "GET", "uploadId", uploads.list_parts, Access.WRITE, "ListParts"),
    Route(_O, "POST", "uploadId", uploads.complete_upload, Access.WRITE, "CompleteMultipartUpload"),
    Route(_O, "DELETE", "uploadId", uploads.abort_upload, Access.WRITE, "AbortMultipartUpload"),
)
_DOCUMENT_NAMES = {
    "accelerate": "AccelerateConfiguration",
    "cors": "Cors",
    "encryption": "Encryption",
    "lifecycle": "LifecycleConfiguration",
    "logging": "Logging",
    "notification": "NotificationConfiguration",
    "object-lock": "ObjectLockConfiguration",
    "ownershipControls": "OwnershipControls",
    "policy": "Policy",
    "publicAccessBlock": "PublicAccessBlock",
    "replication": "Replication",
    "requestPayment": "RequestPayment",
    "tagging": "Tagging",
    "website": "Website",
}
_BY_TABLE = (
    ("GET", "Get", bucket_documents.get_document, Access.READ),
    ("PUT", "Put", bucket_documents.put_document, Access.ADMIN),
    ("DELETE", "Delete", bucket_documents.delete_document, Access.ADMIN),
)
ROUTES: tuple[Route, ...] = _ROWS + tuple(
    Route(_B, method, kind, operation, access, f"{verb}Bucket{_DOCUMENT_NAMES[kind]}")
    for kind, document in DOCUMENTS.items()
    for method, verb, operation, access in _BY_TABLE
    if method != "DELETE" or document.can_be_unset
)
NOT_OFFERED = frozenset(
    {
        "abac",
        "analytics",
        "encryptionConfiguration",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "metadataConfiguration",
        "metadataInventoryTable",
        "metadataJournalTable",
        "metadataTable",
        "metrics",
        "renameObject",
        "restore",
        "retention",
        "select",
        "session",
        "torrent",
    }
)
"""Sub-resources that S3 has and this service does not."""

_TABLE = {(route.place, route.method, route.marker): route for route in ROUTES}
_MARKERS = {route.marker for route in ROUTES} | NOT_OFFERED
_METHODS: dict[tuple[Place, str], list[str]] = {}
for _route in ROUTES:
    _METHODS.setdefault((_route.place, _route.marker), []).append(_route.method)


def find_route(request: Request, bucket: str, key: str) -> Route:
    """The row for a request. Errors: `request.unsupported`, `request.method`, `request.invalid`."""
    place = _O if key else _B if bucket else _S
    marker = _marker(request, place)
    route = _TABLE.get((place, request.method, marker))
    if route is not None:
        return route
    methods = _METHODS.get((place, marker))
    if methods is None:
        raise OperationUnsupported(
            f"cannot do this: {marker or request.method} of a {place} is not offered here",
            hint="docs/reference/s3.md lists what there is",
        )
    raise MethodNotAllowed(
        f"cannot {request.method} {marker or 'this'}: only {', '.join(methods)}", allow=", ".join(methods)
    )


def _marker(request: Request, place: Place) -> str:
    found = ""
    for name, value in request.query if request.raw_query else ():
        if name not in _MARKERS or (name == LIST_V2 and value != "2"):
            continue
        if found and name != found:
            raise RequestInvalid(
                f"cannot do two things at once: {found} and {name}", hint="send two requests", argument=name
            )
        found = name
    if place is _O and request.method == "PUT" and _COPY_FIELD in request.headers.first:
        return {"": COPY, "uploadId": COPY_PART}.get(found, found)
    return found
