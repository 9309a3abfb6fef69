"""BatchGetItem: up to 100 items of any tables, lock and digest items included. Nothing is ever left unprocessed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import msgspec

from lockhouse.core.attributes import Item
from lockhouse.core.items import key_of, read_units
from lockhouse.core.ports import Reader
from lockhouse.errors import AwsRefusal
from lockhouse.protocols.dynamodb import inputs, wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import Constraints, table_name
from lockhouse.protocols.dynamodb.operations import get_item
from lockhouse.protocols.dynamodb.values import Json, WireItem, read_item, write_item
from lockhouse.service import tables
from lockhouse.service.lock_items import Shown

MAX_KEYS = 100


class KeysAndAttributes(inputs.Read, kw_only=True):
    """What to read of one table."""

    Keys: list[WireItem] | None = None
    ConsistentRead: bool | None = None
    ProjectionExpression: str | None = None
    AttributesToGet: list[str] | None = None


class BatchGetItem(msgspec.Struct, kw_only=True):
    """BatchGetItem."""

    RequestItems: dict[str, KeysAndAttributes] | None = None
    ReturnConsumedCapacity: str | None = None


async def batch_get_item(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ResourceNotFound, Validation, AccessDenied."""
    wanted = wire.read(body, BatchGetItem)
    rules = Constraints()
    rules.required(wanted.RequestItems, "requestItems")
    rules.length(wanted.RequestItems, "requestItems", 1, 100)
    rules.one_of(wanted.ReturnConsumedCapacity, "returnConsumedCapacity", inputs.CAPACITIES)
    rules.table_names(wanted.RequestItems or {}, "requestItems")
    for name, part in (wanted.RequestItems or {}).items():
        rules.required(part.Keys, f"requestItems.{name}.member.keys")
        rules.length(part.Keys, f"requestItems.{name}.member.keys", 1, MAX_KEYS)
    rules.check()
    assert wanted.RequestItems is not None
    if sum(len(part.Keys or ()) for part in wanted.RequestItems.values()) > MAX_KEYS:
        raise AwsRefusal("Too many items requested for the BatchGetItem call")
    responses: dict[str, Json] = {}
    spent: list[Json] = []
    for given, part in wanted.RequestItems.items():
        name, keys = table_name(given), [read_item(key) for key in part.Keys or ()]
        found = await call.house.read(partial(_read, call=call, name=name, part=part, keys=keys))
        items = [await get_item.remember(call, shown) for shown in found]
        responses[name] = [write_item(item) for item in items if item is not None]
        units = sum(read_units(shown.size, consistent=bool(part.ConsistentRead)) for shown in found)
        spent.extend(inputs.capacity(wanted.ReturnConsumedCapacity, name, units).values())
    answer: dict[str, Json] = {"Responses": responses, "UnprocessedKeys": {}}
    if spent:
        answer["ConsumedCapacity"] = spent
    return answer


def _read(tx: Reader, call: Call, name: str, part: KeysAndAttributes, keys: list[Item]) -> list[Shown]:
    inputs.check_parameters(
        part,
        {"ProjectionExpression": part.ProjectionExpression},
        {"AttributesToGet": part.AttributesToGet},
    )
    placeholders = inputs.placeholders_of(part)
    schema = tables.get(tx, call.caller, name).schema
    paths = inputs.projection_of(part.ProjectionExpression, part.AttributesToGet, placeholders, schema)
    placeholders.check_used()
    places = [key_of(schema, key) for key in keys]
    if len({(place.hash, place.range) for place in places}) != len(places):
        raise AwsRefusal("Provided list of item keys contains duplicates")
    return [get_item.load(tx, call, name, key, paths) for key in keys]
