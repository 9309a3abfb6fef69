"""Somebody arrives through an identity provider: who they become, and which teams that puts them into."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lockhouse.core.audit import decode
from lockhouse.core.grants import effective
from lockhouse.core.principals import Grant, Identity, Kind, Link, Membership, Principal, Right
from lockhouse.errors import AccessDenied
from lockhouse.service.callers import Caller
from lockhouse.service.signin import Arrival, Rule, arrive
from lockhouse.storage.memory import MemoryStore

ISSUER = "https://id.example"
NOBODY = Caller(Identity("", "", "", ()), 5.0, "console", peer="192.0.2.7")
GRANT = Grant("acme", "", (Right.READ,))


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    opened = MemoryStore()
    for name, link in (("developers", None), ("platform", None), ("linked", Link(ISSUER, "g-9"))):
        team = Principal(f"T-{name}", name, (GRANT,), 1.0, Kind.TEAM, link=link)
        opened.write(lambda tx, team=team: tx.save_principal(team))
    yield opened
    opened.close()


def come(store: MemoryStore, groups=(), rule: Rule | None = None, new_id: str = "P1", **link: str) -> Principal:
    who = Link(**{"issuer": ISSUER, "subject": "s-1", "email": "ann@example.com", "display_name": "Ann"} | link)
    rule = rule or Rule(teams=(("devs", "developers"), ("g-2", "platform"), ("devs", "no such team"), ("devs", "ann")))
    return store.write(lambda tx: arrive(tx, NOBODY, Arrival(who, groups, new_id), rule))


def teams(store: MemoryStore, user: Principal) -> list[str]:
    return [each.team for each in store.read(lambda tx: tx.memberships_of(user.id))]


def actions(store: MemoryStore) -> list[str]:
    return [decode(raw).action for _, raw in store.read(lambda tx: tx.unsealed())]


def test_somebody_new_becomes_a_user_who_may_do_nothing(store: MemoryStore):
    user = come(store)
    assert (user.kind, user.name, user.grants) == (Kind.USER, "ann@example.com", ())
    assert store.read(lambda tx: effective(tx, user)) == ()
    assert actions(store) == ["principal.create"]


def test_the_same_subject_is_the_same_user_whatever_else_changes(store: MemoryStore):
    first = come(store)
    again = come(store, new_id="P2", email="new@example.com", display_name="Ann Lee")
    assert (again.id, again.name) == (first.id, "ann@example.com")
    assert again.link == Link(ISSUER, "s-1", "new@example.com", "Ann Lee")
    assert actions(store) == ["principal.create"]


def test_another_subject_or_issuer_with_the_same_address_is_somebody_else(store: MemoryStore):
    ids = {come(store).id, come(store, new_id="P2", subject="s-2").id}
    ids.add(come(store, new_id="P3", issuer="https://other.example").id)
    assert ids == {"P1", "P2", "P3"}


def test_groups_lead_to_teams_by_name_by_id_and_by_the_team_s_own_link(store: MemoryStore):
    user = come(store, (("g-1", "devs"), ("g-2", "Platform people"), ("g-9", "x"), ("g-3", "platform")))
    assert teams(store, user) == ["T-developers", "T-linked", "T-platform"]
    assert store.read(lambda tx: effective(tx, user)) == (GRANT,)
    assert actions(store) == ["principal.create", "team.change"]


def test_memberships_follow_the_groups_and_those_that_a_person_made_stay(store: MemoryStore):
    user = come(store, (("g-1", "devs"),))
    store.write(lambda tx: tx.save_membership(Membership("T-platform", user.id, 2.0)))
    come(store, (("g-9", "x"),))
    assert teams(store, user) == ["T-linked", "T-platform"]
    come(store, None)
    assert teams(store, user) == ["T-linked", "T-platform"]
    come(store, ())
    assert teams(store, user) == ["T-platform"]
    assert actions(store).count("team.change") == 3


def test_where_users_are_not_made_only_those_who_are_known_come_in(store: MemoryStore):
    closed = Rule(create=False)
    with pytest.raises(AccessDenied):
        come(store, rule=closed)
    assert store.read(lambda tx: tx.principal_linked(ISSUER, "s-1")) is None
    known = Principal("P7", "ann", (GRANT,), 1.0, Kind.USER, link=Link(ISSUER, "s-1"))
    store.write(lambda tx: tx.save_principal(known))
    assert come(store, rule=closed).id == "P7"


def test_a_group_of_the_provider_is_not_let_in_as_a_user(store: MemoryStore):
    with pytest.raises(AccessDenied):
        come(store, subject="g-9")
