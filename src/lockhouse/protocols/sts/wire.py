"""The AWS query protocol: form fields in, XML out, and the one table from problems to STS errors. Pure.

Specification: AWS Security Token Service API reference (version 2011-06-15), IAM API reference (2010-05-08).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from lockhouse.errors import Problem, RequestInvalid
from lockhouse.protocols.web import Response

MAX_FIELDS = 200
STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
IAM_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
_XML = b"text/xml"
_INTERNAL = (500, "InternalFailure")

ERRORS: Mapping[str, tuple[int, str]] = {
    "access.denied": (403, "AccessDenied"),
    "body.digest": (403, "SignatureDoesNotMatch"),
    "body.incomplete": (400, "IncompleteBody"),
    "body.too_large": (413, "RequestEntityTooLarge"),
    "credential.expired": (403, "ExpiredToken"),
    "credential.unknown": (403, "InvalidClientTokenId"),
    "principal.not_found": (404, "NoSuchEntity"),
    "request.document": (400, "MalformedQueryString"),
    "request.invalid": (400, "ValidationError"),
    "request.unsupported": (400, "InvalidAction"),
    "signature.expired": (403, "SignatureDoesNotMatch"),
    "signature.malformed": (400, "IncompleteSignature"),
    "signature.mismatch": (403, "SignatureDoesNotMatch"),
    "signature.missing": (403, "MissingAuthenticationToken"),
    "signature.skewed": (403, "SignatureDoesNotMatch"),
    "signature.unsupported": (403, "SignatureDoesNotMatch"),
    "slow_down": (400, "Throttling"),
    "storage.full": (503, "ServiceUnavailable"),
    "storage.unavailable": (503, "ServiceUnavailable"),
}
"""Every problem that these operations, or the gate in front of them, can raise."""

WEB_IDENTITY_ERRORS: Mapping[str, tuple[int, str]] = {
    **ERRORS,
    "credential.expired": (400, "ExpiredTokenException"),
    "credential.unknown": (400, "InvalidIdentityToken"),
    "provider.unavailable": (400, "IDPCommunicationError"),
}
"""Of AssumeRoleWithWebIdentity, whose proof is a token."""

Element = Mapping[str, "str | Element | Sequence[Element]"]


def read_form(body: bytes) -> dict[str, str]:
    """The form fields. Errors: `request.document` when the body is not a form, `request.invalid` for a field twice."""
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, strict_parsing=True, max_num_fields=MAX_FIELDS)
    except (UnicodeDecodeError, ValueError):
        raise RequestInvalid(
            "cannot read this request: it is not a form",
            hint="send it as application/x-www-form-urlencoded, as an AWS SDK does",
            argument="body",
        ) from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RequestInvalid(
            "cannot read this request: a field is given twice", hint="send each field once", argument="body"
        )
    return fields


def read_number(fields: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number between two bounds. Errors: `request.invalid`."""
    text = fields.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not low <= int(text) <= high:
        raise RequestInvalid(
            f"cannot use {name}: it must be a whole number from {low} to {high}", hint=f"{name}={low}", argument=name
        )
    return int(text)


def read_text(fields: Mapping[str, str], name: str) -> str:
    """A field that must be there. Errors: `request.invalid`."""
    text = fields.get(name)
    if not text:
        raise RequestInvalid(f"cannot do this without {name}", hint=f"send {name}, as an AWS SDK does", argument=name)
    return text


def write_result(action: str, namespace: str, result: Element, request_id: str) -> Response:
    """The successful answer of an action."""
    text = (
        f'<{action}Response xmlns="{namespace}"><{action}Result>{_elements(result)}</{action}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    )
    return Response(200, _headers(request_id), text.encode())


def write_problem(problem: Problem | None, request_id: str, table: Mapping[str, tuple[int, str]] = ERRORS) -> Response:
    """The error document of a problem; None (and whatever the table does not know) is internal."""
    status, code = table.get(problem.code, _INTERNAL) if problem is not None else _INTERNAL
    message = "internal error"
    if problem is not None and (status, code) != _INTERNAL:
        message = f"{problem.message} ({problem.hint})" if problem.hint else problem.message
    kind = "Sender" if status < 500 else "Receiver"
    text = (
        f'<ErrorResponse xmlns="{STS_NAMESPACE}"><Error><Type>{kind}</Type><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return Response(status, _headers(request_id), text.encode())


def _headers(request_id: str) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", _XML), (b"x-amzn-requestid", request_id.encode("ascii"))]


def _elements(result: Element) -> str:
    parts: list[str] = []
    for name, value in result.items():
        if isinstance(value, str):
            inner = escape(value)
        elif isinstance(value, Mapping):
            inner = _elements(value)
        else:
            inner = "".join(f"<member>{_elements(member)}</member>" for member in value)
        parts.append(f"<{name}>{inner}</{name}>")
    return "".join(parts)
