"""A body that passes in pieces says of itself what the whole says, or nothing."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockhouse.core.bodies import _read, read_facts
from lockhouse.core.passing import PassingFacts
from lockhouse.core.versions import Facts

TRICKS = [
    "",
    "a",
    '"',
    "\\",
    '},{"mode":"managed"',
    '}, {"schema_version":1',
    '"resources":[',
    '"encrypted_data":"',
    "]}",
    "\n    },\n    {",
    "\u2028é",
]
NAMES = ["mode", "module", "type", "status", "schema_version", "index_key", "serial", "lineage", "resources", "x"]
LAYOUTS = [(None, (",", ":")), (None, (", ", ": ")), (2, (",", ": ")), (1, (" ,", " : ")), (8, (",", ":"))]

texts = st.sampled_from(TRICKS)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**12) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | texts, inner, max_size=4),
    max_leaves=12,
)
instances = st.fixed_dictionaries({"schema_version": st.just(0), "attributes": values}) | st.fixed_dictionaries(
    {"index_key": st.integers(0, 9), "attributes": values, "status": st.just("tainted")}
)
resources = st.fixed_dictionaries(
    {"mode": st.just("managed"), "type": texts, "instances": st.lists(instances, max_size=6)}
) | st.fixed_dictionaries({"module": st.just("module.a"), "mode": st.just("data"), "instances": st.just([])})
states = st.fixed_dictionaries(
    {"version": st.just(4), "serial": st.integers(0, 99), "lineage": texts},
    optional={
        "outputs": st.dictionaries(st.sampled_from(NAMES), values, max_size=3),
        "resources": st.lists(resources, max_size=12) | st.none() | values,
        "check_results": values,
        "Resources": values,
        "encrypted_data": texts,
        "encryption_version": st.just("v0"),
    },
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A state, now and then with one byte too many, too few, or another."""
    indent, separators = draw(st.sampled_from(LAYOUTS))
    ascii_only = draw(st.booleans())
    body = json.dumps(draw(states), indent=indent, separators=separators, ensure_ascii=ascii_only).encode()
    if draw(st.booleans()):
        at = draw(st.integers(0, len(body) - 1))
        piece = draw(st.sampled_from([b"", b"}", b"]", b",", b'"', b"{", b"[", b"\\", b"\xff", b" "]))
        body = body[:at] + piece + body[at + draw(st.integers(0, 1)) :]
    return body


def pass_by(body: bytes, cuts: list[int], segment: int, most: int = 1 << 20) -> Facts | None:
    passing = PassingFacts(segment, most)
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    passing.feed(body[start:stop] for start, stop in itertools.pairwise(places))
    return passing.finish()


@given(bodies(), st.lists(st.integers(0, 10_000), max_size=12), st.sampled_from([1, 40, 200, 1000]))
def test_what_passes_says_what_the_whole_says_or_nothing(body, cuts, segment):
    found = pass_by(body, cuts, segment)
    assert found is None or found == _read(body)


@given(bodies())
def test_a_whole_body_says_the_same_whether_its_resources_are_read_apart_or_not(body):
    assert read_facts(body) == _read(body)


def terraform(count: int, each: int, indent: int | None) -> bytes:
    """A state as Terraform lays it out: `count` resources with `each` instances."""
    one = {"id": "i-1", "tags": {"mode": "x"}, "blocks": [{"mode": "a"}, {"mode": "b"}, {"status": "c"}]}
    document = {
        "version": 4,
        "terraform_version": "1.15.5",
        "serial": 7,
        "lineage": "l",
        "outputs": {"a": {"value": "1", "type": "string"}},
        "resources": [
            {
                "mode": "managed",
                "type": "aws_instance",
                "name": f"n{number}",
                "instances": [{"index_key": key, "schema_version": 1, "attributes": one} for key in range(each)],
            }
            for number in range(count)
        ],
        "check_results": None,
    }
    return json.dumps(document, indent=indent, separators=None if indent else (",", ":")).encode() + b"\n"


@pytest.mark.parametrize("indent", [2, None])
@pytest.mark.parametrize(("count", "each"), [(2000, 1), (1, 2000), (40, 50)])
def test_large_states_are_cut_between_resources_and_between_instances(count, each, indent):
    body = terraform(count, each, indent)
    found = pass_by(body, list(range(0, len(body), 777)), 4096, most=32 * 1024)
    assert found is not None
    assert found == _read(body)
    assert (found.resources, found.outputs, found.serial) == (count, 1, 7)


def test_resources_of_a_megabyte_each_are_cut_wherever_pieces_end():
    one = {
        "mode": "managed",
        "type": "t",
        "instances": [{"schema_version": 0, "attributes": {"input": "x" * 1_000_000}}],
    }
    body = json.dumps({"version": 4, "serial": 1, "lineage": "l", "resources": [one] * 12}, indent=2).encode()
    for size in (256_000, 100_003, 700_001):
        found = pass_by(body, list(range(0, len(body), size)), 256 * 1024, most=4 << 20)
        assert found is not None
        assert found.resources == 12


@pytest.mark.parametrize("indent", [2, None])
def test_a_large_state_that_is_broken_anywhere_says_nothing(indent):
    body = terraform(60, 2, indent)
    for at in range(0, len(body), 41):
        broken = body[:at] + b"\x01" + body[at:]
        assert pass_by(broken, list(range(0, len(body), 500)), 1024) is None
        assert pass_by(body[:at], list(range(0, at, 500)), 1024) is None


def test_an_encrypted_state_passes_without_being_held():
    data = "QUJD+/" * 20_000
    envelope = {"serial": 3, "lineage": "l", "meta": {}, "encrypted_data": data, "encryption_version": "v0"}
    body = json.dumps(envelope).encode()
    found = pass_by(body, list(range(0, len(body), 777)), 4096, most=16 * 1024)
    assert found == read_facts(body)
    assert found is not None
    assert (found.serial, found.encrypted) == (3, True)
    assert pass_by(body.replace(b"+", b"\n", 1), [], 4096, most=16 * 1024) is None


def test_nothing_beyond_its_bound_is_held():
    passing = PassingFacts(segment=1024, most=8192)
    passing.feed([b'{"version":4,"outputs":{"a":"', *[b"x" * 1024] * 100])
    assert passing.held < 8192
    assert passing.finish() is None
