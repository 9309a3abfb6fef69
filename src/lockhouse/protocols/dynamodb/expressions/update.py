"""The grammar of UpdateExpression.

    update := { SET path = value {, …} | REMOVE path {, …} | ADD path :value {, …} | DELETE path :value {, …} }
    value  := operand [ + operand | - operand ]
    operand := path | :value | if_not_exists ( path , operand ) | list_append ( operand , operand ) | ( value )

Each section stands once; no two paths may overlap or conflict. Source: developer guide, "Using update expressions in
DynamoDB"; messages as AWS gives them.
"""

from __future__ import annotations

from lockhouse.core.attributes import Kind, Value, kind_of
from lockhouse.core.conditions import At, Constant, Path
from lockhouse.core.updates import (
    Add,
    Change,
    Delete,
    IfNotExists,
    ListAppend,
    Remove,
    Set,
    Source,
    Sum,
)
from lockhouse.protocols.dynamodb.expressions.placeholders import Placeholders, path_text, read_path, starts_path
from lockhouse.protocols.dynamodb.expressions.tokens import END, Cursor, Wrong

_SECTIONS = frozenset({"SET", "REMOVE", "ADD", "DELETE"})
_TYPE_WORDS = {
    Kind.S: "STRING",
    Kind.N: "NUMBER",
    Kind.B: "BINARY",
    Kind.NULL: "NULL",
    Kind.BOOL: "BOOLEAN",
    Kind.L: "LIST",
    Kind.M: "MAP",
    Kind.SS: "STRING_SET",
    Kind.NS: "NUMBER_SET",
    Kind.BS: "BINARY_SET",
}
_SETS = frozenset({Kind.SS, Kind.NS, Kind.BS})
_ORDER = tuple(
    frozenset({wrong})
    for wrong in (
        Wrong.RESERVED,
        Wrong.FUNCTION,
        Wrong.MISUSED,
        Wrong.SECTION,
        Wrong.NAME,
        Wrong.VALUE,
        Wrong.PATHS,
        Wrong.COUNT,
        Wrong.KIND,
    )
)
"""Which of several mistakes is told."""
_ANYTHING = At(("",))
"""Stands for what was noted to be wrong, while the rest is read."""


def parse_update(text: str, placeholders: Placeholders) -> tuple[Change, ...]:
    """The changes of an update expression in their order. RequestInvalid (`request.invalid`) with AWS's message."""
    return _Reader(Cursor("UpdateExpression", text), placeholders).read()


def check_overlaps(cursor: Cursor, paths: list[Path]) -> None:
    """Note the first two paths of which one lies in the other or contradicts it."""
    whole: set[Path] = set()
    after: dict[Path, type] = {}
    """Beginnings of paths, and what stands after them: a name or an index. An expression may have a thousand paths:
    too many to compare each with each."""
    for at, path in enumerate(paths):
        steps = [(path[:depth], type(step)) for depth, step in enumerate(path)]
        clashes = path in whole or path in after
        if clashes or any(start in whole or after.get(start, kind) is not kind for start, kind in steps):
            _note_clash(cursor, paths[:at], path)
            return
        whole.add(path)
        after.update(steps)


def _note_clash(cursor: Cursor, earlier: list[Path], second: Path) -> None:
    for first in earlier:
        fork = next(((one, two) for one, two in zip(first, second, strict=False) if one != two), None)
        if fork is not None and type(fork[0]) is type(fork[1]):
            continue
        clash = "overlap" if fork is None else "conflict"
        cursor.note(
            Wrong.PATHS,
            f"Two document paths {clash} with each other; must remove or rewrite one of these paths; "
            f"path one: {path_text(first)}, path two: {path_text(second)}",
        )
        return


