"""The grammar of conditions: ConditionExpression, FilterExpression and KeyConditionExpression.

    condition := both { OR both }            both    := negation { AND negation }
    negation  := NOT negation | test         operand := path | :value | size ( path ) | ( operand )
    test      := ( condition ) | function | operand comparator operand
               | operand BETWEEN operand AND operand | operand IN ( operand {, operand} )

Source: developer guide, "Condition and filter expressions, operators, and functions"; messages as AWS gives them.
"""

from __future__ import annotations

from typing import TypeAlias

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
    HasType,
    Not,
    OneOf,
    Operand,
    Path,
    SizeOf,
)
from lockhouse.protocols.dynamodb.expressions.placeholders import Placeholders, path_text, read_path, starts_path
from lockhouse.protocols.dynamodb.expressions.tokens import Cursor, Wrong
from lockhouse.protocols.dynamodb.values import shown_value

MAX_OPERATORS = 300
MAX_IN_OPERANDS = 100
_ARITIES = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
    "size": 1,
}
_OF_UPDATES = frozenset({"if_not_exists", "list_append"})
_FUNCTIONS: dict[type, str] = {
    Exists: "attribute_exists",
    HasType: "attribute_type",
    BeginsWith: "begins_with",
    Contains: "contains",
}
_COMPARATORS = {str(comparator): comparator for comparator in Comparator}
_ALL_KINDS = "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"
_ORDERED = frozenset({Kind.S, Kind.N, Kind.B})
_PREFIXED = frozenset({Kind.S, Kind.B})
_SIZED = frozenset(Kind) - {Kind.N, Kind.BOOL, Kind.NULL}
_Node: TypeAlias = "Condition | Operand"
_KEYWORDS = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN"})
_ORDER = tuple(
    map(
        frozenset,
        (
            [Wrong.PARENTHESES],
            [Wrong.FUNCTION],
            [Wrong.MISUSED],
            [Wrong.RESERVED],
            [Wrong.NAME, Wrong.VALUE, Wrong.COUNT, Wrong.DISTINCT, Wrong.KIND],
        ),
    )
)
"""Which of several mistakes is told."""
_SOME_SIZE = SizeOf(Constant(""))
_SOME_CONDITION = Exists(("",))
"""They stand for what was noted to be wrong, while the rest is read."""


def parse_condition(kind: str, text: str, placeholders: Placeholders) -> Condition:
    """The tree of an expression. `kind` names the parameter. RequestInvalid (`request.invalid`) with AWS's message."""
    reader = _Reader(Cursor(kind, text, _KEYWORDS), placeholders)
    return reader.read()


