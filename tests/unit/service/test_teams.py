"""Users who sign in, teams, and what belonging to one gives."""

from __future__ import annotations

import pytest

from lockhouse.core import grants as sums
from lockhouse.core.principals import Credential, Grant, Identity, Kind, Link, Right
from lockhouse.errors import AccessDenied, PrincipalExists, PrincipalNotFound, RequestInvalid
from lockhouse.service import access, teams
from lockhouse.service.access import NewPrincipal
from lockhouse.service.callers import Caller
from tests.unit.service.test_access import ADMIN, READ_ALL, READ_TEAM, Desk

ISSUER = "https://id.example"
ANN = Link(ISSUER, "s-ann", "ann@example.com", "Ann")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def team(desk: Desk, name: str, grants: tuple[Grant, ...], by: Caller | None = None, **more: object) -> None:
    new = NewPrincipal(f"id-{name}", name, grants, kind=Kind.TEAM, **more)
    desk.store.write(lambda tx: access.create(tx, by or desk.house, new))


def user(desk: Desk, link: Link = ANN, new_id: str = "id-ann") -> Caller:
    made = desk.store.write(lambda tx: teams.sign_in(tx, link, new_id, 5.0))
    return Caller(Identity(made.id, made.name, "session", effective(desk, made.name)), 6.0, "api")


def effective(desk: Desk, name: str) -> tuple[Grant, ...]:
    return desk.store.read(lambda tx: sums.effective(tx, access.named(tx, name)))


def test_a_user_who_signs_in_for_the_first_time_has_a_name_and_no_grants(desk: Desk):
    assert user(desk).who == Identity("id-ann", "ann@example.com", "session", ())
    other = user(desk, Link(ISSUER, "s-2", "ann@example.com"), "id-2")
    assert (other.who.principal, other.who.name) == ("id-2", "ann@example.com-2")
    assert user(desk, Link(ISSUER, "s-3", "", "Zoë Q."), "id-3").who.name == "Zo-Q."
    assert user(desk, Link(ISSUER, "--", "", ""), "id-4").who.name == "user"


def test_the_same_subject_is_the_same_user_whatever_its_mail_says(desk: Desk):
    user(desk)
    again = user(desk, Link(ISSUER, "s-ann", "married@example.com", "Ann B."), "id-unused")
    assert (again.who.principal, again.who.name) == ("id-ann", "ann@example.com")
    assert desk.store.read(lambda tx: tx.principal("id-ann")).link.email == "married@example.com"
    assert user(desk, Link("https://other.example", "s-ann", "ann@example.com"), "id-o").who.principal == "id-o"


def test_a_revoked_user_does_not_come_back_by_signing_in_until_an_administrator_says_so(desk: Desk):
    user(desk)
    desk.do(access.revoke, desk.root, "ann@example.com")
    with pytest.raises(AccessDenied):
        user(desk, new_id="id-new")
    new = NewPrincipal("id-again", "ann", (), kind=Kind.USER, link=ANN)
    desk.do(access.create, desk.root, new)
    assert user(desk, new_id="unused").who.principal == "id-again"


def test_a_link_belongs_to_one_user_and_only_an_administrator_of_everything_changes_it(desk: Desk):
    user(desk)
    with pytest.raises(PrincipalExists):
        desk.do(access.create, desk.root, NewPrincipal("id-2", "bob", (), kind=Kind.USER, link=ANN))
    desk.do(access.create, desk.root, NewPrincipal("id-2", "bob", READ_TEAM, kind=Kind.USER))
    with pytest.raises(PrincipalExists):
        desk.do(teams.link, desk.root, "bob", ANN)
    with pytest.raises(AccessDenied):
        desk.do(teams.link, desk.lead, "bob", Link(ISSUER, "s-bob"))
    assert desk.do(teams.link, desk.root, "bob", Link(ISSUER, "s-bob")).link.subject == "s-bob"
    with pytest.raises(RequestInvalid):
        desk.do(teams.link, desk.root, "lead", Link(ISSUER, "s-lead"))
    with pytest.raises(RequestInvalid):
        user(desk, Link(ISSUER, ""))


def test_a_member_has_the_grants_of_its_teams_beside_its_own_until_it_leaves(desk: Desk):
    team(desk, "readers", READ_ALL)
    team(desk, "app", READ_TEAM)
    user(desk)
    desk.do(access.grant, desk.root, "ann@example.com", [Grant("acme", "team/app/", (Right.LOCK,))])
    desk.do(teams.set_memberships, desk.root, "ann@example.com", ["readers", "app"])
    assert effective(desk, "ann@example.com") == (
        Grant("acme", "", (Right.READ,)),
        Grant("acme", "team/app/", (Right.READ, Right.WRITE, Right.LOCK)),
    )
    desk.do(teams.remove_member, desk.root, "app", "ann@example.com")
    desk.do(access.revoke, desk.root, "readers")
    assert effective(desk, "ann@example.com") == (Grant("acme", "team/app/", (Right.LOCK,)),)
    assert desk.store.read(lambda tx: list(tx.memberships_of("id-ann"))) == []


