from __future__ import annotations

import copy
from decimal import Decimal

import pytest
from hypothesis import given

from lockhouse.core.attributes import StringSet
from lockhouse.core.conditions import (
    At,
    BeginsWith,
    Comparator,
    Compare,
    Constant,
    Contains,
    Either,
    Every,
    Exists,
    Not,
    SizeOf,
    find,
    holds,
    project,
)
from lockhouse.core.updates import Add, Delete, IfNotExists, ListAppend, Remove, Set, Sum, apply
from lockhouse.errors import RequestInvalid
from tests.unit.core.test_attributes import items

ONE = Constant(Decimal(1))


@given(items)
def test_an_update_never_changes_the_item_it_was_given(item):
    before = copy.deepcopy(item)
    changed = apply([Set(("new",), ONE), Remove(("gone",))], item)
    assert item == before
    assert changed["new"] == Decimal(1)


def test_right_hand_sides_see_the_item_as_it_was():
    item = {"a": Decimal(1), "b": Decimal(2)}
    swapped = apply([Set(("a",), At(("b",))), Set(("b",), At(("a",)))], item)
    assert swapped == {"a": Decimal(2), "b": Decimal(1)}


def test_list_positions_are_those_before_the_update():
    item = {"l": ["a", "b", "c", "d"]}
    assert apply([Remove(("l", 0)), Remove(("l", 2)), Set(("l", 1), Constant("B"))], item) == {"l": ["B", "d"]}


def test_setting_beyond_the_end_appends_in_order_of_position():
    assert apply([Set(("l", 9), Constant("z")), Set(("l", 5), Constant("y"))], {"l": ["a"]}) == {"l": ["a", "y", "z"]}


def test_counters_lists_and_sets_grow_and_shrink():
    item = {"n": Decimal(1), "l": ["a"], "s": StringSet(["x", "y"])}
    changed = apply(
        [
            Add(("n",), Decimal("0.5")),
            Set(("l",), ListAppend(At(("l",)), Constant(["b"]))),
            Delete(("s",), StringSet(["x"])),
            Add(("fresh",), Decimal(7)),
            Set(("m",), Sum(IfNotExists(("m",), Constant(Decimal(10))), ONE, negative=True)),
        ],
        item,
    )
    assert changed == {
        "n": Decimal("1.5"),
        "l": ["a", "b"],
        "s": StringSet(["y"]),
        "fresh": Decimal(7),
        "m": Decimal(9),
    }


def test_a_set_that_loses_its_last_member_is_gone():
    assert apply([Delete(("s",), StringSet(["x"]))], {"s": StringSet(["x"])}) == {}
    assert apply([Delete(("s",), StringSet(["x"]))], {}) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Set(("a",), At(("missing",))), "does not exist in the item"),
        (Set(("missing", "b"), ONE), "document path provided in the update expression is invalid"),
        (Set(("s", 0), ONE), "document path"),
        (Set(("a",), Sum(At(("s",)), ONE)), "incorrect data type"),
        (Set(("a",), ListAppend(At(("s",)), Constant([]))), "incorrect data type"),
        (Add(("s",), Decimal(1)), "incorrect data type"),
        (Delete(("s",), StringSet(["x"])), "incorrect data type"),
        (Remove(("missing", "b")), "document path"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(RequestInvalid, match=message):
        apply([change], {"s": "text"})


def test_a_missing_attribute_only_differs():
    for comparator in Comparator:
        expected = comparator is Comparator.NE
        assert holds(Compare(comparator, At(("x",)), ONE), {}) is expected
        assert holds(Compare(comparator, ONE, At(("x",))), {}) is expected


@given(items, items)
def test_a_condition_and_its_negation_never_agree(item, other):
    conditions = [Exists((name,)) for name in other] + [
        Compare(Comparator.EQ, At((name,)), Constant(value)) for name, value in other.items()
    ]
    for condition in conditions:
        assert holds(condition, item) != holds(Not(condition), item)
    assert holds(Every(tuple(conditions)), item) == all(holds(each, item) for each in conditions)
    assert holds(Either(tuple(conditions)), item) == any(holds(each, item) for each in conditions)


def test_functions_look_at_their_own_types_only():
    item = {"s": "hello", "b": b"\x01\x02", "l": ["a", Decimal(1)], "set": StringSet(["a"]), "n": Decimal(5)}
    assert holds(BeginsWith(At(("s",)), Constant("he")), item)
    assert not holds(BeginsWith(At(("n",)), Constant("5")), item)
    assert holds(Contains(At(("l",)), ONE), item)
    assert not holds(Contains(At(("l",)), Constant(True)), item)
    assert holds(Contains(At(("set",)), Constant("a")), item)
    assert not holds(Contains(At(("set",)), ONE), item)
    assert holds(Compare(Comparator.EQ, SizeOf(At(("b",))), Constant(Decimal(2))), item)
    assert not holds(Compare(Comparator.GE, SizeOf(At(("n",))), Constant(Decimal(0))), item)


@given(items)
def test_projecting_every_attribute_is_the_item(item):
    assert project([(name,) for name in item], item) == item


def test_a_projection_keeps_the_shape():
    item = {"a": {"b": [Decimal(1), Decimal(2), {"c": "x", "d": "y"}]}, "e": "f"}
    assert project([("a", "b", 2, "c"), ("a", "b", 0), ("nope", "x")], item) == {"a": {"b": [Decimal(1), {"c": "x"}]}}
    assert find(("a", "b", 7), item) is not None
