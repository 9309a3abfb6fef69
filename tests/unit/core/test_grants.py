"""What grants, roles and scopes come to."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockhouse.core.grants import ROLE_RIGHTS, Role, closed, covered, joined, narrowed, role_of
from lockhouse.core.principals import Grant, Right, allows, allows_below

R = Right
PLACES = st.builds(
    lambda namespace, prefix, rights, exact: Grant(namespace, prefix, rights, exact and prefix != ""),
    st.sampled_from(["*", "acme", "other"]),
    st.sampled_from(["", "a", "a/", "a/b/", "b/"]),
    st.lists(st.sampled_from(list(Right)), min_size=1, max_size=3, unique=True).map(tuple),
    st.booleans(),
)
GRANTS = st.lists(PLACES, max_size=4).map(tuple)
SPOTS = [(space, key) for space in ("acme", "other", "third") for key in ("", "a", "a/", "a/b/x", "a/x", "b/x", "c")]


def test_plan_gives_reading_and_no_writing():
    held = (Grant("acme", "", (R.PLAN,)),)
    given = {right for right in Right if allows(held, right, "acme", "x")}
    assert given == {R.PLAN, R.READ, R.READ_OUTPUTS}


def test_every_right_alone_gives_what_the_table_says_and_nothing_else():
    expected = {right: {right} for right in Right}
    planning = {R.PLAN, R.READ, R.READ_OUTPUTS}
    expected |= {R.READ: {R.READ, R.READ_OUTPUTS}, R.PLAN: planning, R.APPLY: {R.APPLY, R.LOCK} | planning}
    expected |= {R.ADMIN: set(Right)}
    for right in Right:
        held = (Grant("acme", "p/", (right,)),)
        assert {each for each in Right if allows(held, each, "acme", "p/x")} == expected[right]
        assert closed((right,)) == expected[right]
        assert not any(allows(held, each, "acme", "q/x") or allows(held, each, "other", "p/x") for each in Right)


def test_roles_grow_from_one_to_the_next_and_are_found_by_their_rights():
    order = [Role.OUTPUTS, Role.READER, Role.PLANNER, Role.APPLIER, Role.WRITER, Role.OPERATOR, Role.ADMINISTRATOR]
    assert order == list(Role) == list(ROLE_RIGHTS)
    for smaller, larger in itertools.pairwise(order):
        assert closed(ROLE_RIGHTS[smaller]) < closed(ROLE_RIGHTS[larger])
    assert [role_of(reversed(rights)) for rights in ROLE_RIGHTS.values()] == order
    assert role_of((R.READ, R.LOCK)) is None


@pytest.mark.parametrize(
    ("held", "scope", "left"),
    [
        (Grant("*", "", (R.ADMIN,)), Grant("acme", "a/", (R.READ,)), [Grant("acme", "a/", (R.READ, R.READ_OUTPUTS))]),
        (Grant("acme", "a/", (R.WRITE,)), Grant("*", "", (R.ADMIN,)), [Grant("acme", "a/", (R.WRITE,))]),
        (Grant("acme", "a/", (R.WRITE,)), Grant("acme", "b/", (R.ADMIN,)), []),
        (Grant("acme", "", (R.WRITE,)), Grant("other", "", (R.ADMIN,)), []),
        (Grant("acme", "", (R.READ,)), Grant("acme", "", (R.LOCK,)), []),
        (Grant("acme", "", (R.READ, R.LOCK)), Grant("acme", "a/b", (R.PLAN,)), [
            Grant("acme", "a/b", (R.READ, R.READ_OUTPUTS, R.PLAN))
        ]),
        (Grant("acme", "", (R.READ, R.WRITE, R.LOCK)), Grant("acme", "a/b", (R.APPLY,)), [
            Grant("acme", "a/b", (R.READ, R.READ_OUTPUTS, R.PLAN, R.APPLY, R.LOCK))
        ]),
        (Grant("acme", "", (R.APPLY,)), Grant("acme", "", (R.WRITE,)), []),
        (Grant("acme", "", (R.WRITE,)), Grant("acme", "", (R.APPLY,)), []),
    ],
)  # fmt: skip
def test_a_scope_leaves_what_both_give(held: Grant, scope: Grant, left: list[Grant]):
    assert list(narrowed((held,), (scope,))) == left


def test_no_scope_leaves_everything_and_an_empty_scope_nothing():
    held = (Grant("acme", "", (R.READ,)),)
    assert (narrowed(held, None), narrowed(held, ())) == (held, ())


def test_a_grant_on_one_whole_key_covers_no_other_key_and_no_prefix():
    held = (Grant("acme", "prod", (R.READ, R.ADMIN), exact=True),)
    assert allows(held, R.WRITE, "acme", "prod")
    assert not allows(held, R.READ, "acme", "prod-eu")
    assert not allows_below(held, R.READ, "acme", "prod")
    assert not covered((Grant("acme", "prod", (R.READ,)),), held)
    assert covered((Grant("acme", "prod", (R.READ,), exact=True),), held)


def test_what_is_wanted_is_covered_by_whichever_grant_gives_it():
    held = (Grant("acme", "a/", (R.READ,)), Grant("*", "b/", (R.WRITE,)), Grant("acme", "c", (R.LOCK,), exact=True))
    assert covered((Grant("acme", "a/x", (R.READ,)), Grant("acme", "b/x", (R.WRITE,))), held)
    assert not covered((Grant("acme", "a/x", (R.READ, R.WRITE)),), held)
    assert not covered((Grant("other", "a/x", (R.READ,)), Grant("other", "b/x", (R.WRITE,))), held)


@settings(deadline=None)
@given(GRANTS, GRANTS)
def test_a_scoped_credential_never_does_what_its_principal_or_its_scope_does_not_allow(held, scope):
    left = narrowed(held, scope)
    for space, key in SPOTS:
        for right in Right:
            both = [any(right in closed(g.rights) and _on(g, space, key) for g in each) for each in (held, scope)]
            assert not allows(left, right, space, key) or all(both)
            if right not in (R.PLAN, R.APPLY, R.ADMIN):
                assert allows(left, right, space, key) == all(both)


@settings(deadline=None)
@given(GRANTS, GRANTS)
def test_what_is_covered_can_be_done_with_what_covers_it(wanted, held):
    if covered(wanted, held):
        for space, key in SPOTS:
            for right in set(Right) - {R.PLAN, R.APPLY}:
                assert not allows(wanted, right, space, key) or allows(held, right, space, key)


@settings(deadline=None)
@given(GRANTS)
def test_joining_grants_changes_nothing(grants):
    for space, key in SPOTS:
        for right in Right:
            assert allows(joined(grants), right, space, key) == allows(grants, right, space, key)


def _on(grant: Grant, space: str, key: str) -> bool:
    held = key == grant.prefix if grant.exact else key.startswith(grant.prefix)
    return grant.namespace in ("*", space) and held
