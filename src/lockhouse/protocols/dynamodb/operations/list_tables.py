"""ListTables: names in order, in pages of up to 100."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lockhouse.protocols.dynamodb import wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import Constraints
from lockhouse.protocols.dynamodb.values import Json
from lockhouse.service import tables

_MAX_NAMES = 100


class ListTables(msgspec.Struct, kw_only=True):
    """ListTables."""

    ExclusiveStartTableName: str | None = None
    Limit: int | None = None


async def list_tables(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: Validation, AccessDenied."""
    wanted = wire.read(body, ListTables)
    rules = Constraints()
    if wanted.ExclusiveStartTableName is not None:
        rules.table_name(wanted.ExclusiveStartTableName, "exclusiveStartTableName")
    rules.between(wanted.Limit, "limit", 1, _MAX_NAMES)
    rules.check()
    names, last = await call.house.read(
        lambda tx: tables.list_names(tx, call.caller, wanted.ExclusiveStartTableName or "", wanted.Limit or _MAX_NAMES)
    )
    answer: dict[str, Json] = {"TableNames": list(names)}
    if last:
        answer["LastEvaluatedTableName"] = last
    return answer
