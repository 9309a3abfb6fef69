"""What the grammars refuse, in the words of AWS, and that no text at all brings them down."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockhouse.core.conditions import holds
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.dynamodb.expressions.condition import parse_condition
from lockhouse.protocols.dynamodb.expressions.placeholders import Placeholders
from lockhouse.protocols.dynamodb.expressions.projection import parse_projection
from lockhouse.protocols.dynamodb.expressions.update import parse_update

VALUES = {":a": "x", ":n": Decimal(3), ":m": Decimal(1), ":b": True, ":l": ["q"]}
NAMES = {"#a": "date"}
pieces = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            "#a",
            ":a",
            ":n",
            "(",
            ")",
            "AND",
            "OR",
            "NOT",
            "=",
            "<>",
            "<",
            "BETWEEN",
            "IN",
            ",",
            ".",
            "[0]",
            "size",
            "attribute_exists",
            "contains",
            "SET",
            "REMOVE",
            "ADD",
            "DELETE",
            "+",
            "-",
            "if_not_exists",
            "[",
            "]",
        ]
    ),
    max_size=25,
).map(" ".join)


def placeholders() -> Placeholders:
    return Placeholders(NAMES, VALUES)


@given(st.text() | pieces)
def test_any_text_is_read_or_refused(text):
    for parse in (
        lambda: parse_condition("ConditionExpression", text, placeholders()),
        lambda: parse_update(text, placeholders()),
        lambda: parse_projection(text, placeholders()),
    ):
        try:
            parse()
        except RequestInvalid as problem:
            assert problem.message.startswith("Invalid ")


@pytest.mark.parametrize(
    "text", ["(" * 2000 + "a = :a", "NOT " * 900 + "a = :a", "size(" * 800, "a." * 2000 + "a = :a"]
)
def test_deep_and_long_expressions_are_refused_or_read_without_harm(text):
    with pytest.raises(RequestInvalid):
        parse_condition("FilterExpression", text + " AND", placeholders())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The expression can not be empty;"),
        ("a = = :a", 'Syntax error; token: "=", near: "= = :a"'),
        ("a =", 'Syntax error; token: "<EOF>", near: "="'),
        ("a = :a)", 'Syntax error; token: ")", near: ":a)"'),
        ("a == :a", 'Syntax error; token: "=", near: "== :a"'),
        ("((a = :a))", "The expression has redundant parentheses;"),
        ("date = :a", "Attribute name is a reserved keyword; reserved keyword: date"),
        ("#b = :a", "An expression attribute name used in the document path is not defined; attribute name: #b"),
        ("a = :z", "An expression attribute value used in expression is not defined; attribute value: :z"),
        ("frob(a)", "Invalid function name; function: frob"),
        ("size(a)", "The function is not allowed to be used this way in an expression; function: size"),
        (
            "begins_with(a, :a) = :a",
            "The function is not allowed to be used this way in an expression; function: begins_with",
        ),
        (
            "attribute_exists(a, b)",
            (
                "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of "
                "operands: 2"
            ),
        ),
        (
            "attribute_exists(:a)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "begins_with(a, :n)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "a = a",
            (
                "The first operand must be distinct from the remaining operands for this operator or function; operator: "
                "=, first operand: [a]"
            ),
        ),
        (
            "a BETWEEN :n AND :m",
            (
                "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: "
                "AttributeValue: {N:3}, upper bound operand: AttributeValue: {N:1}"
            ),
        ),
        (
            "attribute_type(a, :a)",
            "Invalid attribute type name found; type: x, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        ("a" + " " * 4096, "Expression size has exceeded the maximum allowed size; expression size: 4097"),
        (" OR ".join(["a=:a"] * 151), "The expression contains too many operators; operator count: 301"),
    ],
)
def test_a_bad_condition_is_refused_in_the_words_of_aws(text, message):
    with pytest.raises(RequestInvalid) as refused:
        parse_condition("ConditionExpression", text, placeholders())
    assert refused.value.message == f"Invalid ConditionExpression: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SET a = :a SET b = :a", 'The "SET" section can only be used once in an update expression;'),
        (
            "SET a = :a REMOVE a.b",
            (
                "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path "
                "two: [a, b]"
            ),
        ),
        (
            "SET a.b = :a, a[0] = :a",
            (
                "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, b], "
                "path two: [a, [0]]"
            ),
        ),
        (
            "SET a = :a + :n",
            "Incorrect operand type for operator or function; operator or function: +, operand type: S",
        ),
        (
            "ADD a :a",
            (
                "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: "
                "ALLOWED_FOR_ADD_OPERAND"
            ),
        ),
        (
            "SET a = if_not_exists(:a, :n)",
            "Operator or function requires a document path; operator or function: if_not_exists",
        ),
        (
            "SET a = list_append(a, :n)",
            "Incorrect operand type for operator or function; operator or function: list_append, operand type: N",
        ),
        ("SET a = attribute_exists(a)", "Invalid function name; function: attribute_exists"),
        ("a = :a", 'Syntax error; token: "a", near: "a ="'),
    ],
)
def test_a_bad_update_is_refused_in_the_words_of_aws(text, message):
    with pytest.raises(RequestInvalid) as refused:
        parse_update(text, placeholders())
    if "Invalid function name" not in message:
        assert refused.value.message == f"Invalid UpdateExpression: {message}"
    else:
        assert refused.value.message.startswith("Invalid UpdateExpression: ")


def test_placeholders_that_nothing_uses_are_refused():
    found = placeholders()
    parse_condition("ConditionExpression", "#a = :a AND b = :n AND c = :m AND d = :b", found)
    with pytest.raises(RequestInvalid, match=r"ExpressionAttributeValues unused in expressions: keys: \{:l\}"):
        found.check_used()
    with pytest.raises(RequestInvalid, match=r"ExpressionAttributeNames unused in expressions: keys: \{#a\}"):
        placeholders().check_used()


@pytest.mark.parametrize(("names", "values"), [({}, None), (None, {}), ({"a": "b"}, None), (None, {"a": "b"})])
def test_malformed_placeholders_are_refused(names, values):
    with pytest.raises(RequestInvalid, match=r"must not be empty|contains invalid key"):
        Placeholders(names, values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = :zz AND (date = :a", 'Syntax error; token: "<EOF>", near: ":a"'),
        ("a = OR", 'Syntax error; token: "OR", near: "= OR"'),
        ("a = :zz OR ((date = :a))", "The expression has redundant parentheses;"),
        ("date = :a OR frob(a)", "Invalid function name; function: frob"),
        ("date = :a OR size(a)", "The function is not allowed to be used this way in an expression; function: size"),
        ("a = :zz OR date = :a", "Attribute name is a reserved keyword; reserved keyword: date"),
        (
            "begins_with(a, :n) OR a = :zz",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "if_not_exists(a, :a) = :n",
            "The function is not allowed to be used this way in an expression; function: if_not_exists",
        ),
        ("_a = :a", 'Syntax error; token: "_", near: "_a"'),
        (
            "a BETWEEN :l AND :l",
            "Incorrect operand type for operator or function; operator: BETWEEN, operand type: L",
        ),
        (
            "a" + ".b" * 32 + " = :a",
            "The document path has too many nesting levels; nesting levels: 33",
        ),
        (
            "size(size(a)) = :n",
            "Incorrect operand type for operator or function; operator or function: size, operand type: N",
        ),
    ],
)
def test_of_several_mistakes_in_a_condition_the_one_is_told_that_aws_tells(text, message):
    with pytest.raises(RequestInvalid) as refused:
        parse_condition("ConditionExpression", text, placeholders())
    assert refused.value.message == f"Invalid ConditionExpression: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SET date = frob(:zz", 'Syntax error; token: "<EOF>", near: ":zz"'),
        ("SET b = frob(a) SET date = :a", "Attribute name is a reserved keyword; reserved keyword: date"),
        ("ADD b :a SET c = frob(:zz)", "Invalid function name; function: frob"),
        (
            "SET b = list_append(list_append(b, :l), :l)",
            "The function is not allowed to be used this way in an expression; function: list_append",
        ),
        ("SET b = :zz SET c = :a", 'The "SET" section can only be used once in an update expression;'),
        (
            "SET b = :zz, #b = :a",
            "An expression attribute name used in the document path is not defined; attribute name: #b",
        ),
        (
            "ADD b :a SET b = :zz",
            "An expression attribute value used in expression is not defined; attribute value: :zz",
        ),
        (
            "ADD b :a REMOVE b.c",
            (
                "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [b], path "
                "two: [b, c]"
            ),
        ),
        (
            "SET b = :a + :n ADD c :a",
            (
                "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: "
                "ALLOWED_FOR_ADD_OPERAND"
            ),
        ),
    ],
)
def test_of_several_mistakes_in_an_update_the_one_is_told_that_aws_tells(text, message):
    with pytest.raises(RequestInvalid) as refused:
        parse_update(text, placeholders())
    assert refused.value.message == f"Invalid UpdateExpression: {message}"


def test_of_several_mistakes_in_a_projection_the_one_is_told_that_aws_tells():
    with pytest.raises(RequestInvalid, match="reserved keyword: date"):
        parse_projection("a, a.b, #b, date", placeholders())
    with pytest.raises(RequestInvalid, match="Syntax error"):
        parse_projection("a, #b, date,", placeholders())


def test_the_type_of_a_value_may_be_asked_for():
    text = "attribute_type(:n, :a)"
    condition = parse_condition("ConditionExpression", text, Placeholders(None, {":n": Decimal(3), ":a": "N"}))
    assert holds(condition, {})
