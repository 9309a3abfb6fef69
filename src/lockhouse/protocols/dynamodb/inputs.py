"""The inputs of the item operations, and what several of them share: conditions, projections, capacity.

An input is what the body said, by AWS's names; the functions turn its parts into the trees of `core`. Source: Amazon
DynamoDB API reference, one page for each action.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from lockhouse.core.attributes import Item
from lockhouse.core.conditions import Condition, Path
from lockhouse.core.items import Schema, check_paths
from lockhouse.errors import AwsRefusal, RequestInvalid
from lockhouse.protocols.dynamodb import legacy
from lockhouse.protocols.dynamodb.constraints import Constraints
from lockhouse.protocols.dynamodb.expressions.condition import parse_condition
from lockhouse.protocols.dynamodb.expressions.placeholders import Placeholders
from lockhouse.protocols.dynamodb.expressions.projection import parse_projection
from lockhouse.protocols.dynamodb.legacy import Expected, FilterCondition, Update
from lockhouse.protocols.dynamodb.values import Json, WireItem, check_name, read_item, read_value

RETURN_VALUES = ("ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW")
CAPACITIES = ("INDEXES", "TOTAL", "NONE")
_SELECTS = ("SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")


class Placed(msgspec.Struct, kw_only=True):
    """The placeholders of a request with expressions."""

    ExpressionAttributeNames: dict[str, str] | None = None
    ExpressionAttributeValues: WireItem | None = None


class Write(Placed, kw_only=True):
    """What put, update and delete share."""

    TableName: str | None = None
    ConditionExpression: str | None = None
    Expected: dict[str, Expected] | None = None
    ConditionalOperator: str | None = None
    ReturnValues: str | None = None
    ReturnValuesOnConditionCheckFailure: str | None = None
    ReturnConsumedCapacity: str | None = None
    ReturnItemCollectionMetrics: str | None = None

    @property
    def wants_item(self) -> bool:
        return self.ReturnValuesOnConditionCheckFailure == "ALL_OLD"


class PutItem(Write, kw_only=True):
    """PutItem."""

    Item: WireItem | None = None


class DeleteItem(Write, kw_only=True):
    """DeleteItem."""

    Key: WireItem | None = None


class UpdateItem(Write, kw_only=True):
    """UpdateItem."""

    Key: WireItem | None = None
    UpdateExpression: str | None = None
    AttributeUpdates: dict[str, Update] | None = None


class Read(msgspec.Struct, kw_only=True):
    """What the reads of single items share. They have no values."""

    ExpressionAttributeNames: dict[str, str] | None = None


class GetItem(Read, kw_only=True):
    """GetItem."""

    TableName: str | None = None
    Key: WireItem | None = None
    ConsistentRead: bool | None = None
    ProjectionExpression: str | None = None
    AttributesToGet: list[str] | None = None
    ReturnConsumedCapacity: str | None = None


class Search(Placed, kw_only=True):
    """What query and scan share."""

    TableName: str | None = None
    IndexName: str | None = None
    Select: str | None = None
    AttributesToGet: list[str] | None = None
    ProjectionExpression: str | None = None
    FilterExpression: str | None = None
    ConditionalOperator: str | None = None
    Limit: int | None = None
    ExclusiveStartKey: WireItem | None = None
    ConsistentRead: bool | None = None
    ReturnConsumedCapacity: str | None = None


def check_write(wanted: Write, given: object, field: str) -> str:
    """The front-door rules of put, update and delete; the table's name as it came."""
    rules = Constraints()
    rules.table_name(wanted.TableName)
    rules.required(given, field)
    rules.one_of(wanted.ReturnValues, "returnValues", RETURN_VALUES)
    rules.one_of(wanted.ReturnValuesOnConditionCheckFailure, "returnValuesOnConditionCheckFailure", ("ALL_OLD", "NONE"))
    rules.one_of(wanted.ReturnConsumedCapacity, "returnConsumedCapacity", CAPACITIES)
    rules.one_of(wanted.ReturnItemCollectionMetrics, "returnItemCollectionMetrics", ("SIZE", "NONE"))
    rules.one_of(wanted.ConditionalOperator, "conditionalOperator", ("OR", "AND"))
    legacy.check_expected(rules, wanted.Expected)
    if isinstance(wanted, UpdateItem):
        legacy.check_updates(rules, wanted.AttributeUpdates)
    rules.check()
    assert wanted.TableName is not None
    return wanted.TableName


