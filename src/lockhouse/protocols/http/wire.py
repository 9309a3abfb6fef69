"""What a request of the HTTP backend means, and how each answer looks. Pure: bytes in, values out, and back.

Specification: PROTOCOLS 3 (measured with Terraform 1.6 to 1.15 and read in OpenTofu). Terraform looks at little more
than the status: LOCK must answer exactly 200, a held lock 423 with the holder's document, 404 means "no state yet" and
so is never said of anything else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from lockhouse.core.addresses import Address, check_key, check_namespace
from lockhouse.errors import BodyDigestInvalid, BodyDigestMismatch, MethodNotAllowed, Problem, RequestInvalid
from lockhouse.protocols.web import Headers, unescape
from lockhouse.service.lock_documents import read_document

PREFIX = b"/http/"
LOCK_SUFFIX = "/lock"
MAX_DOCUMENT_BYTES = 64 * 1024
"""The largest lock document that is read."""
MAX_PARAMETER = 500
"""Characters of `ID`, `version` and `reason`."""
ALLOW = "GET, HEAD, POST, PUT, PATCH, DELETE, LOCK, UNLOCK"


class Act(StrEnum):
    """What is asked of an address."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    LOCK = "lock"
    UNLOCK = "unlock"
    SHOW_LOCK = "show lock"


METHODS: Mapping[str, Act] = {
    "GET": Act.READ,
    "HEAD": Act.READ,
    "POST": Act.WRITE,
    "PUT": Act.WRITE,
    "PATCH": Act.WRITE,
    "DELETE": Act.DELETE,
    "LOCK": Act.LOCK,
    "UNLOCK": Act.UNLOCK,
}
"""`update_method` may be any of POST, PUT and PATCH."""

LOCK_METHODS: Mapping[str, Act] = {
    "GET": Act.SHOW_LOCK,
    "HEAD": Act.SHOW_LOCK,
    "POST": Act.LOCK,
    "PUT": Act.LOCK,
    "LOCK": Act.LOCK,
    "DELETE": Act.UNLOCK,
    "UNLOCK": Act.UNLOCK,
}
"""Methods on `ADDRESS/lock`, for configurations with `lock_method = "POST"` and `unlock_method = "DELETE"`."""


class Target(msgspec.Struct, frozen=True):
    """An address and what is asked of it."""

    address: Address
    act: Act


STATUSES: Mapping[str, int] = {
    "lock.held": 423,
    "lock.maintenance": 423,
    "lock.mismatch": 409,
    "lock.not_found": 404,
    "write.locked": 423,
    "write.maintenance": 423,
    "write.fenced": 409,
    "write.lock_required": 409,
    "write.serial": 409,
    "write.lineage": 409,
    "body.invalid": 400,
    "body.too_large": 413,
    "body.incomplete": 400,
    "body.digest": 400,
    "body.digest_invalid": 400,
    "body.length_missing": 411,
    "delete.locked": 423,
    "delete.resources": 409,
    "state.not_found": 404,
    "state.deleted": 404,
    "version.not_found": 404,
    "parked.not_found": 404,
    "review.not_found": 400,
    "webhook.exists": 400,
    "webhook.not_found": 400,
    "maintenance.not_found": 400,
    "namespace.not_found": 400,
    "namespace.exists": 409,
    "namespace.invalid": 400,
    "namespace.not_empty": 409,
    "namespace.conflict": 409,
    "namespace.document_not_found": 400,
    "upload.not_found": 400,
    "upload.part_invalid": 400,
    "condition.failed": 412,
    "table.not_found": 400,
    "table.exists": 409,
    "workspace.not_found": 400,
    "workspace.ambiguous": 409,
    "workspace.exists": 409,
    "project.not_found": 400,
    "project.exists": 409,
    "access.denied": 403,
    "credential.unknown": 401,
    "credential.expired": 401,
    "signature.missing": 401,
    "signature.malformed": 400,
    "signature.unsupported": 400,
    "signature.mismatch": 403,
    "signature.skewed": 403,
    "signature.expired": 403,
    "principal.not_found": 400,
    "principal.exists": 409,
    "principal.needed": 409,
    "request.invalid": 400,
    "request.document": 400,
    "request.method": 405,
    "request.unsupported": 400,
    "range.unsatisfiable": 416,
    "encryption.key": 400,
    "provider.unavailable": 503,
    "slow_down": 429,
    "storage.full": 507,
    "storage.unavailable": 503,
}
"""The answer to each problem, by its code. Only a state (or version) that truly does not exist is 404: Terraform takes
404 on a read for "nothing here yet" and would create everything a second time."""


