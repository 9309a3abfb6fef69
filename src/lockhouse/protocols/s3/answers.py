"""The error table of S3: from each problem's code to S3's own code and status, and the one rendering of an error.

Source: Amazon S3 API Reference, "Error responses" and the errors of each operation; PROTOCOLS 2.8 and 2.9. Clients
print the message, so it says what happened and what to do in our words, after AWS's where those are known by heart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from lockhouse.errors import Problem
from lockhouse.protocols.aws import xml
from lockhouse.protocols.s3.fields import http_date
from lockhouse.protocols.web import Request, Response


class Answer(msgspec.Struct, frozen=True):
    """S3's code and status."""

    code: str
    status: int


_PRECONDITION = Answer("PreconditionFailed", 412)
_ABORTED = Answer("OperationAborted", 409)
_INVALID = Answer("InvalidRequest", 400)
_ARGUMENT = Answer("InvalidArgument", 400)
_DENIED = Answer("AccessDenied", 403)
_BUSY = Answer("ServiceUnavailable", 503)
_NO_KEY = Answer("NoSuchKey", 404)
_INTERNAL = Answer("InternalError", 500)

UNSET: Mapping[str, str] = {
    "cors": "NoSuchCORSConfiguration",
    "encryption": "ServerSideEncryptionConfigurationNotFoundError",
    "lifecycle": "NoSuchLifecycleConfiguration",
    "object-lock": "ObjectLockConfigurationNotFoundError",
    "ownershipControls": "OwnershipControlsNotFoundError",
    "policy": "NoSuchBucketPolicy",
    "publicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
    "replication": "ReplicationConfigurationNotFoundError",
    "tagging": "NoSuchTagSet",
    "website": "NoSuchWebsiteConfiguration",
}
"""The code of each sub-resource that is not set; its status is always 404."""

ARGUMENTS: Mapping[str, str] = {
    "acl": "AccessControlListNotSupported",
    "acl_missing": "MissingSecurityHeader",
    "acl_of_new_bucket": "InvalidBucketAclWithObjectOwnership",
    "combination": "InvalidRequest",
    "configuration": "InvalidRequest",
    "key_too_long": "KeyTooLongError",
    "location": "InvalidLocationConstraint",
    "metadata_size": "MetadataTooLarge",
    "part_beyond": "InvalidPartNumber",
    "storage_class": "InvalidStorageClass",
    "tag": "InvalidTag",
    "tag_count": "BadRequest",
    "x-amz-mp-object-size": "InvalidRequest",
}
"""The code for each argument that has one of its own."""

MALFORMED: Mapping[str, str] = {
    "policy": "MalformedPolicy",
    "versioning": "IllegalVersioningConfigurationException",
}
"""The code for each kind of document that has one of its own."""

ANSWERS: Mapping[str, Answer | Callable[[Problem], Answer]] = {
    "lock.held": _PRECONDITION,
    "lock.maintenance": _PRECONDITION,
    "lock.mismatch": _ABORTED,
    "lock.not_found": _NO_KEY,
    "write.locked": _PRECONDITION,
    "write.maintenance": _PRECONDITION,
    "write.fenced": _PRECONDITION,
    "write.lock_required": _PRECONDITION,
    "write.serial": _PRECONDITION,
    "write.lineage": _PRECONDITION,
    "body.invalid": _INVALID,
    "body.too_large": Answer("EntityTooLarge", 413),
    "body.incomplete": Answer("IncompleteBody", 400),
    "body.digest": lambda problem: Answer(
        "XAmzContentSHA256Mismatch" if problem.details.get("kind") == "signed" else "BadDigest", 400
    ),
    "body.digest_invalid": lambda problem: (
        Answer("InvalidDigest", 400) if problem.details.get("argument") == "Content-MD5" else _INVALID
    ),
    "body.length_missing": Answer("MissingContentLength", 411),
    "delete.locked": _ABORTED,
    "delete.resources": _ABORTED,
    "state.not_found": _NO_KEY,
    "state.deleted": _NO_KEY,
    "version.not_found": Answer("NoSuchVersion", 404),
    "parked.not_found": _NO_KEY,
    "review.not_found": _INVALID,
    "webhook.exists": _INVALID,
    "webhook.not_found": _INVALID,
    "maintenance.not_found": _INVALID,
    "namespace.not_found": Answer("NoSuchBucket", 404),
    "namespace.exists": Answer("BucketAlreadyOwnedByYou", 409),
    "namespace.invalid": Answer("InvalidBucketName", 400),
    "namespace.not_empty": Answer("BucketNotEmpty", 409),
    "namespace.conflict": Answer("BucketAlreadyExists", 409),
    "namespace.document_not_found": lambda problem: Answer(
        UNSET.get(str(problem.details.get("kind")), "NoSuchConfiguration"), 404
    ),
    "upload.not_found": Answer("NoSuchUpload", 404),
    "upload.part_invalid": lambda problem: Answer(
        {"order": "InvalidPartOrder", "small": "EntityTooSmall"}.get(str(problem.details.get("why")), "InvalidPart"),
        400,
    ),
    "condition.failed": _PRECONDITION,
    "table.not_found": _INVALID,
    "table.exists": _INVALID,
    "workspace.not_found": _INVALID,
    "workspace.exists": _INVALID,
    "workspace.ambiguous": _INVALID,
    "project.not_found": _INVALID,
    "project.exists": _INVALID,
    "access.denied": _DENIED,
    "credential.unknown": Answer("InvalidAccessKeyId", 403),
    "credential.expired": Answer("ExpiredToken", 400),
    "signature.missing": _DENIED,
    "signature.malformed": lambda problem: Answer(
        "AuthorizationQueryParametersError"
        if problem.details.get("place") == "query"
        else "AuthorizationHeaderMalformed",
        400,
    ),
    "signature.unsupported": _INVALID,
    "signature.mismatch": Answer("SignatureDoesNotMatch", 403),
    "signature.skewed": Answer("RequestTimeTooSkewed", 403),
    "signature.expired": _DENIED,
    "principal.not_found": _INVALID,
    "principal.exists": _INVALID,
    "principal.needed": _INVALID,
    "request.invalid": lambda problem: Answer(
        ARGUMENTS.get(str(problem.details.get("argument")), "InvalidArgument"),
        416 if problem.details.get("argument") == "part_beyond" else 400,
    ),
    "request.document": lambda problem: Answer(MALFORMED.get(str(problem.details.get("kind")), "MalformedXML"), 400),
    "request.method": Answer("MethodNotAllowed", 405),
    "request.unsupported": Answer("NotImplemented", 501),
    "range.unsatisfiable": Answer("InvalidRange", 416),
    "encryption.key": lambda problem: {"other": _DENIED, "malformed": _ARGUMENT}.get(
        str(problem.details.get("reason")), _INVALID
    ),
    "provider.unavailable": _BUSY,
    "slow_down": Answer("SlowDown", 503),
    "storage.full": _BUSY,
    "storage.unavailable": _BUSY,
}

