"""Key conditions: which conditions Query accepts on the primary key, and what range of keys they mean.

The hash key must equal one value; the range key may be compared, lie between two values or begin with a prefix. Source:
developer guide, "Key condition expressions for the Query operation".
"""

from __future__ import annotations

from typing import NoReturn

from lockhouse.core.attributes import Kind, Value, kind_of
from lockhouse.core.conditions import (
    At,
    BeginsWith,
    Between,
    Comparator,
    Compare,
    Condition,
    Constant,
    Contains,
    Either,
    Every,
    Exists,
    HasType,
    Not,
    OneOf,
    Operand,
    SizeOf,
)
from lockhouse.core.items import Schema
from lockhouse.errors import AwsRefusal

_REFUSED: dict[type, str] = {
    Either: "OR",
    OneOf: "IN",
    Not: "NOT",
    Exists: "attribute_exists",
    HasType: "attribute_type",
    Contains: "contains",
}
_MIRRORED = {
    Comparator.EQ: Comparator.EQ,
    Comparator.NE: Comparator.NE,
    Comparator.LT: Comparator.GT,
    Comparator.LE: Comparator.GE,
    Comparator.GT: Comparator.LT,
    Comparator.GE: Comparator.LE,
}


def split_key_condition(schema: Schema, condition: Condition) -> tuple[Value, Condition | None]:
    """(hash key value, condition on the range key or None). RequestInvalid with AWS's message."""
    found: dict[str, Condition] = {}
    for part in _parts(condition):
        name, normal = _one(part)
        if name in found:
            _refuse("KeyConditionExpressions must only contain one condition per key")
        found[name] = normal
    if len(found) > 2:
        _refuse("Conditions can be of length 1 or 2 only")
    first = found.pop(schema.hash.name, None)
    if first is None:
        _refuse(f"Query condition missed key schema element: {schema.hash.name}")
    if not isinstance(first, Compare) or first.comparator is not Comparator.EQ or not isinstance(first.right, Constant):
        _refuse("Query key condition not supported")
    _check_kind(first.right.value, schema.hash.kind)
    if not found:
        return first.right.value, None
    if schema.range is None or schema.range.name not in found:
        name = schema.range.name if schema.range else next(iter(found))
        _refuse(
            f"Query condition missed key schema element: {name}"
            if schema.range
            else "Query key condition not supported"
        )
    second = found[schema.range.name]
    for value in _values(second):
        _check_kind(value, schema.range.kind)
    return first.right.value, second


def _refuse(message: str) -> NoReturn:
    raise AwsRefusal(message)


def _check_kind(value: Value, kind: Kind) -> None:
    if kind_of(value) != kind:
        _refuse("One or more parameter values were invalid: Condition parameter type does not match schema type")


def _parts(condition: Condition) -> list[Condition]:
    if isinstance(condition, Every):
        return [part for each in condition.conditions for part in _parts(each)]
    return [condition]


def _one(condition: Condition) -> tuple[str, Condition]:
    refused = _REFUSED.get(type(condition), "")
    if isinstance(condition, Not) and isinstance(condition.condition, Exists):
        refused = "attribute_not_exists"
    elif isinstance(condition, Compare) and condition.comparator is Comparator.NE:
        refused = "<>"
    if refused:
        _refuse(f"Invalid operator used in KeyConditionExpression: {refused}")
    match condition:
        case Compare(comparator=comparator, left=left, right=right):
            if isinstance(right, At) and not isinstance(left, At):
                return _name([right, left]), Compare(_MIRRORED[comparator], right, left)
            return _name([left, right]), condition
        case Between(operand=operand, low=low, high=high):
            if not isinstance(operand, At):
                _refuse(
                    "Invalid condition in KeyConditionExpression: BETWEEN operator must have the key attribute as its "
                    "first operand"
                )
            return _name([operand, low, high]), condition
        case BeginsWith(operand=operand, prefix=prefix):
            if not isinstance(operand, At):
                _refuse(
                    "Invalid condition in KeyConditionExpression: begins_with operator must have the key attribute as "
                    "its first operand"
                )
            return _name([operand, prefix]), condition
    raise AssertionError(condition)


def _name(operands: list[Operand]) -> str:
    if any(isinstance(operand, SizeOf) for operand in operands):
        _refuse("KeyConditionExpressions cannot contain nested operations")
    first, *rest = operands
    if not isinstance(first, At):
        _refuse("Invalid condition in KeyConditionExpression: No key attribute specified")
    if any(isinstance(operand, At) for operand in rest):
        _refuse("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
    if len(first.path) > 1:
        _refuse("KeyConditionExpressions cannot have conditions on nested attributes")
    name = first.path[0]
    assert isinstance(name, str)
    return name


def _values(condition: Condition) -> list[Value]:
    operands: tuple[Operand, ...] = ()
    match condition:
        case Compare():
            operands = (condition.right,)
        case Between():
            operands = (condition.low, condition.high)
        case BeginsWith():
            operands = (condition.prefix,)
    return [operand.value for operand in operands if isinstance(operand, Constant)]