def test_a_directory_decides_its_own_memberships_and_leaves_those_that_a_person_gave(desk: Desk):
    for name in ("one", "two", "three", "by-hand"):
        linked = None if name == "by-hand" else Link(ISSUER, f"group-{name}")
        team(desk, name, READ_TEAM, link=linked)
    ann = user(desk)

    def follow(*groups: str) -> list[str]:
        found = desk.store.read(lambda tx: tx.principal(ann.who.principal))
        return desk.store.write(lambda tx: teams.follow_directory(tx, found, ISSUER, groups, 7.0))

    desk.do(teams.add_member, desk.root, "by-hand", "ann@example.com")
    desk.do(teams.add_member, desk.root, "three", "ann@example.com")
    assert follow("group-two", "group-one", "group-of-nobody", "group-one") == ["one", "two"]
    assert follow("group-two") == ["two"]
    held = desk.store.read(lambda tx: tx.memberships_of(ann.who.principal))
    assert {each.team: each.source for each in held} == {"id-two": ISSUER, "id-by-hand": "", "id-three": ""}
    desk.do(teams.set_memberships, desk.root, "ann@example.com", [])
    assert [each.team for each in desk.store.read(lambda tx: tx.memberships_of(ann.who.principal))] == ["id-two"]


def test_nobody_puts_anybody_into_a_team_that_they_do_not_administer(desk: Desk):
    team(desk, "app", READ_TEAM)
    team(desk, "roots", ADMIN)
    user(desk)
    assert desk.do(teams.add_member, desk.lead, "app", "ann@example.com").name == "app"
    for use_case, arguments in (
        (teams.add_member, ("roots", "lead")),
        (teams.remove_member, ("roots", "lead")),
        (teams.set_memberships, ("lead", ["app", "roots"])),
        (teams.members, ("roots",)),
    ):
        with pytest.raises(AccessDenied):
            desk.do(use_case, desk.lead, *arguments)
    ann = user(desk)
    with pytest.raises(AccessDenied):
        desk.do(teams.add_member, ann, "app", "ann@example.com")
    assert [who.name for who, _ in desk.do(teams.members, ann, "app")] == ["ann@example.com"]
    for member in ("app", "deploy"):
        if member == "deploy":
            desk.add("deploy", READ_TEAM, kind="role", credentials=())
        with pytest.raises(RequestInvalid):
            desk.do(teams.add_member, desk.root, "app", member)
    with pytest.raises(PrincipalNotFound):
        desk.do(teams.add_member, desk.root, "lead", "ann@example.com")


def test_whoever_can_come_to_more_than_the_caller_administers_is_out_of_its_reach(desk: Desk):
    """A token made for somebody acts with all of its rights, those of its teams and roles too."""
    desk.add("app", READ_TEAM)
    token = Credential("token-1", "", "token", 1.0)
    desk.do(access.add_credential, desk.lead, "app", token)
    team(desk, "roots", ADMIN)
    desk.do(teams.add_member, desk.root, "roots", "app")
    desk.add("plain", READ_TEAM)
    desk.add("deploy", ADMIN, kind="role", credentials=(), trusted=("plain",))
    for name in ("app", "plain"):
        for use_case, arguments in (
            (access.add_credential, (name, token)),
            (access.revoke, (name,)),
            (access.show, (name,)),
        ):
            with pytest.raises(AccessDenied):
                desk.do(use_case, desk.lead, *arguments)
    with pytest.raises(PrincipalNotFound):
        desk.do(access.revoke_credential, desk.lead, "token-1")
    listed = desk.store.read(lambda tx: access.list_members(tx, desk.lead))
    assert [each.principal.name for each in listed] == ["lead"]


def test_a_team_of_an_organization_is_made_by_who_administers_it_and_carries_its_name(desk: Desk):
    boss = desk.add("boss", (Grant("acme", "", (Right.ADMIN,)),))
    team(desk, "acme:developers", (), boss, namespace="acme")
    team(desk, "other:developers", (), namespace="other")
    user(desk)
    desk.do(teams.add_member, boss, "acme:developers", "ann@example.com")
    with pytest.raises(AccessDenied):
        desk.do(teams.add_member, boss, "other:developers", "ann@example.com")
    for name, more in (
        ("acme:x", {"kind": Kind.USER, "namespace": "acme"}),
        ("other:x", {"kind": Kind.TEAM, "namespace": "acme"}),
        ("acme:x", {"kind": Kind.TEAM}),
        ("acme:", {"kind": Kind.TEAM, "namespace": "acme"}),
        ("x", {"kind": "robot"}),
        ("x", {"kind": Kind.SERVICE_ACCOUNT, "link": ANN}),
    ):
        with pytest.raises(RequestInvalid):
            desk.do(access.create, desk.root, NewPrincipal("id-x", name, (), **more))


def test_whoever_administers_one_whole_key_gives_that_and_no_prefix(desk: Desk):
    owner = desk.add("owner", (Grant("acme", "prod", (Right.ADMIN,), exact=True),))
    desk.add("app", (Grant("acme", "prod", (Right.READ,), exact=True),), owner)
    for grants in ((Grant("acme", "prod", (Right.READ,)),), (Grant("acme", "prod-eu", (Right.READ,), exact=True),)):
        with pytest.raises(AccessDenied):
            desk.add("more", grants, owner)
        with pytest.raises(AccessDenied):
            desk.do(access.grant, owner, "app", grants)
    with pytest.raises(RequestInvalid):
        desk.add("more", (Grant("acme", "", (Right.READ,), exact=True),))
