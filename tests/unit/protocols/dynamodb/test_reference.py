from __future__ import annotations

from pathlib import Path

import pytest

from lockhouse.protocols.dynamodb.faults import Fault
from lockhouse.protocols.dynamodb.routes import ROUTES, UNSUPPORTED

REFERENCE = (Path(__file__).parents[4] / "docs" / "reference" / "dynamodb.md").read_text()


@pytest.mark.parametrize("action", [*(route.action for route in ROUTES), *UNSUPPORTED])
def test_every_action_is_in_the_reference(action):
    assert f"`{action}`" in REFERENCE


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name)
def test_every_fault_is_in_the_reference(fault):
    assert f"`{fault.type.rpartition('#')[2]}`" in REFERENCE


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.action)
def test_the_reference_says_who_may(route):
    row = next(line for line in REFERENCE.splitlines() if line.startswith("|") and f"`{route.action}`" in line)
    assert str(route.access) in row