class _Reader:
    """Reads one expression by recursive descent."""

    def __init__(self, cursor: Cursor, placeholders: Placeholders) -> None:
        self._cursor = cursor
        self._placeholders = placeholders
        self._operators = 0
        self._parenthesised: _Node | None = None

    def read(self) -> Condition:
        condition = self._condition(self._either())
        self._cursor.finish()
        self._cursor.settle(_ORDER)
        if self._operators > MAX_OPERATORS:
            self._cursor.refuse(f"The expression contains too many operators; operator count: {self._operators}")
        return condition

    def _condition(self, node: _Node) -> Condition:
        if isinstance(node, SizeOf):
            self._misused("size")
            return _SOME_CONDITION
        if isinstance(node, At | Constant):
            self._cursor.refuse_syntax()
        return node

    def _operand(self, node: _Node) -> Operand:
        if not isinstance(node, At | Constant | SizeOf):
            self._refuse_condition(node)
            return _SOME_SIZE
        return node

    def _refuse_condition(self, node: Condition) -> None:
        function = _FUNCTIONS.get(type(node), "")
        if isinstance(node, Not) and isinstance(node.condition, Exists):
            function = "attribute_not_exists"
        if not function:
            self._cursor.refuse_syntax()
        self._misused(function)

    def _misused(self, function: str) -> None:
        self._cursor.note(
            Wrong.MISUSED,
            f"The function is not allowed to be used this way in an expression; function: {function}",
        )

    def _either(self) -> _Node:
        node = self._both()
        if self._cursor.token.keyword != "OR":
            return node
        parts = [self._condition(node)]
        while self._cursor.accept_keyword("OR"):
            self._operators += 1
            parts.append(self._condition(self._both()))
        return Either(tuple(parts))

    def _both(self) -> _Node:
        node = self._negation()
        if self._cursor.token.keyword != "AND":
            return node
        parts = [self._condition(node)]
        while self._cursor.accept_keyword("AND"):
            self._operators += 1
            parts.append(self._condition(self._negation()))
        return Every(tuple(parts))

    def _negation(self) -> _Node:
        if not self._cursor.accept_keyword("NOT"):
            return self._test()
        self._operators += 1
        self._cursor.deeper()
        negated = Not(self._condition(self._negation()))
        self._cursor.shallower()
        return negated

    def _test(self) -> _Node:
        node = self._term()
        cursor = self._cursor
        comparator = _COMPARATORS.get(cursor.token.text)
        if comparator is not None:
            self._operators += 1
            left = self._operand(node)
            cursor.advance()
            right = self._operand(self._term())
            self._check_distinct(str(comparator), left, right)
            self._check_ordered(comparator, left, right)
            return Compare(comparator, left, right)
        if cursor.accept_keyword("BETWEEN"):
            self._operators += 1
            operand = self._operand(node)
            low = self._operand(self._term())
            if not cursor.accept_keyword("AND"):
                cursor.refuse_syntax()
            high = self._operand(self._term())
            self._check_bounds(low, high)
            for each in (operand, low, high):
                self._check_kind("BETWEEN", each, _ORDERED, what="operator")
            return Between(operand, low, high)
        if cursor.accept_keyword("IN"):
            self._operators += 1
            return self._one_of(self._operand(node))
        return node

    def _one_of(self, operand: Operand) -> Condition:
        self._cursor.expect("(")
        choices = [self._operand(self._term())]
        while self._cursor.accept(","):
            choices.append(self._operand(self._term()))
        self._cursor.expect(")")
        if len(choices) > MAX_IN_OPERANDS:
            self._cursor.note(
                Wrong.COUNT,
                "Incorrect number of operands for operator or function; "
                f"operator or function: IN, number of operands: {len(choices) + 1}",
            )
        return OneOf(operand, tuple(choices))

    def _term(self) -> _Node:
        cursor = self._cursor
        if cursor.accept("("):
            cursor.deeper()
            node = self._either()
            cursor.shallower()
            cursor.expect(")")
            if node is self._parenthesised:
                cursor.note(Wrong.PARENTHESES, "The expression has redundant parentheses;")
            self._parenthesised = node
            return node
        if cursor.token.text[0] == ":":
            return Constant(self._placeholders.value(cursor, cursor.advance().text))
        if not starts_path(cursor):
            cursor.refuse_syntax()
        if cursor.following().text == "(" and cursor.token.text[0] != "#":
            return self._function()
        return At(read_path(cursor, self._placeholders))

    def _function(self) -> _Node:
        cursor = self._cursor
        name = cursor.advance().text
        cursor.expect("(")
        cursor.deeper()
        operands = [self._operand(self._term())]
        while cursor.accept(","):
            operands.append(self._operand(self._term()))
        cursor.shallower()
        cursor.expect(")")
        if name in _OF_UPDATES:
            self._misused(name)
            return _SOME_SIZE
        if name not in _ARITIES:
            cursor.note(Wrong.FUNCTION, f"Invalid function name; function: {name}")
            return _SOME_SIZE
        if len(operands) != _ARITIES[name]:
            cursor.note(
                Wrong.COUNT,
                "Incorrect number of operands for operator or function; "
                f"operator or function: {name}, number of operands: {len(operands)}",
            )
            return _SOME_SIZE if name == "size" else _SOME_CONDITION
        self._operators += 1
        match name:
            case "attribute_exists":
                return Exists(self._path(name, operands[0]))
            case "attribute_not_exists":
                return Not(Exists(self._path(name, operands[0])))
            case "attribute_type":
                return HasType(operands[0], self._kind(operands[1]))
            case "begins_with":
                self._check_distinct(name, operands[0], operands[1])
                for operand in operands:
                    self._check_kind(name, operand, _PREFIXED)
                return BeginsWith(operands[0], operands[1])
            case "contains":
                self._check_distinct(name, operands[0], operands[1])
                return Contains(operands[0], operands[1])
        operand = operands[0]
        self._check_kind(name, operand, _SIZED)
        return _SOME_SIZE if isinstance(operand, SizeOf) else SizeOf(operand)

    def _path(self, function: str, operand: Operand) -> Path:
        if not isinstance(operand, At):
            self._cursor.note(
                Wrong.KIND, f"Operator or function requires a document path; operator or function: {function}"
            )
            return ("",)
        return operand.path

    def _kind(self, operand: Operand) -> Kind:
        value = operand.value if isinstance(operand, Constant) else None
        if not isinstance(operand, Constant) or not isinstance(value, str):
            actual = kind_of(operand.value) if isinstance(operand, Constant) else _ALL_KINDS
            self._cursor.note(
                Wrong.KIND,
                "Incorrect operand type for operator or function; "
                f"operator or function: attribute_type, operand type: {actual}",
            )
            return Kind.S
        if value not in Kind.__members__:
            self._cursor.note(
                Wrong.KIND,
                f"Invalid attribute type name found; type: {value}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}",
            )
            return Kind.S
        return Kind(value)

    def _check_kind(
        self, name: str, operand: Operand, allowed: frozenset[Kind], what: str = "operator or function"
    ) -> None:
        if isinstance(operand, At):
            return
        kind = Kind.N if isinstance(operand, SizeOf) else kind_of(operand.value)
        if kind not in allowed:
            self._cursor.note(
                Wrong.KIND, f"Incorrect operand type for operator or function; {what}: {name}, operand type: {kind}"
            )

    def _check_ordered(self, comparator: Comparator, left: Operand, right: Operand) -> None:
        if comparator not in (Comparator.EQ, Comparator.NE):
            for operand in (left, right):
                self._check_kind(str(comparator), operand, _ORDERED, what="operator")

    def _check_distinct(self, name: str, first: Operand, second: Operand) -> None:
        if isinstance(first, At) and first == second:
            self._cursor.note(
                Wrong.DISTINCT,
                "The first operand must be distinct from the remaining operands for this operator or function; "
                f"operator: {name}, first operand: {path_text(first.path)}",
            )

    def _check_bounds(self, low: Operand, high: Operand) -> None:
        if not isinstance(low, Constant) or not isinstance(high, Constant):
            return
        shown = f"lower bound operand: {_shown(low.value)}, upper bound operand: {_shown(high.value)}"
        if kind_of(low.value) != kind_of(high.value):
            self._cursor.note(
                Wrong.KIND, f"The BETWEEN operator requires same data type for lower and upper bounds; {shown}"
            )
        elif order(low.value, high.value) == 1:
            self._cursor.note(
                Wrong.KIND,
                f"The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {shown}",
            )


def _shown(value: Value) -> str:
    return f"AttributeValue: {shown_value(value)}"
