"""Conditions on one item: the tree that a condition, filter or key expression means, and whether an item fulfils it.

Whatever syntax a condition came in (expression strings or the older parameter maps), it becomes this tree; nothing
here knows either syntax. Source: Amazon DynamoDB developer guide, "Condition and filter expressions, operators, and
functions".

A missing attribute makes every comparison false, except `<>`, which is true.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Final, Literal, TypeAlias

import msgspec

from lockhouse.core.attributes import (
    BinarySet,
    Item,
    Kind,
    NumberSet,
    StringSet,
    Value,
    kind_of,
    order,
    same,
)

Path: TypeAlias = tuple[str | int, ...]
"""Attribute name, then map keys (str) and list positions (int)."""


class Missing(Enum):
    """The value of a path that leads nowhere."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
Found: TypeAlias = "Value | Literal[Missing.MISSING]"


class Comparator(StrEnum):
    """The six comparison operators."""

    EQ = "="
    NE = "<>"
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


class At(msgspec.Struct, frozen=True):
    """The value at a document path."""

    path: Path


class Constant(msgspec.Struct, frozen=True):
    """A value that came with the request."""

    value: Value


class SizeOf(msgspec.Struct, frozen=True):
    """`size(operand)`: characters' bytes, bytes, or members."""

    operand: At | Constant


Operand: TypeAlias = At | Constant | SizeOf


def attributes_of(tree: msgspec.Struct) -> frozenset[str]:
    """The names of all attributes that a condition looks at."""
    found: set[str] = set()
    left: list[object] = [tree]
    while left:
        each = left.pop()
        if isinstance(each, tuple):
            left += each
        elif isinstance(each, msgspec.Struct):
            path: Path | None = getattr(each, "path", None)
            if path:
                found.add(str(path[0]))
            left += [getattr(each, name) for name in each.__struct_fields__ if name != "path"]
    return frozenset(found)


class Compare(msgspec.Struct, frozen=True):
    """`left comparator right`."""

    comparator: Comparator
    left: Operand
    right: Operand


class Between(msgspec.Struct, frozen=True):
    """`low <= operand <= high`."""

    operand: Operand
    low: Operand
    high: Operand


class OneOf(msgspec.Struct, frozen=True):
    """`operand IN (…)`."""

    operand: Operand
    choices: tuple[Operand, ...]


class Exists(msgspec.Struct, frozen=True):
    """`attribute_exists(path)`."""

    path: Path


class HasType(msgspec.Struct, frozen=True):
    """`attribute_type(operand, kind)`."""

    operand: Operand
    kind: Kind


class BeginsWith(msgspec.Struct, frozen=True):
    """`begins_with(operand, prefix)`: strings or byte strings."""

    operand: Operand
    prefix: Operand


class Contains(msgspec.Struct, frozen=True):
    """`contains(operand, member)`: part of a string, member of a set or list."""

    operand: Operand
    member: Operand


class Every(msgspec.Struct, frozen=True):
    """`AND`."""

    conditions: tuple[Condition, ...]


class Either(msgspec.Struct, frozen=True):
    """`OR`."""

    conditions: tuple[Condition, ...]


class Not(msgspec.Struct, frozen=True):
    """`NOT`."""

    condition: Condition


Condition: TypeAlias = "Compare | Between | OneOf | Exists | HasType | BeginsWith | Contains | Every | Either | Not"


def find(path: Path, item: Item) -> Found:
    """The value at a path, or MISSING."""
    found: Value = item
    for step in path:
        if isinstance(step, str):
            if not isinstance(found, dict) or step not in found:
                return MISSING
            found = found[step]
        else:
            if not isinstance(found, list) or step >= len(found):
                return MISSING
            found = found[step]
    return found


def holds(condition: Condition, item: Item) -> bool:
    """Whether the item (empty where there is none) fulfils the condition."""
    match condition:
        case Every(conditions=parts):
            return all(holds(part, item) for part in parts)
        case Either(conditions=parts):
            return any(holds(part, item) for part in parts)
        case Not(condition=part):
            return not holds(part, item)
        case Compare():
            return compares(condition.comparator, _resolve(condition.left, item), _resolve(condition.right, item))
        case Between():
            value = _resolve(condition.operand, item)
            return compares(Comparator.GE, value, _resolve(condition.low, item)) and compares(
                Comparator.LE, value, _resolve(condition.high, item)
            )
        case OneOf():
            value = _resolve(condition.operand, item)
            return any(compares(Comparator.EQ, value, _resolve(choice, item)) for choice in condition.choices)
        case Exists():
            return find(condition.path, item) is not MISSING
        case HasType():
            found = _resolve(condition.operand, item)
            return found is not MISSING and kind_of(found) == condition.kind
        case BeginsWith():
            return _begins(_resolve(condition.operand, item), _resolve(condition.prefix, item))
        case Contains():
            return _contains(_resolve(condition.operand, item), _resolve(condition.member, item))


def compares(comparator: Comparator, left: Found, right: Found) -> bool:
    """One comparison of two values; MISSING only differs."""
    if left is MISSING or right is MISSING:
        return comparator is Comparator.NE
    if comparator is Comparator.EQ:
        return same(left, right)
    if comparator is Comparator.NE:
        return not same(left, right)
    sign = order(left, right)
    if sign is None:
        return False
    match comparator:
        case Comparator.LT:
            return sign < 0
        case Comparator.LE:
            return sign <= 0
        case Comparator.GT:
            return sign > 0
        case Comparator.GE:
            return sign >= 0


def _resolve(operand: Operand, item: Item) -> Found:
    match operand:
        case At():
            return find(operand.path, item)
        case Constant():
            return operand.value
        case SizeOf():
            return _size(_resolve(operand.operand, item))


def _size(value: Found) -> Found:
    match value:
        case str():
            return Decimal(len(value.encode()))
        case bytes() | list() | dict() | StringSet() | NumberSet() | BinarySet():
            return Decimal(len(value))
    return MISSING


def _begins(value: Found, prefix: Found) -> bool:
    if isinstance(value, str) and isinstance(prefix, str):
        return value.startswith(prefix)
    if isinstance(value, bytes) and isinstance(prefix, bytes):
        return value.startswith(prefix)
    return False


def _contains(value: Found, member: Found) -> bool:
    if member is MISSING:
        return False
    match value:
        case str():
            return isinstance(member, str) and member in value
        case bytes():
            return isinstance(member, bytes) and member in value
        case list():
            return any(same(each, member) for each in value)
        case StringSet():
            return isinstance(member, str) and member in value
        case NumberSet():
            return isinstance(member, Decimal) and member in value
        case BinarySet():
            return isinstance(member, bytes) and member in value
    return False


def project(paths: Iterable[Path], item: Item) -> Item:
    """Only what lies at the paths; list members keep their order and close up."""
    root: _Chosen = {}
    for path in paths:
        if find(path, item) is MISSING:
            continue
        node = root
        for step in path[:-1]:
            following = node.setdefault(step, {})
            if following is None:
                break
            node = following
        else:
            node[path[-1]] = None
    chosen = _choose(root, item)
    assert isinstance(chosen, dict)
    return chosen


_Chosen: TypeAlias = "dict[str | int, _Chosen | None]"


def _choose(chosen: _Chosen, value: Value) -> Value:
    if isinstance(value, dict):
        return {
            step: value[step] if below is None else _choose(below, value[step])
            for step, below in chosen.items()
            if isinstance(step, str)
        }
    assert isinstance(value, list)
    places = sorted((step, below) for step, below in chosen.items() if isinstance(step, int))
    return [value[step] if below is None else _choose(below, value[step]) for step, below in places]