class _Reader:
    """Reads one update expression by recursive descent."""

    def __init__(self, cursor: Cursor, placeholders: Placeholders) -> None:
        self._cursor = cursor
        self._placeholders = placeholders

    def read(self) -> tuple[Change, ...]:
        cursor = self._cursor
        changes: list[Change] = []
        seen: set[str] = set()
        while cursor.token.text != END:
            section = cursor.token.keyword
            if section not in _SECTIONS:
                cursor.refuse_syntax()
            if section in seen:
                cursor.note(Wrong.SECTION, f'The "{section}" section can only be used once in an update expression;')
            seen.add(section)
            cursor.advance()
            changes.append(self._change(section))
            while cursor.accept(","):
                changes.append(self._change(section))
        check_overlaps(cursor, [change.path for change in changes])
        cursor.settle(_ORDER)
        return tuple(changes)

    def _change(self, section: str) -> Change:
        path = read_path(self._cursor, self._placeholders)
        if section == "SET":
            self._cursor.expect("=")
            return Set(path, self._value())
        if section == "REMOVE":
            return Remove(path)
        token = self._cursor.token
        if token.text[0] != ":":
            self._cursor.refuse_syntax()
        self._cursor.advance()
        value = self._placeholders.value(self._cursor, token.text)
        allowed = _SETS | {Kind.N} if section == "ADD" else _SETS
        self._check_kind(section, value, allowed)
        return Add(path, value) if section == "ADD" else Delete(path, value)

    def _value(self) -> Source:
        left = self._operand()
        sign = self._cursor.token.text
        if sign not in ("+", "-"):
            return left
        self._cursor.advance()
        right = self._operand()
        for source in (left, right):
            if isinstance(source, Constant):
                self._check_operand(sign, kind_of(source.value), Kind.N)
            elif isinstance(source, ListAppend):
                self._check_operand(sign, Kind.L, Kind.N)
        return Sum(left, right, negative=sign == "-")

    def _operand(self) -> Source:
        cursor = self._cursor
        if cursor.accept("("):
            cursor.deeper()
            value = self._value()
            cursor.shallower()
            cursor.expect(")")
            return value
        if cursor.token.text[0] == ":":
            return Constant(self._placeholders.value(cursor, cursor.advance().text))
        if not starts_path(cursor):
            cursor.refuse_syntax()
        if cursor.following().text == "(" and cursor.token.text[0] != "#":
            return self._function()
        return At(read_path(cursor, self._placeholders))

    def _function(self) -> Source:
        cursor = self._cursor
        name = cursor.advance().text
        cursor.expect("(")
        cursor.deeper()
        operands = [self._operand()]
        while cursor.accept(","):
            operands.append(self._operand())
        cursor.shallower()
        cursor.expect(")")
        if name not in ("if_not_exists", "list_append"):
            cursor.note(Wrong.FUNCTION, f"Invalid function name; function: {name}")
            return _ANYTHING
        if len(operands) != 2:
            cursor.note(
                Wrong.COUNT,
                "Incorrect number of operands for operator or function; "
                f"operator or function: {name}, number of operands: {len(operands)}",
            )
            return _ANYTHING
        first, second = operands
        if name == "if_not_exists":
            if not isinstance(first, At):
                cursor.note(
                    Wrong.KIND, "Operator or function requires a document path; operator or function: if_not_exists"
                )
                return _ANYTHING
            return IfNotExists(first.path, second)
        for operand in operands:
            if isinstance(operand, Constant):
                self._check_operand("list_append", kind_of(operand.value), Kind.L)
            elif isinstance(operand, ListAppend):
                cursor.note(
                    Wrong.MISUSED,
                    "The function is not allowed to be used this way in an expression; function: list_append",
                )
        return ListAppend(first, second)

    def _check_kind(self, section: str, value: Value, allowed: frozenset[Kind]) -> None:
        kind = kind_of(value)
        if kind not in allowed:
            self._cursor.note(
                Wrong.COUNT,
                f"Incorrect operand type for operator or function; operator: {section}, "
                f"operand type: {_TYPE_WORDS[kind]}, typeSet: ALLOWED_FOR_{section}_OPERAND",
            )

    def _check_operand(self, operator: str, kind: Kind, allowed: Kind) -> None:
        if kind is not allowed:
            self._cursor.note(
                Wrong.KIND,
                "Incorrect operand type for operator or function; "
                f"operator or function: {operator}, operand type: {kind}",
            )
