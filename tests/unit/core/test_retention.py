"""Which versions retention lets go: only what every rule lets go, and never what somebody still needs."""

from __future__ import annotations

import hypothesis.strategies as some
import pytest
from hypothesis import given

from lockhouse.core.policies import Policy
from lockhouse.core.retention import DAY_SECONDS, MAX_TAGS, Claims, Judge, Rule, check_rule
from lockhouse.core.versions import Body, Origin, Version
from lockhouse.errors import RequestInvalid

NOW = 1000 * DAY_SECONDS
NOTHING = Claims()


def version(seq: int, days_old: float, *, marker: bool = False, **tags: str) -> Version:
    body = None if marker else Body(1, b"m" * 16, b"s" * 32, packed=b"x")
    return Version(seq, f"n{seq}", NOW - days_old * DAY_SECONDS, Origin(), body, tags=tags)


def gone(versions: list[Version], *rules: Rule, claims: Claims = NOTHING, floor: float = 0.0) -> list[int]:
    judge = Judge(rules, claims, now=NOW, floor=floor)
    return [each.seq for each in versions if judge.lets_go(each)]


TEN = [version(seq, 10 - seq) for seq in range(10, 0, -1)]
"""Version 10 is new, version 1 is nine days old."""


def test_the_newest_n_stay():
    assert gone(TEN, Rule(keep_versions=4)) == [6, 5, 4, 3, 2, 1]


def test_what_is_young_enough_stays():
    assert gone(TEN, Rule(keep_days=7)) == [2, 1]


def test_within_a_rule_every_condition_must_let_it_go():
    assert gone(TEN, Rule(keep_versions=4, keep_days=7)) == [2, 1]
    assert gone(TEN, Rule(keep_versions=9, keep_days=1)) == [1]


def test_every_rule_that_covers_a_key_must_let_it_go():
    policy = Policy((Rule(keep_versions=1), Rule("prod/", keep_versions=8)))
    assert gone(TEN, *policy.covering("prod/app")) == [2, 1]
    assert gone(TEN, *policy.covering("dev/app")) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_without_a_rule_everything_stays():
    assert gone(TEN) == []


def test_tagged_versions_stay():
    versions = [version(3, 0), version(2, 5, release="1", other="x"), version(1, 6, release="2")]
    assert gone(versions, Rule(keep_versions=1, keep_tagged=("release",))) == []
    assert gone(versions, Rule(keep_versions=1, keep_tagged=("release=2",))) == [2]
    assert gone(versions, Rule(keep_versions=1, keep_tagged=("name", "other=x"))) == [1]


def test_nothing_younger_than_the_floor_goes():
    assert gone(TEN, Rule(keep_versions=1), floor=6 * DAY_SECONDS) == [4, 3, 2, 1]


def test_the_last_version_of_a_deleted_state_stays_and_delete_markers_do_not_count():
    versions = [version(5, 1, marker=True), version(4, 2), version(3, 3, marker=True), version(2, 4), version(1, 5)]
    assert gone(versions, Rule(keep_versions=1)) == [3, 2, 1]
    assert gone(versions, Rule(keep_versions=2)) == [1]


def test_what_a_held_lock_began_with_and_all_since_stays():
    claims = Claims(since=NOW - 4.5 * DAY_SECONDS)
    assert gone(TEN, Rule(keep_versions=1), claims=claims) == [4, 3, 2, 1]


def test_what_was_current_at_a_moment_or_is_named_by_a_fence_stays():
    claims = Claims(moments=(NOW - 4.5 * DAY_SECONDS, NOW - 4.4 * DAY_SECONDS), numbers=frozenset({2}))
    assert gone(TEN, Rule(keep_versions=1), claims=claims) == [9, 8, 7, 6, 4, 3, 1]


def test_what_was_written_in_the_moment_in_which_the_lock_was_taken_stays_with_what_was_current_before_it():
    versions = [version(4, 0), version(3, 4), version(2, 4), version(1, 5)]
    assert gone(versions, Rule(keep_versions=1), claims=Claims(since=NOW - 4 * DAY_SECONDS)) == [1]
    assert gone(versions, Rule(keep_versions=1), claims=Claims(since=NOW - 4.5 * DAY_SECONDS)) == []
    assert gone(versions, Rule(keep_versions=1), claims=Claims(moments=(NOW - 4 * DAY_SECONDS,))) == [2, 1]


def test_a_rule_says_how_many_or_how_long_and_names_up_to_ten_tags():
    for rule in (Rule(keep_versions=1), Rule(keep_days=0.5), Rule(keep_days=1, keep_tagged=("t=",) * MAX_TAGS)):
        assert check_rule(rule) is rule
    for rule in (
        Rule(),
        Rule(keep_versions=-1, keep_days=-1.0),
        Rule(keep_days=1, keep_tagged=("t",) * (MAX_TAGS + 1)),
    ):
        with pytest.raises(RequestInvalid):
            check_rule(rule)


def test_a_rule_must_say_how_many_or_how_long():
    with pytest.raises(RequestInvalid):
        check_rule(Rule(keep_tagged=("a",)))
    with pytest.raises(RequestInvalid):
        check_rule(Rule(keep_versions=1, keep_tagged=("=x",)))


def test_a_rule_replaces_the_one_of_its_prefix():
    policy = Policy().with_rule(Rule("b", keep_versions=1)).with_rule(Rule("a", keep_versions=2))
    policy = policy.with_rule(Rule("b", keep_versions=3))
    assert policy.rules == (Rule("a", keep_versions=2), Rule("b", keep_versions=3))
    assert policy.without_rule("a").rules == (Rule("b", keep_versions=3),)


@given(
    some.lists(some.tuples(some.floats(0, 50), some.booleans(), some.booleans()), max_size=12),
    some.integers(0, 5),
    some.floats(0, 40),
    some.lists(some.floats(0, 50), max_size=2),
    some.floats(0, 20),
)
def test_the_judge_agrees_with_the_rule_in_words(lines, count, days, moments, floor):
    ages = sorted(age for age, _, _ in lines)
    versions = [
        version(len(lines) - place, ages[place], marker=marker, **({"keep": "1"} if tagged else {}))
        for place, (_, marker, tagged) in enumerate(lines)
    ]
    claims = Claims(moments=tuple(NOW - age * DAY_SECONDS for age in moments))
    rule = Rule(keep_versions=count, keep_days=days, keep_tagged=("keep",))
    expected = []
    bodies = [each for each in versions if not each.is_delete_marker]
    current_then = {next((each.seq for each in versions if each.at <= at), 0) for at in claims.moments}
    for each in versions:
        if each is versions[0] or (bodies and each is bodies[0]) or each.seq in current_then or each.tags:
            continue
        if NOW - each.at < floor * DAY_SECONDS or NOW - each.at <= days * DAY_SECONDS:
            continue
        if sum(other.seq > each.seq for other in bodies) >= count:
            expected.append(each.seq)
    assert gone(versions, rule, claims=claims, floor=floor * DAY_SECONDS) == expected