class _Refusal(msgspec.Struct, omit_defaults=True):
    code: str
    message: str
    hint: str = ""
    request: str = ""


def decode_target(method: str, raw_path: bytes) -> Target:
    """The address and act. Errors: `namespace.invalid`, `request.invalid` (key), `request.method` (details `allow`)."""
    first, _, rest = raw_path[len(PREFIX) :].partition(b"/")
    namespace, text = check_namespace(unescape(first)), check_key(unescape(rest))
    table = METHODS
    if text.endswith(LOCK_SUFFIX) and len(text) > len(LOCK_SUFFIX):
        table, text = LOCK_METHODS, text[: -len(LOCK_SUFFIX)]
    act = table.get(method)
    if act is None:
        raise MethodNotAllowed(f"cannot use {method} here", allow=ALLOW)
    return Target(Address(namespace, text), act)


def decode_parameter(value: str | None) -> str:
    """A query parameter's text, empty when absent. Errors: `request.invalid` for what is no UTF-8, or too long."""
    if value is None:
        return ""
    if len(value) > MAX_PARAMETER or not value.isprintable() or any("\ud800" <= each <= "\udfff" for each in value):
        raise RequestInvalid(
            f"cannot use a parameter that is no text of up to {MAX_PARAMETER} characters",
            hint="shorten it, or leave it out",
            argument="query",
        )
    return value


def decode_basic(authorization: str) -> tuple[str, str] | None:
    """(user, password) of a Basic Authorization header (RFC 7617, UTF-8), or None."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


def decode_bearer(authorization: str) -> str | None:
    """The token of a Bearer Authorization header (RFC 6750), or None."""
    scheme, _, rest = authorization.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else None


def decode_md5(headers: Headers) -> bytes | None:
    """The 16 bytes of Content-MD5, or None without one. Errors: `body.digest_invalid`."""
    sent = headers.get("content-md5")
    if sent is None:
        return None
    try:
        digest = base64.b64decode(sent, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise BodyDigestInvalid("cannot use this Content-MD5: it is not the base64 of 16 bytes")
    return digest


def check_md5(wanted: bytes | None, found: bytes) -> None:
    """Errors: `body.digest` when a digest was sent and is another one."""
    if wanted is not None and wanted != found:
        raise BodyDigestMismatch(
            "cannot accept this body: its MD5 is not the Content-MD5 that came with it",
            hint="it was changed on the way: send it again",
        )


def check_document(headers: Headers, body: bytes) -> None:
    """Content-MD5 of a lock document."""
    check_md5(decode_md5(headers), hashlib.md5(body, usedforsecurity=False).digest())


def decode_lock_id(body: bytes) -> str:
    """The id in a LOCK body. Errors: `request.invalid` when it is not a lock document with an id."""
    lock_id = read_document(body).id
    if not lock_id:
        raise RequestInvalid(
            "cannot lock: the body is not a lock document with an ID",
            hint="terraform force-unlock ID, or send the document that LOCK sent",
            argument="ID",
        )
    return lock_id


def decode_unlock_id(body: bytes) -> str:
    """The id in an UNLOCK body; empty for an empty body, which is Terraform's force-unlock (PROTOCOLS 3.2).

    Errors: `request.invalid` for a body that is something else: it must never force by accident."""
    return decode_lock_id(body) if body.strip() else ""


def encode_refusal(problem: Problem, request_id: str) -> bytes:
    """The JSON body of a refusal, for people and scripts: Terraform prints only the status."""
    return msgspec.json.encode(_Refusal(problem.code, problem.message, problem.hint, request_id))


def encode_internal(request_id: str) -> bytes:
    return msgspec.json.encode(_Refusal("internal", "internal error", "", request_id))
