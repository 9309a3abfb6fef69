"""Workspaces of states that came another way: so many in one command as a database does in time."""

from __future__ import annotations

import pytest

from lockhouse.service.workspaces import ADOPTED_FIRST, ADOPTED_MOST, next_portion
from lockhouse.storage.sql.postgres_health import ANSWER_SECONDS


@pytest.mark.parametrize("each", [0.0001, 0.001, 0.01, 0.05, 0.1, 0.17])
def test_commands_end_in_time_however_slow_the_database_is(each: float) -> None:
    portion, left, commands = ADOPTED_FIRST, 3000, 0
    while left > 0:
        seconds = portion * each
        assert seconds < ANSWER_SECONDS
        left -= portion
        commands += 1
        portion = next_portion(portion, seconds)
    assert commands <= 6 + 3000 / min(ADOPTED_MOST, 0.12 / each)


def test_one_is_always_looked_at() -> None:
    assert next_portion(1, 100.0) == 1
