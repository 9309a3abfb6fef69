"""Attribute values on the wire: each type alone comes back as it was, and nothing else is a value."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from lockhouse.core.attributes import MAX_NESTING
from lockhouse.errors import AwsRefusal
from lockhouse.protocols.dynamodb.faults import Refusal
from lockhouse.protocols.dynamodb.values import WireValue, read_item, read_value, write_value

VALUES = {
    "S": "text",
    "N": "1.5",
    "B": "YQ==",
    "BOOL": False,
    "NULL": True,
    "L": [{"S": "a"}, {"NULL": True}],
    "M": {"a": {"N": "1"}},
    "SS": ["a", "b"],
    "NS": ["1", "2"],
    "BS": ["YQ==", "Yg=="],
}


def read(document: object) -> object:
    return read_value(msgspec.convert(document, WireValue))


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_of_each_type_comes_back_as_it_was(kind: str):
    document = {kind: VALUES[kind]}
    assert write_value(read(document)) == document


@pytest.mark.parametrize("kinds", list(itertools.combinations(VALUES, 2)), ids="-".join)
def test_a_value_of_two_types_is_none(kinds: tuple[str, str]):
    with pytest.raises(AwsRefusal, match="more than one datatypes"):
        read({kind: VALUES[kind] for kind in kinds})


def test_a_value_of_no_type_is_none():
    with pytest.raises(AwsRefusal, match="AttributeValue is empty"):
        read({})
    with pytest.raises(AwsRefusal, match="must have the value of true"):
        read({"NULL": False})


@pytest.mark.parametrize(
    "wrap", [lambda inner: {"L": [inner]}, lambda inner: {"M": {"a": inner}}], ids=["lists", "maps"]
)
def test_lists_and_maps_nest_as_deep_as_aws_takes_them(wrap):
    document: object = {"S": "x"}
    for _ in range(MAX_NESTING):
        document = wrap(document)
    read(document)
    with pytest.raises(AwsRefusal, match="Nesting Levels have exceeded supported limits"):
        read(wrap(document))


@pytest.mark.parametrize("document", [{"SS": []}, {"NS": []}, {"BS": []}, {"SS": ["a", "a"]}, {"NS": ["1", "1.0"]}])
def test_a_set_has_members_and_each_once(document):
    with pytest.raises(AwsRefusal, match=r"empty|duplicates"):
        read(document)


@pytest.mark.parametrize("text", ["Y", "YQ", "YQ=", "YR==", "Y!==", "YQ==YQ==", "=YQ="])
def test_bytes_have_one_spelling(text: str):
    with pytest.raises(Refusal):
        read({"B": text})
    with pytest.raises((Refusal, AwsRefusal)):
        read({"BS": ["YQ==", text]})


def test_a_name_is_not_empty_and_has_a_length_in_bytes():
    for name in ("a" * 65_535, "ä" * 32_767):
        assert read_item({name: WireValue(S="x")}) == {name: "x"}
    for name in ("", "a" * 65_536, "ä" * 32_768):
        with pytest.raises(AwsRefusal, match="name"):
            read_item({name: WireValue(S="x")})
