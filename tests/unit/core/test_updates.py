from __future__ import annotations

import copy
import time
from decimal import Decimal

import pytest
from hypothesis import given

from lockhouse.core.attributes import BinarySet, Kind, NumberSet, StringSet, item_size
from lockhouse.core.conditions import (
    At,
    BeginsWith,
    Between,
    Comparator,
    Compare,
    Constant,
    Contains,
    Either,
    Every,
    Exists,
    HasType,
    Not,
    OneOf,
    SizeOf,
    attributes_of,
    find,
    holds,
    project,
)
from lockhouse.core.items import MAX_ITEM_BYTES, check_size
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


LARGE_SET = NumberSet(map(Decimal, range(100_000)))


def nested(depth: int) -> ListAppend | At:
    """A list of twice as many members as the attribute `z` has, and so on."""
    return ListAppend(IfNotExists(("no",), nested(depth - 1)), At(("z",))) if depth else At(("z",))


@pytest.mark.parametrize(
    "changes",
    [
        [Set((f"a{number}",), At(("z",))) for number in range(800)],
        [Set(("m", f"a{number}"), IfNotExists(("no",), At(("z",)))) for number in range(800)],
        [Set(("a",), nested(100))],
        [Add((f"a{number}",), LARGE_SET) for number in range(500)],
    ],
)
def test_one_large_value_in_many_places_is_refused_before_they_are_filled(changes):
    item = {"LockID": "x", "m": {}, "z": [[] for _ in range(95_000)]}
    began = time.process_time()
    with pytest.raises(RequestInvalid, match="Item size to update has exceeded the maximum allowed size"):
        check_size(apply(changes, item), updated=True)
    assert time.process_time() - began < 2  # it was 28 seconds, and 5 GB


