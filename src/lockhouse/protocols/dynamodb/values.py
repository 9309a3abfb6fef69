"""Attribute values on the wire: `{"S": "text"}`, `{"N": "1.5"}`, … to and from the values of `core.attributes`.

Source: Amazon DynamoDB API reference, AttributeValue. Messages are AWS's. What is not valid base64 is a serialization
fault; what breaks a rule of values is RequestInvalid (`request.invalid`).
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias, TypeVar

import msgspec

from lockhouse.core.attributes import (
    MAX_NESTING,
    BinarySet,
    Item,
    NumberSet,
    StringSet,
    Value,
    number_text,
    parse_number,
)
from lockhouse.errors import AwsRefusal
from lockhouse.protocols.dynamodb.faults import Fault, Refusal

_INVALID = "One or more parameter values were invalid: "
_MAX_NAME_BYTES = 65_535


class WireValue(msgspec.Struct):
    """One attribute value as it came; exactly one field must be set."""

    S: str | None = None
    N: str | None = None
    B: str | None = None
    BOOL: bool | None = None
    NULL: bool | None = None
    SS: list[str] | None = None
    NS: list[str] | None = None
    BS: list[str] | None = None
    L: list[WireValue] | None = None
    M: dict[str, WireValue] | None = None


WireItem: TypeAlias = dict[str, WireValue]
Json: TypeAlias = "dict[str, Json] | Sequence[Json] | str | int | float | bool | None"


def read_item(wire: Mapping[str, WireValue]) -> Item:
    """The item (or key) that came."""
    for name in wire:
        check_name(name)
    return {name: read_value(value) for name, value in wire.items()}


def check_name(name: str) -> None:
    """RequestInvalid when no attribute can have this name."""
    if not name:
        raise AwsRefusal(f"{_INVALID}Empty attribute name")
    if len(name) > _MAX_NAME_BYTES // 4 and len(name.encode("utf-8", "surrogatepass")) > _MAX_NAME_BYTES:
        raise AwsRefusal(f"{_INVALID}Attribute name is too large, must be less than {_MAX_NAME_BYTES + 1} bytes")


def read_value(wire: WireValue, depth: int = 0) -> Value:
    """The value that came. RequestInvalid with AWS's message when it is none."""
    if depth > MAX_NESTING:
        raise AwsRefusal("Nesting Levels have exceeded supported limits")
    found: Value = None
    count = 0
    if wire.S is not None:
        found, count = wire.S, 1
    if wire.N is not None:
        found, count = parse_number(wire.N), count + 1
    if wire.B is not None:
        found, count = _binary(wire.B), count + 1
    if wire.BOOL is not None:
        found, count = wire.BOOL, count + 1
    if wire.NULL is not None:
        if not wire.NULL:
            raise AwsRefusal(f"{_INVALID}Null attribute value types must have the value of true")
        found, count = None, count + 1
    if wire.L is not None:
        found, count = [read_value(each, depth + 1) for each in wire.L], count + 1
    if wire.M is not None:
        found, count = {name: read_value(each, depth + 1) for name, each in wire.M.items()}, count + 1
    if wire.SS is not None:
        found, count = _strings(wire.SS), count + 1
    if wire.NS is not None:
        found, count = _numbers(wire.NS), count + 1
    if wire.BS is not None:
        found, count = _binaries(wire.BS), count + 1
    if count == 1:
        return found
    raise AwsRefusal(
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
        if count
        else "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
    )


def _binary(text: str) -> bytes:
    if len(text) % 4:
        raise Refusal(
            Fault.SERIALIZATION,
            f"Base64 encoded length is expected a multiple of 4 bytes but found: {len(text)}",
        )
    try:
        data = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(Fault.SERIALIZATION, "Invalid Base64 in a binary value") from None
    if _base64(data) != text:
        # Bits that no byte takes: two texts would be one value. The spelling is AWS's.
        raise Refusal(Fault.SERIALIZATION, "Invalid last non-pad Base64 character dectected")
    return data


_T = TypeVar("_T", str, Decimal, bytes)


def _distinct(members: list[_T], shown: Sequence[str], suffix: str) -> list[_T]:
    if len(set(members)) != len(members):
        raise AwsRefusal(f"{_INVALID}Input collection [{', '.join(shown)}]{suffix} contains duplicates.")
    return members


def _strings(members: list[str]) -> StringSet:
    if not members:
        raise AwsRefusal(f"{_INVALID}An string set  may not be empty")
    return StringSet(_distinct(members, members, ""))


def _numbers(members: list[str]) -> NumberSet:
    if not members:
        raise AwsRefusal(f"{_INVALID}An number set  may not be empty")
    numbers = [parse_number(each) for each in members]
    if len(set(numbers)) != len(numbers):
        raise AwsRefusal("Input collection contains duplicates")
    return NumberSet(numbers)


def _binaries(members: list[str]) -> BinarySet:
    if not members:
        raise AwsRefusal(f"{_INVALID}Binary sets should not be empty")
    return BinarySet(_distinct([_binary(each) for each in members], members, "of type BS"))


def write_item(item: Item) -> dict[str, Json]:
    """An item for the answer."""
    return {name: write_value(value) for name, value in item.items()}


def write_value(value: Value) -> dict[str, Json]:
    """A value for the answer; members of sets are sorted."""
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case None:
            return {"NULL": True}
        case Decimal():
            return {"N": number_text(value)}
        case bytes():
            return {"B": _base64(value)}
        case list():
            return {"L": [write_value(each) for each in value]}
        case dict():
            return {"M": write_item(value)}
        case StringSet():
            return {"SS": sorted(value)}
        case NumberSet():
            return {"NS": [number_text(each) for each in sorted(value)]}
        case BinarySet():
            return {"BS": [_base64(each) for each in sorted(value)]}
    raise AssertionError(type(value))


def shown_value(value: Value) -> str:
    """A value as messages show it: `{S:text}`, `{B:YQ==}`, `{SS:[a, b]}`."""
    (kind, wire), *_ = write_value(value).items()
    return f"{{{kind}:{_shown(wire)}}}"


def _shown(wire: Json) -> str:
    match wire:
        case bool():
            return "true" if wire else "false"
        case dict():
            return "{" + ", ".join(f"{name}:{_shown(each)}" for name, each in wire.items()) + "}"
        case list():
            return "[" + ", ".join(map(_shown, wire)) + "]"
    return str(wire)


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
