"""How long maintenance lasts, as people say it."""

from __future__ import annotations

import pytest

from lockhouse.cli.arguments import read_moment
from lockhouse.cli.commands.maintenance import _seconds
from lockhouse.errors import RequestInvalid


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86_400)])
def test_a_length_of_time(text: str, seconds: int):
    assert _seconds(text) == seconds


@pytest.mark.parametrize("text", ["2", "h", "0m", "-1h", "1.5h", "2 h", "2w"])
def test_what_is_no_length_of_time(text: str):
    with pytest.raises(RequestInvalid, match="how long"):
        _seconds(text)


def test_a_moment_is_in_utc_unless_it_says_otherwise():
    assert read_moment("1970-01-02T00:00:00Z", "") == read_moment("1970-01-02T00:00:00", "") == 86_400.0
    assert read_moment("1970-01-02T02:00:00+02:00", "") == 86_400.0
    with pytest.raises(RequestInvalid, match="read the time") as refused:
        read_moment("tomorrow", "--until 2026-01-31T10:00:00Z")
    assert refused.value.hint == "--until 2026-01-31T10:00:00Z"
