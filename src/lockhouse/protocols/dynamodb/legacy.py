"""The older parameters (Expected, AttributeUpdates, KeyConditions, QueryFilter, ScanFilter) as the same trees.

Source: Amazon DynamoDB developer guide, "Legacy conditional parameters".
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from lockhouse.core.attributes import Kind, Value, kind_of, order
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
    Not,
    OneOf,
)
from lockhouse.core.updates import Add, Change, Delete, IfNotExists, ListAppend, Remove, Set
from lockhouse.errors import AwsRefusal
from lockhouse.protocols.dynamodb.constraints import Constraints
from lockhouse.protocols.dynamodb.values import WireValue, check_name, read_value

_INVALID = "One or more parameter values were invalid: "
_OPERATORS = (
    "IN",
    "NULL",
    "BETWEEN",
    "LT",
    "NOT_CONTAINS",
    "EQ",
    "GT",
    "NOT_NULL",
    "NE",
    "LE",
    "BEGINS_WITH",
    "GE",
    "CONTAINS",
)
_COMPARISONS = {
    "EQ": Comparator.EQ,
    "NE": Comparator.NE,
    "LT": Comparator.LT,
    "LE": Comparator.LE,
    "GT": Comparator.GT,
    "GE": Comparator.GE,
}
_INDEXABLE = ("EQ", "LE", "LT", "GE", "GT", "BEGINS_WITH", "BETWEEN")
_SCALARS = (Kind.S, Kind.N, Kind.B)
_MISMATCH = "Type mismatch for attribute to update"


class Expected(msgspec.Struct, kw_only=True):
    """ExpectedAttributeValue."""

    Value: WireValue | None = None
    Exists: bool | None = None
    ComparisonOperator: str | None = None
    AttributeValueList: list[WireValue] | None = None


class FilterCondition(msgspec.Struct, kw_only=True):
    """Condition."""

    ComparisonOperator: str | None = None
    AttributeValueList: list[WireValue] | None = None


class Update(msgspec.Struct, kw_only=True):
    """AttributeValueUpdate."""

    Value: WireValue | None = None
    Action: str | None = None


def expected_condition(expected: Mapping[str, Expected], operator: str | None) -> Condition:
    """The condition that Expected means."""
    return _joined([_expected(name, each) for name, each in expected.items()], operator)


def filter_condition(conditions: Mapping[str, FilterCondition], operator: str | None = None) -> Condition:
    """The condition that ScanFilter or QueryFilter means; `check_conditions` has seen it."""
    found = []
    for name, each in conditions.items():
        assert each.ComparisonOperator is not None
        found.append(_compare(name, each.ComparisonOperator, each.AttributeValueList or []))
    return _joined(found, operator)


def key_condition(conditions: Mapping[str, FilterCondition]) -> Condition:
    """The condition that KeyConditions means."""
    if len(conditions) > 2:
        raise AwsRefusal("Conditions can be of length 1 or 2 only")
    condition = filter_condition(conditions)
    if any(each.ComparisonOperator not in _INDEXABLE for each in conditions.values()):
        raise AwsRefusal("Attempted conditional constraint is not an indexable operation")
    return condition


def check_operator(operator: str | None, given: Mapping[str, object] | None, field: str) -> None:
    """ConditionalOperator joins the older conditions, of which there must be some."""
    if operator is not None and not given:
        raise AwsRefusal(f"{_INVALID}ConditionalOperator cannot be used without {field}")


def check_conditions(rules: Constraints, field: str, conditions: Mapping[str, FilterCondition] | None) -> None:
    """The front-door rules of ScanFilter, QueryFilter and KeyConditions."""
    for name, each in (conditions or {}).items():
        rules.required(each.ComparisonOperator, f"{field}.{name}.member.comparisonOperator")
        rules.one_of(each.ComparisonOperator, f"{field}.{name}.member.comparisonOperator", _OPERATORS)


def check_expected(rules: Constraints, expected: Mapping[str, Expected] | None) -> None:
    """The front-door rules of Expected."""
    for name, each in (expected or {}).items():
        rules.one_of(each.ComparisonOperator, f"expected.{name}.member.comparisonOperator", _OPERATORS)


def check_updates(rules: Constraints, updates: Mapping[str, Update] | None) -> None:
    """The front-door rules of AttributeUpdates."""
    for name, each in (updates or {}).items():
        rules.one_of(each.Action, f"attributeUpdates.{name}.member.action", ("ADD", "PUT", "DELETE"))


def changes_of(updates: Mapping[str, Update]) -> tuple[Change, ...]:
    """The changes that AttributeUpdates means."""
    for name in updates:
        check_name(name)
    return tuple(_change(name, update) for name, update in updates.items())


def _joined(conditions: list[Condition], operator: str | None) -> Condition:
    if len(conditions) == 1:
        return conditions[0]
    return Either(tuple(conditions)) if operator == "OR" else Every(tuple(conditions))


def _expected(name: str, each: Expected) -> Condition:
    if each.AttributeValueList is not None and each.Value is not None:
        raise AwsRefusal(f"{_INVALID}Value and AttributeValueList cannot be used together for Attribute: {name}")
    if each.ComparisonOperator is not None:
        if each.Exists is not None:
            raise AwsRefusal(f"{_INVALID}Exists and ComparisonOperator cannot be used together for Attribute: {name}")
        values = each.AttributeValueList if each.AttributeValueList is not None else [each.Value] if each.Value else []
        if not values and each.AttributeValueList is None and each.ComparisonOperator not in ("NULL", "NOT_NULL"):
            raise AwsRefusal(
                f"{_INVALID}Value or AttributeValueList must be used with ComparisonOperator: "
                f"{each.ComparisonOperator} for Attribute: {name}"
            )
        return _compare(name, each.ComparisonOperator, values)
    if each.AttributeValueList is not None:
        raise AwsRefusal(
            f"{_INVALID}AttributeValueList can only be used with a ComparisonOperator for Attribute: {name}"
        )
    if each.Exists is False:
        if each.Value is not None:
            raise AwsRefusal(f"{_INVALID}Value cannot be used when Exists is false for Attribute: {name}")
        return Not(Exists((name,)))
    if each.Value is None:
        shown = "null" if each.Exists is None else "true"
        raise AwsRefusal(f"{_INVALID}Value must be provided when Exists is {shown} for Attribute: {name}")
    return Compare(Comparator.EQ, At((name,)), Constant(read_value(each.Value)))


def _compare(name: str, operator: str, wire: list[WireValue]) -> Condition:
    values = [read_value(each) for each in wire]
    _check_values(operator, values)
    at = At((name,))
    if operator in _COMPARISONS:
        return Compare(_COMPARISONS[operator], at, Constant(values[0]))
    match operator:
        case "NULL":
            return Not(Exists(at.path))
        case "NOT_NULL":
            return Exists(at.path)
        case "IN":
            return OneOf(at, tuple(Constant(value) for value in values))
        case "BETWEEN":
            return Between(at, Constant(values[0]), Constant(values[1]))
        case "BEGINS_WITH":
            return BeginsWith(at, Constant(values[0]))
        case "CONTAINS":
            return Contains(at, Constant(values[0]))
        case _:
            # Not of what is not there, though NE is true of that.
            return Every((Exists(at.path), Not(Contains(at, Constant(values[0])))))


def _check_values(operator: str, values: list[Value]) -> None:
    counts = {"NULL": 0, "NOT_NULL": 0, "BETWEEN": 2}
    fits = len(values) > 0 if operator == "IN" else len(values) == counts.get(operator, 1)
    if not fits:
        raise AwsRefusal(f"{_INVALID}Invalid number of argument(s) for the {operator} ComparisonOperator")
    kinds = [kind_of(value) for value in values]
    if len(set(kinds)) > 1:
        raise AwsRefusal(f"{_INVALID}AttributeValues inside AttributeValueList must be of same type")
    allowed = (Kind.S, Kind.B) if operator == "BEGINS_WITH" else _SCALARS
    if kinds and operator not in ("EQ", "NE") and kinds[0] not in allowed:
        raise AwsRefusal(f"{_INVALID}ComparisonOperator {operator} is not valid for {kinds[0]} AttributeValue type")
    if operator == "BETWEEN" and order(values[0], values[1]) == 1:
        raise AwsRefusal(
            "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
        )


def _change(name: str, update: Update) -> Change:
    path = (name,)
    if update.Value is None:
        if update.Action != "DELETE":
            raise AwsRefusal(f"{_INVALID}Only DELETE action is allowed when no attribute value is specified")
        return Remove(path)
    value = read_value(update.Value)
    kind = kind_of(value)
    match update.Action:
        case "DELETE":
            if kind not in (Kind.SS, Kind.NS, Kind.BS):
                raise AwsRefusal(f"{_INVALID}DELETE action with value is not supported for the type {kind}")
            return Delete(path, value, _MISMATCH)
        case "ADD":
            if isinstance(value, list):
                return Set(path, ListAppend(IfNotExists(path, Constant([])), Constant(value), _MISMATCH))
            if not isinstance(value, Decimal) and kind not in (Kind.SS, Kind.NS, Kind.BS):
                raise AwsRefusal(f"{_INVALID}ADD action is not supported for the type {kind}")
            return Add(path, value, _MISMATCH)
        case _:
            return Set(path, Constant(value))
