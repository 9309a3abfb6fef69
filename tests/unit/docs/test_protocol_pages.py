"""The pages of http and of the cloud API agree with the tables in the code. `rows` writes what must stand there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lockhouse.protocols.http import wire as http
from lockhouse.protocols.tfe import wire as tfe
from lockhouse.protocols.tfe.routes import ROUTES, UNSUPPORTED, match

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference"


def statuses(table: Mapping[str, int]) -> str:
    return "".join(f"| `{code}` | {status} |\n" for code, status in sorted(table.items()))


def routes() -> str:
    return "".join(f"| {each.method} | `{each.path}` | {each.support} | {each.note} |\n" for each in ROUTES)


def absent() -> str:
    return "".join(f"| {name} | {reason} |\n" for name, reason in UNSUPPORTED.items())


def test_the_http_page_has_every_problem_and_method():
    page = (REFERENCE / "http.md").read_text(encoding="utf-8")
    assert statuses(http.STATUSES) in page
    assert all(f"`{method}`" in page for method in (*http.METHODS, *http.LOCK_METHODS))


def test_the_cloud_page_has_every_endpoint_with_its_support_and_every_problem():
    page = (REFERENCE / "tfe.md").read_text(encoding="utf-8")
    assert routes() in page
    assert absent() in page
    assert statuses(tfe.STATUSES) in page


def test_every_endpoint_is_reached_by_its_own_path_and_a_partial_one_says_why():
    for route in ROUTES:
        found = match(route.method, route.path.split("/"))
        assert found is not None
        assert found.route is route
        assert route.note or route.support == "supported"
