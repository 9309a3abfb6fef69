"""DescribeTable."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lockhouse.protocols.dynamodb import wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import Constraints, table_name
from lockhouse.protocols.dynamodb.descriptions import describe
from lockhouse.protocols.dynamodb.values import Json
from lockhouse.service import tables


class TableOnly(msgspec.Struct, kw_only=True):
    """An input that only names a table."""

    TableName: str | None = None


def read_name(body: bytes) -> str:
    """The table that the request names."""
    wanted = wire.read(body, TableOnly)
    rules = Constraints()
    rules.own_table_name(wanted.TableName)
    rules.check()
    assert wanted.TableName is not None
    return table_name(wanted.TableName)


async def describe_table(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ResourceNotFound, Validation, AccessDenied."""
    name = read_name(body)
    table = await call.house.read(lambda tx: tables.get(tx, call.caller, name))
    return {"Table": describe(call, table)}
