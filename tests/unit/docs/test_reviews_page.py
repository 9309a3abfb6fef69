"""The page on reviews and the console cannot rot: every route of theirs stands in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lockhouse.console.app import ROUTES as PAGES
from lockhouse.console.guard import POLICY
from lockhouse.core import reviews
from lockhouse.protocols.api.routes import ROUTES

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "reference" / "reviews-api.md").read_text()
OURS = [route for route in ROUTES if route.path.startswith(("/reviews", "/traffic"))]


@pytest.mark.parametrize("route", OURS, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_of_reviews_and_traffic_is_described(route):
    assert f"| {route.method} | `{route.path}` |" in TEXT
    for name in route.query:
        assert f"`{name}`" in TEXT or f"?{name}=" in TEXT


def test_every_page_of_the_console_is_described_and_no_other():
    described = re.findall(r"^\| `(/console/[^`]*)`", TEXT, re.MULTILINE)
    assert set(described) == {route.path for route in PAGES}


def test_the_bounds_are_those_of_the_code():
    assert f"the newest {reviews.MAX_PER_ROOT} are kept" in TEXT
    assert f"the newest {reviews.MAX_PER_SENDER}" in TEXT
    assert POLICY in (ROOT / "docs/decisions/0060-the-console-has-no-script-and-no-framework.md").read_text().replace(
        "\n", " "
    )
