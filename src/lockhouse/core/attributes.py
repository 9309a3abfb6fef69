"""Attribute values of table items: strings, exact numbers, bytes, lists, maps and sets, as plain Python values.

This module decides what a value is, how big it is, when two are equal, how they are ordered, and how an item is written
to bytes. It knows no JSON, no expressions and no table. Source: Amazon DynamoDB developer guide, "Supported data types
and naming rules" and "Item sizes and formats".

Numbers are `Decimal` and exact to 38 significant digits, magnitude 1E-130 to 9.99…E+125. A `bool` is never a number
and an empty set does not exist.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import Clamped, Context, Decimal, Inexact, InvalidOperation, Overflow
from enum import StrEnum
from typing import TypeAlias

import msgspec

from lockhouse.errors import AwsRefusal

MAX_DIGITS = 38
MAX_ADJUSTED = 125
MIN_ADJUSTED = -130
MAX_NESTING = 32
"""Lists and maps below an attribute: DynamoDB's limit of nested attributes."""
_MAX_NUMBER_TEXT = 1000
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?", re.ASCII)
_EXACT = Context(prec=400, Emax=10_000_000, Emin=-10_000_000, traps=[Inexact, InvalidOperation, Overflow, Clamped])
_TOO_LONG = "Attempting to store more than 38 significant digits in a Number"
_OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
"""Said of a sum with too many digits, too."""
_NUMBER_EXT, _STRINGS_EXT, _NUMBERS_EXT, _BINARIES_EXT = 1, 2, 3, 4
_FORMAT = b"\x01"
"""First byte of an encoded item: the version of the encoding."""


class StringSet(frozenset[str]):
    """SS: at least one string."""


class NumberSet(frozenset[Decimal]):
    """NS: at least one number."""


class BinarySet(frozenset[bytes]):
    """BS: at least one byte string."""


Value: TypeAlias = (
    "str | Decimal | bytes | bool | list[Value] | dict[str, Value] | StringSet | NumberSet | BinarySet | None"
)
Item: TypeAlias = dict[str, Value]


class Kind(StrEnum):
    """The type of a value, by its name on the wire."""

    S = "S"
    N = "N"
    B = "B"
    BOOL = "BOOL"
    NULL = "NULL"
    L = "L"
    M = "M"
    SS = "SS"
    NS = "NS"
    BS = "BS"


_KINDS: dict[type, Kind] = {
    str: Kind.S,
    Decimal: Kind.N,
    bytes: Kind.B,
    bool: Kind.BOOL,
    type(None): Kind.NULL,
    list: Kind.L,
    dict: Kind.M,
    StringSet: Kind.SS,
    NumberSet: Kind.NS,
    BinarySet: Kind.BS,
}


def kind_of(value: Value) -> Kind:
    return _KINDS[type(value)]


def parse_number(text: str) -> Decimal:
    """The exact number, without leading or trailing zeros. RequestInvalid (`request.invalid`) if it cannot be one."""
    if not text:
        raise AwsRefusal("The parameter cannot be converted to a numeric value")
    if len(text) > _MAX_NUMBER_TEXT or not _NUMBER.fullmatch(text):
        raise AwsRefusal(f"The parameter cannot be converted to a numeric value: {text[:100]}")
    return _bounded(Decimal(text))


def number_text(number: Decimal) -> str:
    """Plain digits; with an exponent only where zeros would follow the 38th digit (the Python SDK refuses those)."""
    return str(number) if number.adjusted() >= MAX_DIGITS else format(number, "f")


def add(left: Decimal, right: Decimal) -> Decimal:
    """The exact sum. RequestInvalid if it needs more than 38 digits or leaves the range."""
    return _bounded(_EXACT.add(left, right), too_long=_OVERFLOW)


def subtract(left: Decimal, right: Decimal) -> Decimal:
    """The exact difference. RequestInvalid as for `add`."""
    return _bounded(_EXACT.subtract(left, right), too_long=_OVERFLOW)


def _bounded(number: Decimal, too_long: str = _TOO_LONG) -> Decimal:
    if not number:
        return Decimal(0)
    adjusted = number.adjusted()
    if adjusted > MAX_ADJUSTED:
        raise AwsRefusal(_OVERFLOW)
    if adjusted < MIN_ADJUSTED:
        raise AwsRefusal("Number underflow. Attempting to store a number with magnitude smaller than supported range")
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if len(digits) > MAX_DIGITS:
        raise AwsRefusal(too_long)
    plain = Decimal(int(digits)).scaleb(adjusted - len(digits) + 1, _EXACT)
    # Not `-plain`: that rounds to the 28 digits of the thread's own context.
    return plain.copy_negate() if number.is_signed() else plain