AWS_WORDS: Mapping[str, str] = {
    "PreconditionFailed": "At least one of the pre-conditions you specified did not hold",
    "NoSuchBucket": "The specified bucket does not exist",
    "NoSuchKey": "The specified key does not exist.",
    "BucketNotEmpty": "The bucket you tried to delete is not empty",
    "AccessDenied": "Access Denied",
    "AccessControlListNotSupported": "The bucket does not allow ACLs",
    "InvalidBucketAclWithObjectOwnership": (
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
    ),
    "RequestTimeTooSkewed": "The difference between the request time and the current time is too large.",
    "InvalidRange": "The requested range is not satisfiable",
}
"""What people search the web for, put before our own words."""

_EXTRAS: Mapping[str, str] = {
    "argument": "ArgumentName",
    "condition": "Condition",
    "size": "ActualObjectSize",
    "request_time": "RequestTime",
    "server_time": "ServerTime",
    "access_key_id": "AWSAccessKeyId",
}


def answer_to(problem: Problem) -> Answer:
    """S3's code and status for a problem."""
    found = ANSWERS.get(problem.code, _INTERNAL)
    return found if isinstance(found, Answer) else found(problem)


def message_of(problem: Problem, answer: Answer) -> str:
    words = AWS_WORDS.get(answer.code)
    text = f"{words.rstrip('.')}: {problem.message}" if words else problem.message
    return f"{text} (try: {problem.hint})" if problem.hint else text


def host_id(request_id: str) -> str:
    """The second id that AWS support asks for: here the first one again, written twice, so that logs need only one."""
    return request_id + request_id


def identified(request: Request, response: Response) -> Response:
    """With S3's names of the request's ids, which clients print."""
    response.headers.append((b"x-amz-request-id", request.request_id.encode("ascii")))
    response.headers.append((b"x-amz-id-2", host_id(request.request_id).encode("ascii")))
    return response


def refuse(request: Request, problem: Problem | None) -> Response:
    """The answer to a problem; None is an error of ours, of which nothing is said but its request id."""
    if problem is None:
        answer, message = _INTERNAL, "We encountered an internal error. Please try again."
    else:
        answer = answer_to(problem)
        message = message_of(problem, answer)
    headers = [(b"content-type", b"application/xml")]
    extras = ""
    if problem is not None:
        extras = "".join(xml.field(_EXTRAS[name], value) for name, value in problem.details.items() if name in _EXTRAS)
        if "version_id" in problem.details and problem.code in ("state.deleted", "request.method"):
            headers.append((b"x-amz-delete-marker", b"true"))
            headers.append((b"x-amz-version-id", str(problem.details["version_id"]).encode("ascii")))
            if "at" in problem.details:
                headers.append((b"last-modified", http_date(int(problem.details["at"]))))
        if problem.code == "request.method" and problem.details.get("allow"):
            headers.append((b"allow", str(problem.details["allow"]).encode("ascii")))
        if problem.code == "range.unsatisfiable":
            headers.append((b"content-range", b"bytes */%d" % int(problem.details["size"])))
        if problem.code == "slow_down" and "retry_after" in problem.details:
            headers.append((b"retry-after", str(problem.details["retry_after"]).encode("ascii")))
    if request.method == "HEAD":
        return identified(request, Response(answer.status, headers))
    body = xml.document(
        "Error",
        xml.field("Code", answer.code),
        xml.field("Message", message),
        xml.field("Resource", request.raw_path.decode("latin-1")),
        extras,
        xml.field("RequestId", request.request_id),
        xml.field("HostId", host_id(request.request_id)),
        namespace="",
    )
    return identified(request, Response(answer.status, headers, body))
