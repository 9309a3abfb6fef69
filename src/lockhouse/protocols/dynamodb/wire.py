"""DynamoDB JSON 1.0: bytes of a request to a typed input, and an answer or a problem to bytes.

Pure. Duplicate keys and hopelessly deep documents are refused, because two readers of one body must never differ.
The four requests of Terraform's lock are recognised by shape before anything general runs.
Source: Amazon DynamoDB API reference; AWS JSON 1.0 protocol (Smithy). Errors: `faults`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NoReturn, TypeVar
from zlib import crc32

import msgspec

from lockhouse.errors import Problem
from lockhouse.protocols.dynamodb.faults import AWS_MESSAGES, FAULTS, Fault, Refusal
from lockhouse.protocols.dynamodb.values import Json
from lockhouse.protocols.web import Response

MAX_BODY_BYTES = 16 * 1024 * 1024
CONTENT_TYPE = (b"content-type", b"application/x-amz-json-1.0")
_EMPTY = b"{}"
_EMPTY_CRC = (b"x-amz-crc32", str(crc32(_EMPTY)).encode())
_MISFIT = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")
_encode = msgspec.json.Encoder().encode
T = TypeVar("T")


class _Text(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    S: str


class _LockItem(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    LockID: _Text
    Info: _Text


class _LockKey(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    LockID: _Text


class _TakeRequest(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    ConditionExpression: str
    Item: _LockItem
    TableName: str


class _ShowRequest(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    ConsistentRead: bool
    Key: _LockKey
    ProjectionExpression: str
    TableName: str


class _ReleaseRequest(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    Key: _LockKey
    TableName: str


class TakeLockRequest(msgspec.Struct, frozen=True, gc=False):
    """PutItem of `{LockID, Info}` under `attribute_not_exists(LockID)`."""

    table: str
    lock_id: str
    info: str


class ShowLockRequest(msgspec.Struct, frozen=True, gc=False):
    """GetItem of a LockID with the projection `LockID, Info` or `LockID, Digest`."""

    table: str
    lock_id: str
    attribute: str


class ReleaseLockRequest(msgspec.Struct, frozen=True, gc=False):
    """DeleteItem of a LockID, without a condition."""

    table: str
    lock_id: str


_decode_take = msgspec.json.Decoder(_TakeRequest).decode
_decode_show = msgspec.json.Decoder(_ShowRequest).decode
_decode_release = msgspec.json.Decoder(_ReleaseRequest).decode
_TAKE_STRINGS, _SHOW_STRINGS, _RELEASE_STRINGS = 11, 9, 6
"""Keys and values that are strings."""
_PROJECTIONS = {"LockID, Info": "Info", "LockID, Digest": "Digest"}


def read_take(body: bytes) -> TakeLockRequest | None:
    """The lock request that Terraform and OpenTofu send, or None for any other PutItem."""
    try:
        found = _decode_take(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not _says_each_once(body, found, _TAKE_STRINGS):
        return None
    if found.ConditionExpression != "attribute_not_exists(LockID)":
        return None
    return TakeLockRequest(found.TableName, found.Item.LockID.S, found.Item.Info.S)


def read_show(body: bytes) -> ShowLockRequest | None:
    """The read of a lock or digest that Terraform and OpenTofu send, or None for any other GetItem."""
    try:
        found = _decode_show(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not _says_each_once(body, found, _SHOW_STRINGS):
        return None
    attribute = _PROJECTIONS.get(found.ProjectionExpression)
    return None if attribute is None else ShowLockRequest(found.TableName, found.Key.LockID.S, attribute)


def read_release(body: bytes) -> ReleaseLockRequest | None:
    """The unlock that Terraform sends, or None for any other DeleteItem."""
    try:
        found = _decode_release(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not _says_each_once(body, found, _RELEASE_STRINGS):
        return None
    return ReleaseLockRequest(found.TableName, found.Key.LockID.S)


def _says_each_once(body: bytes, found: msgspec.Struct, strings: int) -> bool:
    """Whether a JSON text that was read as `found`, whose keys and values are this many strings, has no key twice.

    Each string stands between two quotes; those inside of one have a backslash before them. Where backslashes follow
    each other that cannot be told so easily; but our encoder writes the shortest text that there is, and a text of the
    same length has nothing besides.
    """
    if body.find(b"\\\\") < 0:
        return body.count(b'"') - body.count(b'\\"') == 2 * strings
    return len(body) == len(_encode(found))


def read(body: bytes, shape: type[T]) -> T:
    """The input of an operation. Refusal with SerializationException for whatever cannot be one.

    A null is as good as absent and unknown members are ignored, as AWS does.
    """
    try:
        found = msgspec.json.decode(body, type=shape)
        json.loads(body, object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant)
    except msgspec.ValidationError as error:
        _refuse_misfit(str(error), body)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        raise Refusal(Fault.SERIALIZATION, "The request body is not valid JSON") from None
    except RecursionError:
        raise Refusal(Fault.SERIALIZATION, "The request body is nested too deeply") from None
    return found


def _refuse_duplicates(pairs: list[tuple[str, None]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise Refusal(Fault.SERIALIZATION, "The request body has the same key twice in one object")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_EXPECTED = {"str": "String", "bool": "Boolean", "int": "Long", "float": "Double"}
_GIVEN = {
    "int": "NUMBER_VALUE",
    "float": "DECIMAL_VALUE",
    "bool": "TRUE_VALUE",
    "str": "STRING_VALUE",
    "null": "NULL_VALUE",
}


def _refuse_misfit(error: str, body: bytes) -> NoReturn:
    """AWS's words for a member of the wrong JSON type."""
    found = _MISFIT.search(error)
    if found is None:
        raise Refusal(Fault.SERIALIZATION, "The request body does not fit the operation")
    expected = found[1].removesuffix(" | null")
    given = found[2]
    if given == "object":
        message = "Start of structure or map found where not expected"
    elif given == "array":
        message = f"Unrecognized collection type class java.lang.{_EXPECTED.get(expected, 'Object')}"
    elif expected in _EXPECTED:
        # Which of the two it was is not told; a body without a true has the other.
        value = "FALSE_VALUE" if given == "bool" and b"true" not in body else _GIVEN.get(given, "STRING_VALUE")
        message = f"{value} cannot be converted to {_EXPECTED[expected]}"
    else:
        message = "Unexpected field type"
    raise Refusal(Fault.SERIALIZATION, message)


