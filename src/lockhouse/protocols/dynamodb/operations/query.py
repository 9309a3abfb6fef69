"""Query: the items of one hash key, lock and digest items included."""

from __future__ import annotations

from collections.abc import Mapping

from lockhouse.core.attributes import Item
from lockhouse.core.conditions import attributes_of
from lockhouse.core.items import read_units
from lockhouse.core.ports import Reader
from lockhouse.errors import AwsRefusal
from lockhouse.protocols.dynamodb import inputs, legacy, wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import table_name
from lockhouse.protocols.dynamodb.expressions.condition import parse_condition
from lockhouse.protocols.dynamodb.expressions.keys import split_key_condition
from lockhouse.protocols.dynamodb.operations.pages import Answered, write_page
from lockhouse.protocols.dynamodb.values import Json
from lockhouse.service import lock_items, tables
from lockhouse.service.lock_items import LOCK_ID
from lockhouse.service.tables import Page, Window


class Query(inputs.Search, kw_only=True):
    """Query."""

    KeyConditionExpression: str | None = None
    KeyConditions: dict[str, legacy.FilterCondition] | None = None
    QueryFilter: dict[str, legacy.FilterCondition] | None = None
    ScanIndexForward: bool | None = None


async def query(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ResourceNotFound, Validation, AccessDenied."""
    wanted = wire.read(body, Query)
    conditions = {"keyConditions": wanted.KeyConditions, "queryFilter": wanted.QueryFilter}
    name = table_name(inputs.check_search(wanted, conditions))
    older = {
        "AttributesToGet": wanted.AttributesToGet,
        "QueryFilter": wanted.QueryFilter,
        "ConditionalOperator": wanted.ConditionalOperator,
        "KeyConditions": wanted.KeyConditions if wanted.KeyConditionExpression is not None else None,
    }
    inputs.check_parameters(
        wanted,
        {
            "ProjectionExpression": wanted.ProjectionExpression,
            "FilterExpression": wanted.FilterExpression,
            "KeyConditionExpression": wanted.KeyConditionExpression,
        },
        older,
        with_values=["FilterExpression", "KeyConditionExpression"],
    )
    if wanted.KeyConditions is None and wanted.KeyConditionExpression is None:
        raise AwsRefusal(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
        )
    after = inputs.start_of(wanted)
    page = await call.house.read(lambda tx: _query(tx, call, name, wanted, after))
    units = read_units(page.page.size, consistent=bool(wanted.ConsistentRead))
    return write_page(page, wanted.Select, inputs.capacity(wanted.ReturnConsumedCapacity, name, units))


def _query(tx: Reader, call: Call, name: str, wanted: Query, after: Item | None) -> Answered:
    placeholders = inputs.placeholders_of(wanted)
    schema = tables.get(tx, call.caller, name).schema
    if wanted.KeyConditionExpression is not None:
        condition = parse_condition("KeyConditionExpression", wanted.KeyConditionExpression, placeholders)
    else:
        condition = legacy.key_condition(wanted.KeyConditions or {})
    keep = inputs.filter_of(wanted, wanted.QueryFilter, placeholders)
    paths = inputs.projection_of(wanted.ProjectionExpression, wanted.AttributesToGet, placeholders, schema)
    placeholders.check_used()
    filtered = attributes_of(keep) if keep is not None else frozenset[str]()
    for key in schema.keys:
        if key.name in filtered:
            raise AwsRefusal(
                f"{'Filter Expression' if wanted.QueryFilter is None else 'QueryFilter'} can only contain non-primary "
                f"key attributes: Primary key attribute: {key.name}"
            )
    table = tables.get(tx, call.caller, name)
    hash_value, range_condition = split_key_condition(schema, condition)
    hash_key: Item = {schema.hash.name: hash_value}
    window = Window(limit=wanted.Limit or 0, after=after, keep=keep, descending=wanted.ScanIndexForward is False)
    address = lock_items.address_of(tx, table, hash_key.get(LOCK_ID))
    if address is not None:
        shown = lock_items.show_either(tx, call.caller, address)
        if shown.item is not None and after is None:
            return Answered(tables.page_of(table, (shown.item,), window), paths)
        if not tables.may_read(call.caller, table, hash_key):
            return Answered(Page((), 0, 0), paths)
    return Answered(tables.query(tx, call.caller, table, hash_key, range_condition, window), paths)
