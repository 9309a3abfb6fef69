"""Where a commit is waited for: decided by how long the last ones took."""

from __future__ import annotations

from lockhouse.storage.sql.pace import FIRST_PAUSE, LONGEST_PAUSE, QUICK_SECONDS, Pace

SLOW = 2 * QUICK_SECONDS


def test_quick_commits_are_waited_for_where_their_commands_ran():
    pace = Pace()
    for number in range(100):
        assert pace.waits_here(number)
        pace.took(number, number + QUICK_SECONDS / 2)


def test_a_slow_commit_sends_the_next_ones_away_for_a_while():
    pace = Pace()
    pace.took(10.0, 10.0 + SLOW)
    assert not pace.waits_here(10.0 + SLOW)
    assert not pace.waits_here(10.0 + FIRST_PAUSE)
    assert pace.waits_here(10.0 + SLOW + FIRST_PAUSE)


def test_a_disk_that_stays_slow_costs_its_callers_one_commit_in_the_longest_pause():
    pace, now, stalls = Pace(), 0.0, []
    while now < 100 * LONGEST_PAUSE:
        if pace.waits_here(now):
            stalls.append(now)
            pace.took(now, now + 0.01)
        now += 0.01
    assert len([at for at in stalls if at > 10 * LONGEST_PAUSE]) <= 90
    assert len(stalls) <= 110


def test_pauses_begin_anew_only_after_it_was_quick_for_as_long_as_the_last_one():
    pace = Pace()
    pace.took(0.0, SLOW)
    again = SLOW + FIRST_PAUSE
    pace.took(again, again + QUICK_SECONDS / 2)
    second = again + FIRST_PAUSE / 2
    pace.took(second, second + SLOW)
    assert not pace.waits_here(second + 1.5 * FIRST_PAUSE)
    third = second + SLOW + 2 * FIRST_PAUSE
    assert pace.waits_here(third)
    quick_for_long = third + 3 * FIRST_PAUSE
    pace.took(quick_for_long, quick_for_long + QUICK_SECONDS / 2)
    fourth = quick_for_long + 1.0
    pace.took(fourth, fourth + SLOW)
    assert pace.waits_here(fourth + SLOW + FIRST_PAUSE)
