"""docs/reference/s3.md and sts.md name every operation and every code."""

from pathlib import Path

import pytest

from lockhouse.protocols.s3.answers import ANSWERS, UNSET, Answer
from lockhouse.protocols.s3.routes import NOT_OFFERED, ROUTES
from lockhouse.protocols.sts.routes import ROUTES as STS_ROUTES

REFERENCE = Path(__file__).parents[4] / "docs" / "reference"


@pytest.fixture(scope="module")
def page():
    return (REFERENCE / "s3.md").read_text(encoding="utf-8")


def test_every_operation_is_there_with_its_access(page):
    lines = page.splitlines()
    for route in ROUTES:
        line = next((line for line in lines if line.startswith(f"| {route.name} |")), "")
        assert line.endswith(f"| {route.access} |"), route.name
    assert all(f"`{name}`" in page for name in NOT_OFFERED)


def test_every_problem_is_there_with_its_code(page):
    for code, answer in ANSWERS.items():
        line = next((line for line in page.splitlines() if line.startswith(f"| `{code}` |")), "")
        assert line, code
        if isinstance(answer, Answer):
            assert line.endswith(f"| `{answer.code}` | {answer.status} |")
    assert all(f"`{code}`" in page for code in UNSET.values())


def test_every_action_of_sts_is_there():
    text = (REFERENCE / "sts.md").read_text(encoding="utf-8")
    assert all(f"| {route.service.upper()} | {route.action} |" in text for route in STS_ROUTES)
