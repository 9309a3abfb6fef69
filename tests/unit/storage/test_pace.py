"""Where a commit is waited for: decided by how long the last ones took."""

from __future__ import annotations

from lockhouse.storage.sql.pace import FIRST_PAUSE, LONGEST_PAUSE, QUICK_SECONDS, Pace

QUICK, SLOW = QUICK_SECONDS / 2, 2 * QUICK_SECONDS


def stalls(pace: Pace, seconds: float, slow_one_in: int) -> list[float]:
    """When a commit was waited for where its commands ran, of one each 10 ms."""
    now, found = 0.0, []
    while now < seconds:
        if pace.waits_here(now):
            found.append(now)
            pace.took(now, now, now + (SLOW if len(found) % slow_one_in == 0 else QUICK))
        now += 0.01
    return found


def test_quick_commits_are_waited_for_where_their_commands_ran():
    pace = Pace()
    for number in range(100):
        assert pace.waits_here(number)
        pace.took(number, number, number + QUICK)


def test_a_slow_commit_sends_the_next_ones_away_for_a_while():
    pace = Pace()
    pace.took(10.0, 10.0, 10.0 + SLOW)
    assert not pace.waits_here(10.0 + SLOW)
    assert not pace.waits_here(10.0 + FIRST_PAUSE)
    assert pace.waits_here(10.0 + SLOW + FIRST_PAUSE)


def test_a_commit_that_took_no_longer_than_its_commands_is_not_slow():
    pace = Pace()
    pace.took(10.0 - SLOW, 10.0, 10.0 + SLOW / 1.01)
    assert pace.waits_here(10.0 + SLOW)
    pace.took(11.0 - SLOW, 11.0, 11.0 + SLOW * 1.01)
    assert not pace.waits_here(11.0 + 2 * SLOW)


def test_a_disk_that_stays_slow_costs_its_callers_one_commit_in_the_longest_pause():
    found = stalls(Pace(), 100 * LONGEST_PAUSE, 1)
    assert len([at for at in found if at > 10 * LONGEST_PAUSE]) <= 90
    assert len(found) <= 110


def test_a_disk_that_is_slow_every_fourth_time_is_soon_left_to_the_thread():
    found = stalls(Pace(), 100 * LONGEST_PAUSE, 4)
    assert len([at for at in found if at > 10 * LONGEST_PAUSE]) <= 4 * 90


def test_a_disk_that_is_slow_every_tenth_time_is_waited_for_here_nearly_always():
    found = stalls(Pace(), 100.0, 10)
    assert len(found) > 0.6 * 100.0 / 0.01
