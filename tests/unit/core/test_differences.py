"""What differs between two bodies of a state, by name and never by value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lockhouse.core.differences import Differences, compare


def resource(*keys: Any, name: str = "main", **more: Any) -> dict[str, Any]:
    instances = [{"attributes": {"secret": "s3cret"}} | ({} if key is None else {"index_key": key}) for key in keys]
    return {"mode": "managed", "type": "aws_vpc", "name": name, "instances": instances, **more}


def body(*resources: dict[str, Any], indent: int | None = None, **outputs: Any) -> bytes:
    shown = {name: {"value": value, "type": "string"} for name, value in outputs.items()}
    return json.dumps({"version": 4, "serial": 1, "resources": resources, "outputs": shown}, indent=indent).encode()


def test_instances_and_outputs_are_named_as_terraform_names_them():
    old = body(resource(0, 1), resource(None, name="gone"), url="a", gone="b")
    new = body(resource(1, 2), resource("x", name="each", module="module.net", mode="data"), url="c", more="d")
    assert compare(old, new) == Differences(
        added=("aws_vpc.main[2]", 'module.net.data.aws_vpc.each["x"]', "output.more"),
        removed=("aws_vpc.main[0]", "aws_vpc.gone", "output.gone"),
        changed=("output.url",),
    )


def test_a_changed_attribute_is_a_change_and_another_way_to_write_the_same_is_none():
    old, same = body(resource(None)), body(resource(None), indent=2)
    assert old != same
    assert compare(old, same) == Differences((), (), ())
    assert compare(old, old.replace(b"s3cret", b"other")) == Differences((), (), ("aws_vpc.main",))


def test_a_deposed_instance_is_not_the_one_in_its_place():
    both = resource(None, None)
    both["instances"][1]["deposed"] = "0123abcd"
    found = compare(body(resource(None)), body(both))
    assert found == Differences(("aws_vpc.main (deposed 0123abcd)",), (), ())


def test_against_nothing_everything_is_new():
    assert compare(b"", body(resource(None), url="a")) == Differences(("aws_vpc.main", "output.url"), (), ())


@pytest.mark.parametrize(
    "other",
    [
        b"not json",
        b"[]",
        b"{}",
        b'{"serial":1,"lineage":"l","meta":{},"encrypted_data":"YQ==","encryption_version":"v0"}',
        b'{"version":4,"serial":1,"lineage":"l","meta":{},"encrypted_data":"YQ==","encryption_version":"v0"}',
        b'{"version":4,"resources":[{"instances":[3]}]}',
        b"\xff",
    ],
)
def test_what_is_encrypted_or_no_state_cannot_be_compared(other: bytes):
    assert compare(body(), other) is None
    assert compare(other, body()) is None