def same(left: Value, right: Value) -> bool:
    """Equality of type and value, at any depth (in Python `True == Decimal(1)`)."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
    return left == right


def order(left: Value, right: Value) -> int | None:
    """-1, 0 or 1 for two strings (by UTF-8), two numbers or two byte strings; None where there is no order."""
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    if isinstance(left, Decimal) and isinstance(right, Decimal):
        return (left > right) - (left < right)
    if isinstance(left, bytes) and isinstance(right, bytes):
        return (left > right) - (left < right)
    return None


def _scalar_size(value: Value) -> int:
    match value:
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
        case Decimal():
            digits = value.as_tuple().digits
            return (len("".join(map(str, digits)).strip("0")) + 1) // 2 + 1 + value.is_signed()
    return 1


def item_size(item: Item, most: float = math.inf) -> int:
    """Bytes of a whole item: names and values. Beyond `most` it is not counted to the end."""
    size = 0
    values: list[Value] = []
    for name, value in item.items():
        size += len(name.encode())
        if isinstance(value, str):
            size += len(value.encode())  # at once: that is all that a lock's item has
        else:
            values.append(value)
    while values and size <= most:
        match values.pop():
            case list() as members:
                size += 3 + len(members)
                values.extend(members)
            case dict() as members:
                size += 3 + len(members) + sum(len(name.encode()) for name in members)
                values.extend(members.values())
            case StringSet() | NumberSet() | BinarySet() as members:
                values.extend(members)
            case scalar:
                size += _scalar_size(scalar)
    return size


def copy_of(value: Value) -> Value:
    """A copy whose lists and maps can be changed without touching the original."""
    if isinstance(value, list):
        return [copy_of(each) for each in value]
    if isinstance(value, dict):
        return {name: copy_of(each) for name, each in value.items()}
    return value


def encode_item(item: Item) -> bytes:
    """An item as stored: one byte of version, then MessagePack with extensions for numbers and sets."""
    return _FORMAT + msgspec.msgpack.encode({name: _plain(value) for name, value in item.items()})


def decode_item(body: bytes) -> Item:
    """The inverse of `encode_item`."""
    if body[:1] != _FORMAT:
        raise ValueError("cannot read this item: unknown encoding")
    item: Item = msgspec.msgpack.decode(memoryview(body)[1:], ext_hook=_from_extension)
    return item


def _plain(value: Value) -> object:
    match value:
        case Decimal():
            return msgspec.msgpack.Ext(_NUMBER_EXT, str(value).encode())
        case StringSet():
            return _extension(_STRINGS_EXT, sorted(value))
        case NumberSet():
            return _extension(_NUMBERS_EXT, (str(each) for each in sorted(value)))
        case BinarySet():
            return _extension(_BINARIES_EXT, sorted(value))
        case list():
            return [_plain(each) for each in value]
        case dict():
            return {name: _plain(each) for name, each in value.items()}
    return value


def _extension(code: int, members: Iterable[str] | Iterable[bytes]) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(code, msgspec.msgpack.encode(list(members)))


def _from_extension(code: int, data: memoryview) -> Value:
    if code == _NUMBER_EXT:
        return Decimal(bytes(data).decode())
    if code == _STRINGS_EXT:
        return StringSet(msgspec.msgpack.decode(data, type=list[str]))
    if code == _NUMBERS_EXT:
        return NumberSet(map(Decimal, msgspec.msgpack.decode(data, type=list[str])))
    if code == _BINARIES_EXT:
        return BinarySet(msgspec.msgpack.decode(data, type=list[bytes]))
    raise ValueError(f"cannot read this item: unknown extension {code}")


def encode_key(value: Value) -> bytes:
    """A key attribute as bytes whose order is the order of the values (strings by UTF-8, numbers by value)."""
    match value:
        case str():
            return value.encode()
        case bytes():
            return value
        case Decimal():
            return _encode_number(value)
    raise AssertionError(type(value))


def _encode_number(number: Decimal) -> bytes:
    """Sign, decimal exponent and pairs of digits; a negative number is the complement, ended so that longer is less."""
    if not number:
        return b"\x80"
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if len(digits) % 2:
        digits += "0"
    pairs = bytes(int(digits[at : at + 2]) + 1 for at in range(0, len(digits), 2))
    positive = bytes((number.adjusted() - MIN_ADJUSTED,)) + pairs
    if number.is_signed():
        return b"\x7f" + bytes(255 - each for each in positive) + b"\xff"
    return b"\x81" + positive
