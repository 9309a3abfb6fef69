"""The actions of DynamoDB: one row for each, with its operation and who may use it; and the answer to any call.

A row's access is enforced by the use case that the operation calls and tested for each row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum

import msgspec

from lockhouse.core.addresses import parse_lock_id
from lockhouse.errors import Problem
from lockhouse.protocols.dynamodb import wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.faults import AWS_MESSAGES, ConditionRefused, Fault, Refusal
from lockhouse.protocols.dynamodb.operations.batch_get_item import batch_get_item
from lockhouse.protocols.dynamodb.operations.batch_write_item import batch_write_item
from lockhouse.protocols.dynamodb.operations.continuous_backups import (
    describe_continuous_backups,
    update_continuous_backups,
)
from lockhouse.protocols.dynamodb.operations.create_table import create_table
from lockhouse.protocols.dynamodb.operations.delete_item import delete_item
from lockhouse.protocols.dynamodb.operations.delete_table import delete_table
from lockhouse.protocols.dynamodb.operations.describe_service import describe_endpoints, describe_limits
from lockhouse.protocols.dynamodb.operations.describe_table import describe_table
from lockhouse.protocols.dynamodb.operations.get_item import get_item
from lockhouse.protocols.dynamodb.operations.list_tables import list_tables
from lockhouse.protocols.dynamodb.operations.put_item import put_item
from lockhouse.protocols.dynamodb.operations.query import query
from lockhouse.protocols.dynamodb.operations.scan import scan
from lockhouse.protocols.dynamodb.operations.tags import list_tags_of_resource, tag_resource, untag_resource
from lockhouse.protocols.dynamodb.operations.time_to_live import describe_time_to_live, update_time_to_live
from lockhouse.protocols.dynamodb.operations.update_item import update_item
from lockhouse.protocols.dynamodb.operations.update_table import update_table
from lockhouse.protocols.dynamodb.values import Json, write_item
from lockhouse.protocols.web import Response

TARGET_PREFIX = "DynamoDB_20120810."
Operation = Callable[[Call, bytes], Awaitable[Mapping[str, Json]]]


class Access(StrEnum):
    """What a caller needs."""

    CREDENTIAL = "a valid credential"
    ANY_GRANT = "any grant"
    READ = "read, lock or write on the item (lock items: on the state)"
    WRITE = "lock or write on the item (lock items: lock on the state)"
    ADMIN = "admin on the table"


class Route(msgspec.Struct, frozen=True):
    """One action."""

    action: str
    operation: Operation
    access: Access


ROUTES: tuple[Route, ...] = (
    Route("PutItem", put_item, Access.WRITE),
    Route("GetItem", get_item, Access.READ),
    Route("DeleteItem", delete_item, Access.WRITE),
    Route("UpdateItem", update_item, Access.WRITE),
    Route("Query", query, Access.READ),
    Route("Scan", scan, Access.ANY_GRANT),
    Route("BatchGetItem", batch_get_item, Access.READ),
    Route("BatchWriteItem", batch_write_item, Access.WRITE),
    Route("CreateTable", create_table, Access.ADMIN),
    Route("DescribeTable", describe_table, Access.ANY_GRANT),
    Route("ListTables", list_tables, Access.ANY_GRANT),
    Route("UpdateTable", update_table, Access.ADMIN),
    Route("DeleteTable", delete_table, Access.ADMIN),
    Route("DescribeTimeToLive", describe_time_to_live, Access.ANY_GRANT),
    Route("UpdateTimeToLive", update_time_to_live, Access.ADMIN),
    Route("TagResource", tag_resource, Access.ADMIN),
    Route("UntagResource", untag_resource, Access.ADMIN),
    Route("ListTagsOfResource", list_tags_of_resource, Access.ANY_GRANT),
    Route("DescribeContinuousBackups", describe_continuous_backups, Access.ANY_GRANT),
    Route("UpdateContinuousBackups", update_continuous_backups, Access.ADMIN),
    Route("DescribeEndpoints", describe_endpoints, Access.CREDENTIAL),
    Route("DescribeLimits", describe_limits, Access.CREDENTIAL),
)
_BY_ACTION = {route.action: route.operation for route in ROUTES}

UNSUPPORTED: Mapping[str, str] = {
    "TransactGetItems": "transactions are not supported",
    "TransactWriteItems": "transactions are not supported",
    "ExecuteStatement": "PartiQL is not supported",
    "ExecuteTransaction": "PartiQL is not supported",
    "BatchExecuteStatement": "PartiQL is not supported",
    "CreateGlobalTable": "global tables are not supported",
    "UpdateGlobalTable": "global tables are not supported",
    "CreateBackup": "table backups are not supported: use lockhouse backup",
    "RestoreTableFromBackup": "table backups are not supported: use lockhouse restore",
    "RestoreTableToPointInTime": "table backups are not supported: use lockhouse restore",
    "ExportTableToPointInTime": "exports are not supported",
    "ImportTable": "imports are not supported",
    "EnableKinesisStreamingDestination": "streams are not supported",
}
"""Actions that exist in AWS and never will here, with the words of their ValidationException."""


async def answer(call: Call, target: str, body: bytes) -> Response:
    """The response to one verified call. `target` is X-Amz-Target as sent; problems become faults here.

    Whatever is neither a problem nor a refusal is internal: it is raised, and the edge answers it."""
    request_id = call.caller.request
    action = target.removeprefix(TARGET_PREFIX)
    operation = _BY_ACTION.get(action) if action != target else None
    call.trail.action = action
    try:
        if operation is None:
            return wire.write_refusal(_unknown(action), request_id)
        return wire.write(await operation(call, body), request_id)
    except ConditionRefused as refused:
        _refused(call, body, "condition.failed")
        item = None if refused.item is None else write_item(refused.item)
        return wire.write_fault(Fault.CONDITION, AWS_MESSAGES["condition.failed"], request_id, item)
    except Refusal as refusal:
        _refused(call, body, "request.invalid")
        return wire.write_refusal(refusal, request_id)
    except Problem as problem:
        _refused(call, body, problem.code)
        return wire.write_problem(problem, request_id)


class _Key(msgspec.Struct, frozen=True):
    LockID: dict[str, str] = {}


class _Named(msgspec.Struct, frozen=True):
    """What a request says of the lock or state it is about."""

    Key: _Key = _Key()
    Item: _Key = _Key()


def _refused(call: Call, body: bytes, code: str) -> None:
    """Tell the audit log which lock or state it was."""
    call.trail.code = code
    try:
        named = msgspec.json.decode(body, type=_Named)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    text = named.Key.LockID.get("S") or named.Item.LockID.get("S")
    call.trail.address = parse_lock_id(text) if text else None


def _unknown(action: str) -> Refusal:
    words = UNSUPPORTED.get(action)
    if words is None:
        return Refusal(Fault.UNKNOWN_OPERATION, "")
    return Refusal(Fault.VALIDATION, f"{action}: {words}; this is a lock service")