def test_an_item_may_be_filled_to_its_very_limit():
    ten = ["" for _ in range(10)]
    room = MAX_ITEM_BYTES - item_size({"LockID": "x", "a": [], "b": []})
    item = {"LockID": "x", "z": ten * (room // 20)}
    changes = [
        Set(("a",), At(("z",))),
        Set(("b",), ListAppend(At(("z",)), Constant([""] * (room % 20)))),
        Remove(("z",)),
    ]
    filled = apply(changes, item)
    assert item_size(filled) == MAX_ITEM_BYTES
    check_size(filled)
    with pytest.raises(RequestInvalid, match="Item size has exceeded the maximum allowed size"):
        check_size(filled | {"c": True})


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


SETS = {
    "strings": (StringSet(["x", "y"]), StringSet(["y", "z"]), StringSet(["x", "y", "z"]), StringSet(["x"])),
    "numbers": (
        NumberSet([Decimal(1), Decimal(2)]),
        NumberSet([Decimal(2), Decimal(3)]),
        NumberSet([Decimal(1), Decimal(2), Decimal(3)]),
        NumberSet([Decimal(1)]),
    ),
    "bytes": (BinarySet([b"x", b"y"]), BinarySet([b"y", b"z"]), BinarySet([b"x", b"y", b"z"]), BinarySet([b"x"])),
}


@pytest.mark.parametrize("kind", SETS)
def test_members_are_added_to_and_taken_from_a_set_of_their_own_kind_alone(kind):
    held, members, together, rest = SETS[kind]
    assert apply([Add(("s",), members)], {"s": held}) == {"s": together}
    assert apply([Delete(("s",), members)], {"s": held}) == {"s": rest}
    assert apply([Delete(("s",), held)], {"s": held, "t": Decimal(1)}) == {"t": Decimal(1)}
    assert apply([Add(("s",), members)], {}) == {"s": members}
    others = [each[0] for name, each in SETS.items() if name != kind]
    for other in (*others, Decimal(1), "x", ["x"], None, True):
        for change in (Add(("s",), members), Delete(("s",), members)):
            with pytest.raises(RequestInvalid, match="incorrect data type"):
                apply([change], {"s": other})


def test_a_number_is_added_to_a_number_alone():
    assert apply([Add(("n",), Decimal(2))], {"n": Decimal(1)}) == {"n": Decimal(3)}
    for other in ("1", StringSet(["1"]), NumberSet([Decimal(1)]), [], None, True):
        with pytest.raises(RequestInvalid, match="incorrect data type"):
            apply([Add(("n",), Decimal(2))], {"n": other})


def test_what_is_taken_from_or_set_in_a_list_stands_at_its_very_place():
    item = {"l": [StringSet(["x", "y"]), StringSet(["x"])]}
    taken = apply([Delete(("l", 0), StringSet(["x"])), Delete(("l", 1), StringSet(["x"]))], item)
    assert taken == {"l": [StringSet(["y"])]}
    for beyond in (Remove(("l", 2)), Delete(("l", 2), StringSet(["x"]))):
        assert apply([beyond], item) == item
    assert apply([Set(("l", 1), ONE)], item) == {"l": [item["l"][0], Decimal(1)]}
    assert apply([Set(("l", 2), ONE)], item) == {"l": [*item["l"], Decimal(1)]}
    assert apply([Set(("l", 5), Constant("a")), Set(("l", 5), Constant("b"))], {"l": []}) == {"l": ["a", "b"]}
    for wrong in (Set(("l", "name"), ONE), Set(("m", 0), ONE)):
        with pytest.raises(RequestInvalid, match="document path"):
            apply([wrong], item | {"m": {}})


SAMPLES = {
    Kind.S: "text",
    Kind.N: Decimal(4),
    Kind.B: b"text",
    Kind.BOOL: True,
    Kind.NULL: None,
    Kind.L: ["text"],
    Kind.M: {"text": "text"},
    Kind.SS: StringSet(["text"]),
    Kind.NS: NumberSet([Decimal(4)]),
    Kind.BS: BinarySet([b"text"]),
}


def test_every_type_is_told_from_every_other():
    for kind, value in SAMPLES.items():
        told = {each for each in Kind if holds(HasType(At(("a",)), each), {"a": value})}
        assert told == {kind}
        equal = {
            each
            for each, other in SAMPLES.items()
            if holds(Compare(Comparator.EQ, At(("a",)), Constant(other)), {"a": value})
        }
        assert equal == {kind}
    assert not any(holds(HasType(At(("a",)), each), {}) for each in Kind)


def test_the_size_is_that_of_texts_bytes_and_containers_alone():
    sizes = {Kind.S: 4, Kind.B: 4, Kind.L: 1, Kind.M: 1, Kind.SS: 1, Kind.NS: 1, Kind.BS: 1}
    for kind, value in SAMPLES.items():
        found = [
            n for n in range(6) if holds(Compare(Comparator.EQ, SizeOf(At(("a",))), Constant(Decimal(n))), {"a": value})
        ]
        assert found == ([sizes[kind]] if kind in sizes else [])
    assert holds(Compare(Comparator.EQ, SizeOf(Constant("ä")), Constant(Decimal(2))), {})
    assert not holds(Compare(Comparator.EQ, SizeOf(At(("a",))), Constant(Decimal(0))), {})


def test_what_a_value_contains_is_of_its_members_type():
    members = {
        Kind.S: {"ex"},
        Kind.B: {b"ex"},
        Kind.L: {"text"},
        Kind.SS: {"text"},
        Kind.NS: {Decimal(4)},
        Kind.BS: {b"text"},
    }
    for kind, value in SAMPLES.items():
        for member in ("ex", "text", b"ex", b"text", Decimal(4), True, None):
            wanted = (
                member in members.get(kind, ())
                or (member == "text" and kind is Kind.S)
                or (member == b"text" and kind is Kind.B)
            )
            assert holds(Contains(At(("a",)), Constant(member)), {"a": value}) == wanted, (kind, member)
    assert not holds(Contains(At(("a",)), At(("b",))), {"a": "text"})
    assert not holds(Contains(At(("b",)), Constant("x")), {"a": "text"})


@pytest.mark.parametrize("value", ["b", b"b", Decimal(5)])
def test_a_value_lies_between_its_bounds_and_is_one_of_its_choices(value):
    below, above = {"b": ("a", "c"), b"b": (b"a", b"c")}.get(value, (Decimal("4.9"), Decimal("5.1")))
    place = At(("a",))

    def between(low, high, item):
        return holds(Between(place, Constant(low), Constant(high)), item)

    item = {"a": value}
    assert between(below, above, item)
    assert between(value, value, item)
    assert not between(above, above, item)
    assert not between(below, below, item)
    assert not between(below, above, {})
    assert holds(OneOf(place, (Constant(below), Constant(value))), item)
    assert not holds(OneOf(place, (Constant(below), Constant(above))), item)
    assert not holds(OneOf(place, (Constant(value), place)), {})


def test_a_condition_names_every_attribute_that_it_looks_at():
    condition = Every(
        (
            Not(Exists(("a", 0, "x"))),
            Either((BeginsWith(At(("b",)), Constant("y")), Compare(Comparator.LT, SizeOf(At(("c", "z"))), At(("d",))))),
            OneOf(At(("e",)), (Constant("f"), At(("g",)))),
        )
    )
    assert attributes_of(condition) == {"a", "b", "c", "d", "e", "g"}


def test_a_projection_of_a_whole_and_of_its_part_is_the_whole():
    item = {"a": {"b": Decimal(1), "c": Decimal(2)}}
    assert project([("a",), ("a", "b")], item) == item
    assert project([("a", "b")], item) == {"a": {"b": Decimal(1)}}
