from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockhouse.core.attributes import (
    BinarySet,
    NumberSet,
    StringSet,
    add,
    decode_item,
    encode_item,
    encode_key,
    item_size,
    number_text,
    parse_number,
    same,
    subtract,
)
from lockhouse.errors import RequestInvalid

digits = st.text("0123456789", min_size=1, max_size=38)
numbers = st.builds(
    lambda sign, text, exponent: parse_number(f"{sign}{text[0]}.{text[1:] or '0'}E{exponent}"),
    st.sampled_from(["", "-"]),
    digits.filter(lambda text: text.strip("0") != "" and text[0] != "0"),
    st.integers(-130, 125),
) | st.just(Decimal(0))
scalars = st.text() | numbers | st.binary() | st.booleans() | st.none()
sets = (
    st.frozensets(st.text(), min_size=1).map(StringSet)
    | st.frozensets(numbers, min_size=1).map(NumberSet)
    | st.frozensets(st.binary(), min_size=1).map(BinarySet)
)
values = st.recursive(
    scalars | sets, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
items = st.dictionaries(st.text(min_size=1), values, max_size=5)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly
@given(items)
def test_an_item_comes_back_from_its_bytes_as_it_was(item):
    assert same(decode_item(encode_item(item)), item)
    assert item_size(item) >= sum(len(name.encode()) for name in item)


@given(numbers)
def test_a_number_is_exact_and_plain(number):
    text = number_text(number)
    assert ("E" in text) == (number.adjusted() >= 38)
    assert Decimal(text) == number == parse_number(text)


@pytest.mark.parametrize("text", ["9" * 38, "-" + "9" * 38, "-1." + "2" * 37])
def test_thirty_eight_digits_are_kept_on_either_side_of_zero(text):
    assert number_text(parse_number(text)) == text


@given(st.lists(numbers, min_size=2, max_size=8))
def test_keys_of_numbers_sort_as_the_numbers(found):
    assert sorted(found, key=encode_key) == sorted(found)
    for number in found:
        assert all((encode_key(number) == encode_key(other)) == (number == other) for other in found)


@given(st.lists(st.text(), min_size=2, max_size=8))
def test_keys_of_strings_sort_by_utf8(found):
    assert sorted(found, key=encode_key) == sorted(found, key=lambda text: text.encode())


def test_numbers_keep_38_digits_and_no_more():
    most = "1234567890123456789012345678901234567.8"
    assert number_text(parse_number(most)) == most
    assert number_text(parse_number("9" * 38 + "0" * 88)) == "9." + "9" * 37 + "E+125"
    assert number_text(parse_number("1e37")) == "1" + "0" * 37
    with pytest.raises(RequestInvalid, match="more than 38 significant digits"):
        parse_number(most + "9")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be converted to a numeric value"),
        ("abc", "cannot be converted to a numeric value: abc"),
        ("NaN", "numeric value: NaN"),
        ("Infinity", "numeric value"),
        ("1_000", "numeric value"),
        (" 1", "numeric value"),
        ("１", "numeric value"),
        ("1e126", "Number overflow"),
        ("-1e126", "Number overflow"),
        ("1e-131", "Number underflow"),
        ("1e999999", "Number overflow"),
        ("1" * 2000, "numeric value"),
    ],
)
def test_what_is_no_number_is_refused(text, message):
    with pytest.raises(RequestInvalid, match=message):
        parse_number(text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("007", "7"),
        ("-0", "0"),
        ("1.50", "1.5"),
        ("1E3", "1000"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+2", "2"),
        ("1e-130", "0." + "0" * 129 + "1"),
        ("-12e-1", "-1.2"),
    ],
)
def test_numbers_are_answered_without_needless_zeros(text, plain):
    assert number_text(parse_number(text)) == plain


def test_sums_are_exact_or_refused():
    assert add(Decimal("0.1"), Decimal("0.2")) == Decimal("0.3")
    assert subtract(Decimal(1), Decimal(1)) == 0
    for compute in (add, subtract):
        with pytest.raises(RequestInvalid, match="overflow"):
            compute(parse_number("1e50"), Decimal(1))
    with pytest.raises(RequestInvalid, match="overflow"):
        add(parse_number("9e125"), parse_number("9e125"))


def test_values_of_different_types_are_never_the_same():
    assert not same(True, Decimal(1))
    assert not same([True], [Decimal(1)])
    assert not same("", b"")
    assert not same(StringSet(["a"]), NumberSet([Decimal(1)]))
    assert same({"a": [Decimal("1.0")]}, {"a": [Decimal(1)]})


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("ä", 2),
        (b"ab", 2),
        (None, 1),
        (True, 1),
        (Decimal(12345), 4),
        (Decimal(-1), 3),
        ([], 3),
        ([[], "a"], 3 + 1 + 3 + 1 + 1),
        ({"a": "b"}, 3 + 1 + 1 + 1),
        ({"a": {"ä": "b"}}, 3 + 1 + 1 + 3 + 2 + 1 + 1),
        (StringSet(["a", "bc"]), 3),
        (NumberSet([Decimal(1), Decimal(-1)]), 2 + 3),
        (BinarySet([b"a"]), 1),
    ],
)
def test_sizes_follow_the_manual(value, size):
    assert item_size({"name": value}) == 4 + size
    assert item_size({"LockID": "abc", "name": value}) == 9 + 4 + size


def test_a_size_is_not_counted_further_than_anybody_asks():
    assert 10 < item_size({"a": [StringSet(["b"])] * 1_000_000}, 10) < 5_000_000
    assert item_size({"a": ["b"] * 3}, 10) == 10
