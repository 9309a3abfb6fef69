"""What a body is, and which bodies can never be a state."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockhouse.core.bodies import might_be_state, read_facts, with_serial
from lockhouse.core.versions import Facts

STATE = (
    json.dumps(
        {
            "version": 4,
            "terraform_version": "1.15.5",
            "serial": 12,
            "lineage": "0d1b",
            "outputs": {"a": {"value": 1, "type": "number"}},
            "resources": [{"mode": "managed", "instances": [{"attributes": {"serial": 99, "lineage": "no"}}]}],
            "check_results": None,
        },
        indent=2,
    )
    + "\n"
).encode()


def test_a_state_says_its_serial_lineage_version_and_counts():
    facts = read_facts(STATE)
    assert facts is not None
    assert (facts.serial, facts.lineage, facts.terraform_version) == (12, "0d1b", "1.15.5")
    assert (facts.resources, facts.outputs, facts.encrypted) == (1, 1, False)


def test_an_encryption_envelope_is_opaque_but_for_serial_and_lineage():
    facts = read_facts(b'{"serial":3,"lineage":"l","meta":{},"encrypted_data":"eA==","encryption_version":"v0"}')
    assert facts is not None
    assert (facts.serial, facts.lineage, facts.encrypted, facts.resources) == (3, "l", True, -1)


def test_a_state_cut_off_at_any_byte_is_not_a_state():
    body = STATE.rstrip()
    assert [cut for cut in range(len(body)) if read_facts(body[:cut]) is not None] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"version"',
        b'{"serial":1,"lineage":"x"}',
        b'{"version":0,"serial":1}',
        b'{"version":4,"serial":-1}',
        b'{"version":4,"serial":1.5}',
        b'{"version":4,"serial":"1"}',
        b'{"version":4,"serial":18446744073709551616}',
        b'{"version":4,"serial":1,"serial":2}',
        b'{"version":4,"serial":1,"Serial":2}',
        b'{"version":4,"serial":1,"s\\u0065rial":2}',
        b'{"version":4,"serial":1,"lineage":"a","LINEAGE":"b"}',
        b'{"version":4,"serial":1}{"version":4}',
        b'{"version":4,"serial":1,"x":NaN}',
        b'{"version":4,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"version":4,"lineage":"\xff"}',
    ],
    ids=range(19),
)
def test_what_is_empty_broken_ambiguous_or_no_state_has_no_facts(body):
    assert read_facts(body) is None


def test_a_serial_of_64_bits_is_read_exactly():
    facts = read_facts(b'{"version":4,"serial":18446744073709551615,"lineage":""}')
    assert facts is not None
    assert facts.serial == 2**64 - 1


def test_another_serial_changes_nothing_else():
    changed = with_serial(STATE, 13)
    assert changed == STATE.replace(b'"serial": 12,', b'"serial": 13,')


def test_the_serial_of_an_encrypted_state_is_left_alone():
    body = b'{"serial":3,"lineage":"l","encrypted_data":"eA==","encryption_version":"v0"}'
    assert with_serial(body, 9) == body


def test_only_bodies_that_look_like_a_state_are_worth_decoding():
    assert might_be_state(b' \n{"terraform_version": "1"')
    assert not might_be_state(b"PK\x03\x04 plan file")
    assert not might_be_state(b'{"hello": 1}')


@pytest.mark.parametrize(
    "body",
    [
        b'{"version":4,"serial":1,"resources":[{"serial":9}],"serial":2}',
        b'{"version":4,"resources":[],"lineage":"a","outputs":{},"lineage":"b","serial":1}',
        b'{"resources" : [1], "version":4,"serial":1,"resources":[1],"s\\u0065rial":2}',
        b'{"version":4,"serial":1,"x\\"resources":[{"a":1}],"resources":[{"a":1}],"serial":2}',
        b'{"version":4,"x":{"resources":[1]},"serial":1,"resources":[1],"\\u0073erial":2}',
    ],
)
def test_a_name_given_twice_is_found_wherever_the_resources_stand(body):
    assert read_facts(body) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"version":4,"serial":7,"resources":[{"serial":1,"lineage":"b"},{"serial":2}],"lineage":"a"}',
        b'{"version":4,"x":"\\"resources\\":[","serial":7,"lineage":"a","resources":[1,{"lineage":"q"}]}',
        b'{"version":4,"x":{"resources":[{"serial":3}]},"serial":7,"resources":[2],"lineage":"a"}',
    ],
)
def test_names_inside_the_resources_are_not_those_of_the_document(body):
    facts = read_facts(body)
    assert facts is not None
    assert (facts.serial, facts.lineage) == (7, "a")


MEMBERS = [
    '"version":4', '"serial":7', '"lineage":"a"', '"lineage":"b"', '"outputs":{"a":{"value":["resources"]}}',
    '"resources":[]', '"resources":[1,[2],{"serial":[3]}]', '"resources":null', '"resourc\\u0065s":[1,2]',
    '"Resources":[3]', '"x":{"resources":[1]}', '"x":"resources"', '"x":"],\\"check_results\\""',
    '"check_results":null', '"x":{"resources":[1],"check_results":null}', '"check_results":[{"a":[1]}]', '"s\\u0065rial":8', '"SERIAL":9', '"x":[4]',
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    members=st.lists(st.sampled_from(MEMBERS), max_size=9),
    space=st.sampled_from(["", "\n  ", " \t\r\n"]),
    cut=st.integers(0, 2),
)
def test_the_facts_are_those_of_the_whole_document_however_it_is_laid_out(members, space, cut):
    text = "{" + ",".join(space + each.replace(":", f":{space}") + space for each in members) + "}" + space
    text = text[: len(text) - cut]
    assert read_facts(text.encode()) == _facts_of(text)


def _facts_of(text: str) -> Facts | None:
    """By decoding everything, in the plainest words."""
    try:
        pairs = json.loads(text, object_pairs_hook=lambda found: found)
    except ValueError:
        return None
    lowered = [name.lower() for name, _ in pairs]
    top = dict(pairs)
    if top.get("version", 0) < 1 or lowered.count("serial") > 1 or lowered.count("lineage") > 1:
        return None
    resources, outputs = top.get("resources"), top.get("outputs")
    return Facts(
        serial=top.get("serial", 0),
        lineage=top.get("lineage", ""),
        resources=-1 if resources is None else len(resources),
        outputs=-1 if outputs is None else len(outputs),
    )
