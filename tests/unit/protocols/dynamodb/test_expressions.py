"""What the grammars refuse, in the words of AWS, and that no text at all brings them down."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockhouse.core.attributes import Kind
from lockhouse.core.conditions import holds
from lockhouse.core.items import KeyAttribute, Schema
from lockhouse.core.updates import Set
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.dynamodb.expressions.condition import parse_condition
from lockhouse.protocols.dynamodb.expressions.keys import split_key_condition
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
        ("a", 'Syntax error; token: "<EOF>", near: "a"'),
        ("a = :a AND :a", 'Syntax error; token: "<EOF>", near: ":a"'),
        ("a BETWEEN :n OR :m", 'Syntax error; token: "OR", near: ":n OR :m"'),
        ("(NOT a = :a) = :n", 'Syntax error; token: "=", near: ") = :n"'),
        (
            "attribute_not_exists(a) = :n",
            "The function is not allowed to be used this way in an expression; function: attribute_not_exists",
        ),
        (":l < a", "Incorrect operand type for operator or function; operator: <, operand type: L"),
        (
            f"a IN ({','.join([':n'] * 101)})",
            "Incorrect number of operands for operator or function; operator or function: IN, number of operands: 102",
        ),
        *(
            (
                f"{function}(a, a)",
                (
                    "The first operand must be distinct from the remaining operands for this operator or function; operator: "
                    f"{function}, first operand: [a]"
                ),
            )
            for function in ("begins_with", "contains")
        ),
        (
            "attribute_type(a, b)",
            (
                "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: "
                "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"
            ),
        ),
        (
            "attribute_type(a, :n)",
            "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: N",
        ),
        ("(" * 61 + "a = :a", "The expression is nested too deeply;"),
        ("NOT " * 61 + "a = :a", "The expression is nested too deeply;"),
        *(
            (
                f"{one} OR {' OR '.join(['a=:a'] * 150)}",
                f"The expression contains too many operators; operator count: {300 + n}",
            )
            for one, n in (
                ("a=:a", 1),
                ("a=:a AND b=:n", 3),
                ("NOT a=:a", 2),
                ("a BETWEEN :n AND :n", 1),
                ("a IN (:a, :n)", 1),
                ("attribute_exists(a)", 1),
                ("size(a) = :n", 2),
            )
        ),
    ],
)
def test_a_bad_condition_is_refused_in_the_words_of_aws(text, message):
    with pytest.raises(RequestInvalid) as refused:
        parse_condition("ConditionExpression", text, placeholders())
    assert refused.value.message == f"Invalid ConditionExpression: {message}"


@pytest.mark.parametrize(
    "text",
    [
        f"NOT a = :a OR {' OR '.join(['a=:a'] * 149)}",  # 300 operators
        f"a IN ({','.join([':n'] * 100)})",
        *(" OR ".join([one] * 61) for one in ("(a = :a)", "NOT a = :a", "size(b) = :n")),
        ":n = :n",
        "a BETWEEN b AND :n OR a BETWEEN :n AND b OR a BETWEEN :n AND :n",
        "NOT " * 60 + "a = :a",
    ],
)
def test_a_condition_may_be_as_long_as_aws_takes_it(text):
    parse_condition("ConditionExpression", text, placeholders())


@pytest.mark.parametrize(
    "text",
    [
        "SET " + ",".join(f"v{n} = if_not_exists(a, (b + :n))" for n in range(100)),
        "SET a = (b + :n) - (c - (:n + :m)), b = list_append(a, (:l))",
        "SET a = " + "(" * 60 + ":n" + ")" * 60,
        "SET a[999999999] = :n, b" + ".c" * 31 + " = :n",
        "SET a = :n" + " " * 4086,
    ],
)
def test_an_update_may_nest_its_operands(text):
    assert all(isinstance(change, Set) for change in parse_update(text, placeholders()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" ", "The expression can not be empty;"),
        ("SET a[b] = :a", 'Syntax error; token: "b", near: "[b]"'),
        ("SET a[1234567890] = :a", "List index is not within the allowable range; index: [1234567890]"),
        *(
            (
                f"REMOVE x, {paths}",
                (
                    "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: "
                    f"{one}, path two: {two}"
                ),
            )
            for paths, one, two in (
                ("a.b, a", "[a, b]", "[a]"),
                ("a, b, a", "[a]", "[a]"),
                ("a.b, c, a.b.c", "[a, b]", "[a, b, c]"),
            )
        ),
        ("ADD a b", 'Syntax error; token: "b", near: "a b"'),
        (
            "DELETE a :n",
            (
                "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: "
                "ALLOWED_FOR_DELETE_OPERAND"
            ),
        ),
        (
            "SET a = b - list_append(a, :l)",
            "Incorrect operand type for operator or function; operator or function: -, operand type: L",
        ),
        (
            "SET a = list_append(a)",
            "Incorrect number of operands for operator or function; operator or function: list_append, number of operands: 1",
        ),
        ("SET a = #a(b)", 'Syntax error; token: "(", near: "#a(b"'),
        ("SET a = (b", 'Syntax error; token: "<EOF>", near: "b"'),
        ("SET a = " + "(" * 61, "The expression is nested too deeply;"),
        ("SET a = " + "if_not_exists(b, " * 61, "The expression is nested too deeply;"),
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


def test_an_update_of_many_hundred_paths_is_read_at_once():
    began = time.process_time()
    paths = ",".join(f"v{number}" for number in range(800))
    assert len(parse_update(f"REMOVE {paths}", placeholders())) == 800
    assert time.process_time() - began < 0.1  # it was half a second
    with pytest.raises(RequestInvalid, match=r"path one: \[v799\], path two: \[v799, b\]"):
        parse_update(f"REMOVE {paths},v799.b", placeholders())


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


BY_ID = Schema(KeyAttribute("id", Kind.S))
BY_ID_AND_TIME = Schema(KeyAttribute("id", Kind.S), KeyAttribute("t", Kind.N))


def split(schema: Schema, text: str):
    return split_key_condition(schema, parse_condition("KeyConditionExpression", text, placeholders()))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("id = :a", 0, 9),
        (":a = id", 0, 9),
        ("t = :n AND id = :a", 3, 3),
        ("id = :a AND t > :n", 4, 9),
        ("id = :a AND :n < t", 4, 9),
        ("id = :a AND t >= :n", 3, 9),
        ("id = :a AND :n <= t", 3, 9),
        ("id = :a AND t < :n", 0, 2),
        ("id = :a AND :n > t", 0, 2),
        ("(id = :a) AND :n >= t", 0, 3),
        ("id = :a AND t BETWEEN :m AND :n", 1, 3),
    ],
)
def test_a_key_condition_is_a_hash_key_and_a_span(text, first, last):
    hash_key, span = split(BY_ID_AND_TIME, text)
    assert hash_key == VALUES[":a"]
    found = [number for number in range(10) if span is None or holds(span, {"t": Decimal(number)})]
    assert (found[0], found[-1]) == (first, last)


@pytest.mark.parametrize(
    ("schema", "text", "message"),
    [
        (BY_ID, "id = :n", "Condition parameter type does not match schema type"),
        (BY_ID, "id > :a", "Query key condition not supported"),
        (BY_ID, "begins_with(id, :a)", "Query key condition not supported"),
        (BY_ID, "id = :a AND t = :n", "Query key condition not supported"),
        (BY_ID, "t = :n", "missed key schema element: id"),
        (BY_ID, "id = x", "Multiple attribute names used in one condition"),
        (BY_ID, ":a = :a", "No key attribute specified"),
        (BY_ID, "id.part = :a", "cannot have conditions on nested attributes"),
        (BY_ID, "NOT id = :a", "Invalid operator used in KeyConditionExpression: NOT"),
        (BY_ID, "attribute_not_exists(id)", "Invalid operator used in KeyConditionExpression: attribute_not_exists"),
        (BY_ID, "id IN (:a)", "Invalid operator used in KeyConditionExpression: IN"),
        (BY_ID_AND_TIME, "id = :a AND x = :n", "missed key schema element: t"),
        (BY_ID_AND_TIME, "id = :a AND t = :n AND x = :n", "Conditions can be of length 1 or 2 only"),
        (BY_ID_AND_TIME, "id = :a AND t = :a", "Condition parameter type does not match schema type"),
        (BY_ID_AND_TIME, "id = :a AND t BETWEEN :a AND :a", "Condition parameter type does not match schema type"),
        (BY_ID_AND_TIME, "id = :a AND begins_with(t, :a)", "Condition parameter type does not match schema type"),
        (BY_ID_AND_TIME, "id = :a AND t BETWEEN id AND :n", "Multiple attribute names used in one condition"),
        (
            BY_ID_AND_TIME,
            "id = :a AND :n BETWEEN t AND :n",
            "BETWEEN operator must have the key attribute as its first",
        ),
        (BY_ID_AND_TIME, "id = :a AND begins_with(:a, id)", "begins_with operator must have the key attribute as its"),
    ],
)
def test_a_key_condition_of_another_form_is_refused(schema, text, message):
    with pytest.raises(RequestInvalid) as refused:
        split(schema, text)
    assert message in refused.value.message