def write(answer: Mapping[str, Json], request_id: str) -> Response:
    """A success."""
    if answer:
        return _respond(200, _encode(answer), request_id)
    return Response(200, [CONTENT_TYPE, (b"x-amzn-requestid", request_id.encode()), _EMPTY_CRC], _EMPTY)


def write_problem(problem: Problem, request_id: str) -> Response:
    """The answer to a problem, from the one table."""
    ours = f"{problem.message} (try: {problem.hint})" if problem.hint else problem.message
    return write_fault(FAULTS[problem.code], AWS_MESSAGES.get(problem.code, ours), request_id)


def write_refusal(refusal: Refusal, request_id: str) -> Response:
    """The answer to a request that is none."""
    return write_fault(refusal.fault, refusal.message, request_id)


def write_fault(fault: Fault, message: str, request_id: str, item: Mapping[str, Json] | None = None) -> Response:
    """A fault; `item` only with ReturnValuesOnConditionCheckFailure."""
    body: dict[str, Json] = {"__type": fault.type, "message": message}
    if item is not None:
        body["Item"] = dict(item)
    return _respond(fault.status, _encode(body), request_id)


def _respond(status: int, body: bytes, request_id: str) -> Response:
    checksum = str(crc32(body)).encode()
    return Response(
        status,
        [CONTENT_TYPE, (b"x-amzn-requestid", request_id.encode()), (b"x-amz-crc32", checksum)],
        body,
    )
