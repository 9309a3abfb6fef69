"""DeleteTable: gone at once, with its ordinary items; held locks are not the table's and stay."""

from __future__ import annotations

from collections.abc import Mapping

from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.descriptions import describe
from lockhouse.protocols.dynamodb.operations.describe_table import read_name
from lockhouse.protocols.dynamodb.values import Json
from lockhouse.service import tables


async def delete_table(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ResourceNotFound, Validation (deletion protection), AccessDenied."""
    name = read_name(body)
    table = await call.house.write(lambda tx: tables.delete(tx, call.caller, name))
    return {"TableDescription": describe(call, table, "DELETING")}