def check_search(wanted: Search, older: Mapping[str, Mapping[str, FilterCondition] | None]) -> str:
    """The front-door rules of query and scan; the table's name as it came. `older`: their older conditions by field."""
    rules = Constraints()
    rules.table_name(wanted.TableName)
    rules.one_of(wanted.Select, "select", _SELECTS)
    rules.one_of(wanted.ReturnConsumedCapacity, "returnConsumedCapacity", CAPACITIES)
    rules.one_of(wanted.ConditionalOperator, "conditionalOperator", ("OR", "AND"))
    rules.between(wanted.Limit, "limit", 1)
    for field, conditions in older.items():
        legacy.check_conditions(rules, field, conditions)
    rules.check()
    if wanted.IndexName is not None:
        raise AwsRefusal(f"The table does not have the specified index: {wanted.IndexName}")
    if wanted.Select == "ALL_PROJECTED_ATTRIBUTES":
        raise AwsRefusal("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
    narrowed = wanted.ProjectionExpression is not None or wanted.AttributesToGet is not None
    if narrowed and wanted.Select not in (None, "SPECIFIC_ATTRIBUTES"):
        what = "ProjectionExpression" if wanted.ProjectionExpression is not None else "AttributesToGet"
        raise AwsRefusal(f"Cannot specify the {what} when choosing to get {wanted.Select}")
    if wanted.Select == "SPECIFIC_ATTRIBUTES" and not narrowed:
        raise AwsRefusal(
            "One or more parameter values were invalid: Must specify the AttributesToGet or ProjectionExpression when "
            "choosing to get SPECIFIC_ATTRIBUTES"
        )
    assert wanted.TableName is not None
    return wanted.TableName


def check_parameters(
    wanted: Placed | Read,
    expressions: Mapping[str, object],
    older: Mapping[str, object],
    *,
    with_values: Sequence[str] = (),
) -> None:
    """Expressions and the older parameters exclude each other; placeholders need an expression."""
    new = [name for name, value in expressions.items() if value is not None]
    old = [name for name, value in older.items() if value is not None]
    if new and old:
        raise AwsRefusal(
            "Can not use both expression and non-expression parameters in the same request: Non-expression "
            f"parameters: {{{', '.join(old)}}} Expression parameters: {{{', '.join(new)}}}"
        )
    if wanted.ExpressionAttributeNames is not None and not new:
        raise AwsRefusal("ExpressionAttributeNames can only be specified when using expressions")
    if not isinstance(wanted, Placed) or wanted.ExpressionAttributeValues is None:
        return
    if not any(name in new for name in with_values):
        verb = "are" if len(with_values) > 1 else "is"
        names = " and ".join(with_values)
        raise AwsRefusal(f"ExpressionAttributeValues can only be specified when using expressions: {names} {verb} null")


def placeholders_of(wanted: Placed | Read) -> Placeholders:
    """The placeholders, their values read and checked."""
    values = None
    if isinstance(wanted, Placed) and wanted.ExpressionAttributeValues is not None:
        values = {}
        for name, value in wanted.ExpressionAttributeValues.items():
            try:
                values[name] = read_value(value)
            except RequestInvalid as problem:
                raise AwsRefusal(
                    f"ExpressionAttributeValues contains invalid value: {problem.message} for key {name}"
                ) from None
    for name in (wanted.ExpressionAttributeNames or {}).values():
        check_name(name)
    return Placeholders(wanted.ExpressionAttributeNames, values)


def condition_of(wanted: Write, placeholders: Placeholders) -> Condition | None:
    """The condition of a write, in whichever syntax."""
    if wanted.ConditionExpression is not None:
        return parse_condition("ConditionExpression", wanted.ConditionExpression, placeholders)
    legacy.check_operator(wanted.ConditionalOperator, wanted.Expected, "Expected")
    if wanted.Expected:
        return legacy.expected_condition(wanted.Expected, wanted.ConditionalOperator)
    return None


def filter_of(
    wanted: Search, older: Mapping[str, FilterCondition] | None, placeholders: Placeholders
) -> Condition | None:
    """The filter of a query or scan, in whichever syntax."""
    if wanted.FilterExpression is not None:
        return parse_condition("FilterExpression", wanted.FilterExpression, placeholders)
    if older:
        return legacy.filter_condition(older, wanted.ConditionalOperator)
    return None


def projection_of(
    expression: str | None, attributes: Sequence[str] | None, placeholders: Placeholders, schema: Schema
) -> tuple[Path, ...] | None:
    """What to answer of each item; None: everything."""
    if expression is not None:
        paths = parse_projection(expression, placeholders)
        check_paths(schema, paths)
        return paths
    if attributes is None:
        return None
    for name in attributes:
        check_name(name)
    if not attributes:
        raise AwsRefusal(
            "1 validation error detected: Value '[]' at 'attributesToGet' failed to satisfy constraint: Member must "
            "have length greater than or equal to 1"
        )
    for name in attributes:
        if attributes.count(name) > 1:
            raise AwsRefusal(f"One or more parameter values were invalid: Duplicate value in attribute name: {name}")
    return tuple((name,) for name in attributes)


def capacity(mode: str | None, table: str, units: float) -> dict[str, Json]:
    """The ConsumedCapacity member of an answer, if it was asked for."""
    if mode not in ("TOTAL", "INDEXES"):
        return {}
    found: dict[str, Json] = {"TableName": table, "CapacityUnits": units}
    if mode == "INDEXES":
        found["Table"] = {"CapacityUnits": units}
    return {"ConsumedCapacity": found}


def start_of(wanted: Search) -> Item | None:
    """The key after which a query or scan goes on."""
    if wanted.ExclusiveStartKey is None:
        return None
    try:
        return read_item(wanted.ExclusiveStartKey)
    except RequestInvalid as problem:
        raise AwsRefusal(f"The provided starting key is invalid: {problem.message}") from None


def string_key(key: Item, name: str) -> str | None:
    """The value of a key attribute if it is a string and the only one."""
    value = key.get(name)
    return value if len(key) == 1 and isinstance(value, str) else None
