"""`#name` and `:value`: what the placeholders of one request stand for, and which of them were used.

All expressions of a request share one set; what none of them used is refused, as DynamoDB does. Source: developer
guide, "Expression attribute names", "Expression attribute values".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lockhouse.core.attributes import MAX_NESTING, Value
from lockhouse.core.conditions import Path
from lockhouse.errors import AwsRefusal
from lockhouse.protocols.dynamodb.expressions.reserved import RESERVED
from lockhouse.protocols.dynamodb.expressions.tokens import Cursor, Wrong

_NAME_KEY = re.compile(r"#[0-9a-zA-Z_]+", re.ASCII)
_VALUE_KEY = re.compile(r":[0-9a-zA-Z_]+", re.ASCII)
_MAX_INDEX_DIGITS = 9


class Placeholders:
    """The placeholders of one request."""

    def __init__(self, names: Mapping[str, str] | None, values: Mapping[str, Value] | None) -> None:
        self._names = names or {}
        self._values = values or {}
        self._unused_names = dict.fromkeys(self._names)
        self._unused_values = dict.fromkeys(self._values)
        if names is not None:
            _check_keys("ExpressionAttributeNames", names, _NAME_KEY)
        if values is not None:
            _check_keys("ExpressionAttributeValues", values, _VALUE_KEY)

    def name(self, cursor: Cursor, placeholder: str) -> str:
        if placeholder not in self._names:
            cursor.note(
                Wrong.NAME,
                f"An expression attribute name used in the document path is not defined; attribute name: {placeholder}",
            )
            return placeholder
        self._unused_names.pop(placeholder, None)
        return self._names[placeholder]

    def value(self, cursor: Cursor, placeholder: str) -> Value:
        if placeholder not in self._values:
            cursor.note(
                Wrong.VALUE,
                f"An expression attribute value used in expression is not defined; attribute value: {placeholder}",
            )
            return None
        self._unused_values.pop(placeholder, None)
        return self._values[placeholder]

    def check_used(self) -> None:
        """Call when every expression was read."""
        if self._unused_names:
            raise AwsRefusal(
                "Value provided in ExpressionAttributeNames unused in expressions: "
                f"keys: {{{', '.join(self._unused_names)}}}"
            )
        if self._unused_values:
            raise AwsRefusal(
                "Value provided in ExpressionAttributeValues unused in expressions: "
                f"keys: {{{', '.join(self._unused_values)}}}"
            )


def _check_keys(parameter: str, given: Mapping[str, object], allowed: re.Pattern[str]) -> None:
    if not given:
        raise AwsRefusal(f"{parameter} must not be empty")
    for key in given:
        if not allowed.fullmatch(key):
            raise AwsRefusal(f'{parameter} contains invalid key: Syntax error; key: "{key}"')


def starts_path(cursor: Cursor) -> bool:
    """Whether the next token can begin a document path."""
    text = cursor.token.text
    return text[0] == "#" or (text[0].isalpha() and cursor.token.keyword not in cursor.keywords)


def read_path(cursor: Cursor, placeholders: Placeholders) -> Path:
    """A document path: `a.b[1].#c`."""
    path: list[str | int] = [_read_name(cursor, placeholders)]
    while True:
        if cursor.accept("."):
            path.append(_read_name(cursor, placeholders))
        elif cursor.accept("["):
            index = cursor.token.text
            if not index.isdecimal():
                cursor.refuse_syntax()
            if len(index) > _MAX_INDEX_DIGITS:
                cursor.refuse(f"List index is not within the allowable range; index: [{index}]")
            cursor.advance()
            cursor.expect("]")
            path.append(int(index))
        else:
            break
    if len(path) > MAX_NESTING:
        cursor.refuse(f"The document path has too many nesting levels; nesting levels: {len(path)}")
    return tuple(path)


def _read_name(cursor: Cursor, placeholders: Placeholders) -> str:
    if not starts_path(cursor):
        cursor.refuse_syntax()
    token = cursor.advance()
    if token.text[0] == "#":
        return placeholders.name(cursor, token.text)
    if token.keyword in RESERVED:
        cursor.note(Wrong.RESERVED, f"Attribute name is a reserved keyword; reserved keyword: {token.text}")
    return token.text


def path_text(path: Path) -> str:
    """A path as DynamoDB's messages show it: `[a, [1], b]`."""
    return "[" + ", ".join(f"[{step}]" if isinstance(step, int) else step for step in path) + "]"
