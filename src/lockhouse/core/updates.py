"""Changes to one item: what SET, REMOVE, ADD and DELETE mean, applied to an item as a whole.

Every right-hand side is computed from the item as it was before the update, list positions too; the item given is never
changed. A few bytes of an expression can set one large value in a thousand places: so values are not copied, and an
item that is too large is refused while it grows. Source: Amazon DynamoDB developer guide, "Using update expressions in
DynamoDB".
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

import msgspec

from lockhouse.core.attributes import (
    BinarySet,
    Item,
    NumberSet,
    StringSet,
    Value,
    add,
    copy_of,
    subtract,
)
from lockhouse.core.conditions import MISSING, At, Constant, Path, find
from lockhouse.core.items import MAX_ITEM_BYTES, item_too_large
from lockhouse.errors import AwsRefusal

_NO_SUCH_ATTRIBUTE = "The provided expression refers to an attribute that does not exist in the item"
_INVALID_PATH = "The document path provided in the update expression is invalid for update"
_WRONG_TYPE = "An operand in the update expression has an incorrect data type"


class IfNotExists(msgspec.Struct, frozen=True):
    """`if_not_exists(path, otherwise)`."""

    path: Path
    otherwise: Source


class ListAppend(msgspec.Struct, frozen=True):
    """`list_append(first, second)`."""

    first: Source
    second: Source
    mismatch: str = _WRONG_TYPE


class Sum(msgspec.Struct, frozen=True):
    """`left + right`, or `left - right`."""

    left: Source
    right: Source
    negative: bool = False


Source: TypeAlias = "At | Constant | IfNotExists | ListAppend | Sum"


class Set(msgspec.Struct, frozen=True):
    """`SET path = source`."""

    path: Path
    source: Source


class Remove(msgspec.Struct, frozen=True):
    """`REMOVE path`."""

    path: Path


class Add(msgspec.Struct, frozen=True):
    """`ADD path value`: a number to a number, members to a set."""

    path: Path
    value: Value
    mismatch: str = _WRONG_TYPE
    """What is said when the attribute is of another type: each syntax has its own words."""


class Delete(msgspec.Struct, frozen=True):
    """`DELETE path value`: members from a set."""

    path: Path
    value: Value
    mismatch: str = _WRONG_TYPE


Change: TypeAlias = Set | Remove | Add | Delete


def only_takes_away(changes: Sequence[Change]) -> bool:
    """Whether the update can make no item where there is none: it has changes, and each only removes something."""
    return bool(changes) and all(isinstance(change, Remove | Delete) for change in changes)


class _Hole:
    """Stands where a list member was removed until the whole update is done, so that positions do not move."""


_HOLE = _Hole()


def apply(changes: Sequence[Change], item: Item) -> Item:
    """The item after the update. RequestInvalid (`request.invalid`) where a path or a type does not fit, and where the
    members of what is set alone make it too large."""
    computed: list[Value] = []
    least = 0
    for change in changes:
        value = _computed(change, item)
        least += _least_size(value)
        if least > MAX_ITEM_BYTES:
            raise item_too_large(updated=True)
        computed.append(value)
    fresh: Item = {name: copy_of(value) for name, value in item.items()}
    shortened: list[list[Value]] = []
    appended: list[tuple[int, list[Value], int, Value]] = []
    for change, value in zip(changes, computed, strict=True):
        parent = find(change.path[:-1], fresh)
        step = change.path[-1]
        if isinstance(step, str) and isinstance(parent, dict):
            _apply_to_map(change, parent, step, value)
        elif isinstance(step, int) and isinstance(parent, list):
            if isinstance(change, Remove):
                if step < len(parent):
                    parent[step] = _HOLE  # type: ignore[call-overload]
                    shortened.append(parent)
            elif isinstance(change, Delete):
                if step < len(parent):
                    _remove_members(change, parent, step, shortened)
            elif step < len(parent):
                parent[step] = value
            else:
                appended.append((step, parent, len(appended), value))
        else:
            raise AwsRefusal(_INVALID_PATH)
    for _, members, _, value in sorted(appended, key=lambda entry: (entry[0], entry[2])):
        members.append(value)
    for members in shortened:
        members[:] = [each for each in members if not isinstance(each, _Hole)]
    return fresh


def _apply_to_map(change: Change, parent: Item, name: str, value: Value) -> None:
    if isinstance(change, Remove) or (isinstance(change, Delete) and value is None):
        parent.pop(name, None)
    else:
        parent[name] = value


def _remove_members(change: Delete, parent: list[Value], step: int, shortened: list[list[Value]]) -> None:
    rest = _without(parent[step], change)
    if rest is None:
        parent[step] = _HOLE  # type: ignore[call-overload]
        shortened.append(parent)
    else:
        parent[step] = rest


def _computed(change: Change, item: Item) -> Value:
    match change:
        case Set():
            return _evaluate(change.source, item)
        case Add():
            return _added(find(change.path, item), change)
        case Delete():
            found = find(change.path, item)
            return None if found is MISSING else _without(found, change)
        case Remove():
            return None


def _evaluate(source: Source, item: Item) -> Value:
    match source:
        case Constant():
            return source.value
        case At():
            found = find(source.path, item)
            if found is MISSING:
                raise AwsRefusal(_NO_SUCH_ATTRIBUTE)
            return found
        case IfNotExists():
            found = find(source.path, item)
            return _evaluate(source.otherwise, item) if found is MISSING else found
        case ListAppend():
            first, second = _evaluate(source.first, item), _evaluate(source.second, item)
            if not isinstance(first, list) or not isinstance(second, list):
                raise AwsRefusal(source.mismatch)
            if len(first) + len(second) > MAX_ITEM_BYTES:
                raise item_too_large(updated=True)
            return first + second
        case Sum():
            left, right = _evaluate(source.left, item), _evaluate(source.right, item)
            if not isinstance(left, Decimal) or not isinstance(right, Decimal):
                raise AwsRefusal(_WRONG_TYPE)
            return subtract(left, right) if source.negative else add(left, right)


def _least_size(value: Value) -> int:
    """How many bytes a list, map or set counts for at the least. A set may have one member that is empty."""
    return len(value) - 1 if value and isinstance(value, list | dict | frozenset) else 0


def _added(found: object, change: Add) -> Value:
    value = change.value
    if isinstance(value, Decimal):
        if found is MISSING:
            return value
        if isinstance(found, Decimal):
            return add(found, value)
    if isinstance(value, StringSet | NumberSet | BinarySet):
        if found is MISSING:
            return value
        if isinstance(found, StringSet) and isinstance(value, StringSet):
            return StringSet(found | value)
        if isinstance(found, NumberSet) and isinstance(value, NumberSet):
            return NumberSet(found | value)
        if isinstance(found, BinarySet) and isinstance(value, BinarySet):
            return BinarySet(found | value)
    raise AwsRefusal(change.mismatch)


def _without(found: Value, change: Delete) -> Value:
    """The set without the members; None when nothing is left: an empty set does not exist."""
    value = change.value
    if isinstance(found, StringSet) and isinstance(value, StringSet):
        return StringSet(found - value) or None
    if isinstance(found, NumberSet) and isinstance(value, NumberSet):
        return NumberSet(found - value) or None
    if isinstance(found, BinarySet) and isinstance(value, BinarySet):
        return BinarySet(found - value) or None
    raise AwsRefusal(change.mismatch)
