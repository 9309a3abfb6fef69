"""Who may give, take and see what."""

from __future__ import annotations

import msgspec
import pytest

from lockhouse.core.audit import decode
from lockhouse.core.grants import closed
from lockhouse.core.principals import Credential, Grant, Identity, Kind, Principal, Right, require
from lockhouse.errors import (
    AccessDenied,
    PrincipalExists,
    PrincipalNeeded,
    PrincipalNotFound,
    RequestInvalid,
)
from lockhouse.service import access
from lockhouse.service.access import HOUSE, NewPrincipal
from lockhouse.service.callers import Caller
from lockhouse.storage.memory import MemoryStore

ADMIN = (Grant("*", "", (Right.ADMIN,)),)
TEAM = (Grant("acme", "team/", (Right.ADMIN,)),)
READ_TEAM = (Grant("acme", "team/app/", (Right.READ, Right.WRITE)),)
READ_ALL = (Grant("acme", "", (Right.READ,)),)


class Desk:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.house = Caller(HOUSE, 1.0, "cli")
        self.root = self.add("root", ADMIN)
        self.lead = self.add("lead", TEAM)

    def add(self, name: str, grants: tuple[Grant, ...], by: Caller | None = None, **more: object) -> Caller:
        credential = Credential(f"key-{name}", f"id-{name}", "access_key", 1.0)
        new = NewPrincipal(f"id-{name}", name, grants, **{"credentials": (credential,), **more})
        made = self.store.write(lambda tx: access.create(tx, by or self.house, new))
        return Caller(Identity(made.id, made.name, credential.id, made.grants), 2.0, "api")

    def do(self, use_case, caller: Caller, *arguments):
        return self.store.write(lambda tx: use_case(tx, caller, *arguments))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_administrator_of_a_prefix_gives_what_lies_below_it_and_nothing_else(desk: Desk):
    assert desk.add("app", READ_TEAM, desk.lead).who.grants == READ_TEAM
    for name, grants in (
        ("wide", READ_ALL),
        ("root2", ADMIN),
        ("none", ()),
        ("other", (Grant("other", "", (Right.READ,)),)),
    ):
        with pytest.raises(AccessDenied):
            desk.add(name, grants, desk.lead)


def test_a_name_is_unique_among_the_living_and_free_after_a_revocation(desk: Desk):
    desk.add("app", READ_TEAM)
    with pytest.raises(PrincipalExists):
        desk.store.write(lambda tx: access.create(tx, desk.house, NewPrincipal("id-2", "app", READ_TEAM)))
    desk.do(access.revoke, desk.root, "app")
    again = desk.store.write(lambda tx: access.create(tx, desk.house, NewPrincipal("id-2", "app", READ_TEAM)))
    assert again.id == "id-2"


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "ä", "x" * 65, "a\n"])
def test_names_that_would_confuse_an_arn_or_a_terminal_are_refused(desk: Desk, name: str):
    with pytest.raises(RequestInvalid):
        desk.store.write(lambda tx: access.create(tx, desk.house, NewPrincipal("id", name, READ_TEAM)))


def test_a_revocation_ends_the_principal_and_every_credential(desk: Desk):
    desk.add("app", READ_TEAM)
    desk.do(access.revoke, desk.lead, "app")
    assert desk.store.read(lambda tx: tx.principal("id-app")).revoked_at == 2.0
    assert [each.revoked_at for each in desk.store.read(lambda tx: tx.credentials("id-app"))] == [2.0]
    with pytest.raises(PrincipalNotFound):
        desk.do(access.revoke, desk.root, "app")


def test_nobody_revokes_or_changes_whom_they_do_not_administer(desk: Desk):
    desk.add("wide", READ_ALL)
    for use_case, arguments in (
        (access.revoke, ("wide",)),
        (access.show, ("wide",)),
        (access.grant, ("wide", READ_ALL)),
        (access.ungrant, ("wide", READ_ALL)),
        (access.add_credential, ("wide", Credential("key-9", "", "access_key", 1.0))),
    ):
        with pytest.raises(AccessDenied):
            desk.do(use_case, desk.lead, *arguments)


def test_the_last_administrator_cannot_be_revoked_nor_lose_the_right(desk: Desk):
    with pytest.raises(PrincipalNeeded):
        desk.do(access.revoke, desk.root, "root")
    with pytest.raises(PrincipalNeeded):
        desk.do(access.ungrant, desk.root, "root", ADMIN)
    desk.add("second", ADMIN)
    desk.do(access.revoke, desk.root, "root")
    with pytest.raises(PrincipalNeeded):
        desk.do(access.revoke, desk.house, "second")


def test_a_role_with_every_right_does_not_count_as_an_administrator(desk: Desk):
    desk.add("everything", ADMIN, kind="role", credentials=())
    with pytest.raises(PrincipalNeeded):
        desk.do(access.revoke, desk.root, "root")


def test_grants_on_one_place_are_joined_and_taken_away_right_by_right(desk: Desk):
    desk.add("app", READ_TEAM)
    more = (Grant("acme", "team/app/", (Right.LOCK,)), Grant("acme", "team/lib/", (Right.READ,)))
    granted = desk.do(access.grant, desk.lead, "app", more)
    assert granted.grants == (
        Grant("acme", "team/app/", (Right.READ, Right.WRITE, Right.LOCK)),
        Grant("acme", "team/lib/", (Right.READ,)),
    )
    left = desk.do(access.ungrant, desk.lead, "app", [Grant("acme", "team/app/", (Right.WRITE, Right.READ))])
    assert left.grants == (Grant("acme", "team/app/", (Right.LOCK,)), Grant("acme", "team/lib/", (Right.READ,)))


def test_lists_show_only_whom_the_caller_administers(desk: Desk):
    desk.add("app", READ_TEAM)
    desk.add("wide", READ_ALL)
    desk.add("deploy", READ_TEAM, kind="role", credentials=())

    def names(caller: Caller, *kinds: tuple[str, ...]) -> list[str]:
        found = desk.store.read(lambda tx: access.list_members(tx, caller, *kinds))
        return [member.principal.name for member in found]

    assert names(desk.root) == ["app", "lead", "root", "wide"]
    assert names(desk.lead) == ["app", "lead"]
    assert names(desk.lead, ("role",)) == ["deploy"]


def test_whoever_administers_nothing_cannot_probe_names(desk: Desk):
    plain = desk.add("plain", READ_TEAM)
    with pytest.raises(AccessDenied):
        desk.do(access.show, plain, "nobody")
    with pytest.raises(AccessDenied):
        desk.do(access.show, plain, "root")
    assert desk.do(access.show, plain, "plain").principal.name == "plain"


def test_everybody_makes_and_ends_credentials_of_their_own(desk: Desk):
    plain = desk.add("plain", READ_TEAM)
    token = Credential("token-1", "", "token", 1.0)
    assert desk.do(access.add_credential, plain, "plain", token).name == "plain"
    assert desk.store.read(lambda tx: tx.credential("token-1")).principal == "id-plain"
    assert desk.do(access.revoke_credential, plain, "token-1").revoked_at == 2.0
    for credential in ("token-1", "key-root", "nothing"):
        with pytest.raises(PrincipalNotFound):
            desk.do(access.revoke_credential, plain, credential)


def test_a_role_has_no_credentials_and_is_assumed_by_whom_it_trusts(desk: Desk):
    ci, other = desk.add("ci", READ_TEAM), desk.add("other", READ_TEAM)
    desk.add("deploy", READ_TEAM, kind="role", credentials=(), trusted=("ci",))
    assert desk.do(access.assume, ci, "deploy").name == "deploy"
    with pytest.raises(RequestInvalid):
        desk.do(access.add_credential, desk.root, "deploy", Credential("key-9", "", "access_key", 1.0))
    refusals = []
    for caller, role in ((other, "deploy"), (ci, "nowhere"), (ci, "other")):
        with pytest.raises(AccessDenied) as problem:
            desk.do(access.assume, caller, role)
        refusals.append(problem.value.code)
    assert refusals == ["access.denied"] * 3


def test_a_role_is_assumed_by_the_owner_behind_a_session(desk: Desk):
    ci = desk.add("ci", READ_TEAM)
    desk.add("deploy", READ_TEAM, kind="role", credentials=(), trusted=("ci",))
    session = msgspec.structs.replace(ci.who, principal="id-elsewhere", credential="x/y", base="key-ci")
    assert desk.do(access.assume, msgspec.structs.replace(ci, who=session), "deploy").name == "deploy"


@pytest.mark.parametrize(
    "grant", [Grant("a b", "", (Right.READ,)), Grant("", "", (Right.READ,)), Grant("acme", "", ())]
)
def test_grants_on_nothing_or_of_nothing_are_refused(desk: Desk, grant: Grant):
    with pytest.raises(RequestInvalid):
        desk.add("app", (grant,))
    with pytest.raises(RequestInvalid):
        desk.do(access.grant, desk.root, "lead", [grant])


def test_a_principal_keeps_a_bounded_number_of_grants_and_credentials(desk: Desk):
    many = [Grant("acme", f"team/{number}", (Right.READ,)) for number in range(access.MAX_GRANTS + 1)]
    desk.add("app", READ_TEAM)
    with pytest.raises(RequestInvalid):
        desk.do(access.grant, desk.lead, "app", many)
    for number in range(access.MAX_CREDENTIALS - 1):
        desk.do(access.add_credential, desk.lead, "app", Credential(f"more-{number}", "", "token", 1.0))
    with pytest.raises(RequestInvalid):
        desk.do(access.add_credential, desk.lead, "app", Credential("too-many", "", "token", 1.0))


def test_a_refusal_says_in_words_what_may_not_be_done(desk: Desk):
    plain = desk.add("plain", READ_TEAM)
    with pytest.raises(AccessDenied) as problem:
        require(plain.who, Right.LOCK, "acme", "team/app/x")
    assert problem.value.message == "cannot lock acme/team/app/x: plain has no grant of 'lock' there"
    with pytest.raises(AccessDenied) as problem:
        require(plain.who, Right.ADMIN, "acme")
    assert problem.value.message == "cannot administer acme: plain has no grant of 'admin' there"


def test_the_default_grants_are_everything_but_administration():
    (grant,) = access.default_grants()
    assert closed(grant.rights) == set(Right) - {Right.ADMIN}
    assert isinstance(grant, Grant)
    assert Principal("i", "n", (grant,), 1.0).kind == "key"


def test_who_may_assume_a_wider_role_is_administered_by_who_administers_that_too(desk: Desk):
    desk.add("app", READ_TEAM)
    desk.add("deploy", READ_ALL, kind=Kind.ROLE, credentials=())
    new = Credential("t-1", "", "token", 1.0)
    desk.do(access.add_credential, desk.lead, "app", new)
    desk.do(access.trust, desk.root, "deploy", ["app"])
    for act in (
        lambda: desk.do(access.add_credential, desk.lead, "app", msgspec.structs.replace(new, id="t-2")),
        lambda: desk.do(access.revoke, desk.lead, "app"),
    ):
        with pytest.raises(AccessDenied):
            act()
    with pytest.raises(PrincipalNotFound):
        desk.do(access.revoke_credential, desk.lead, "t-1")
    seen = desk.store.read(lambda tx: access.list_members(tx, desk.lead))
    assert [each.principal.name for each in seen] == ["lead"]
    desk.do(access.trust, desk.root, "deploy", [])
    desk.do(access.revoke, desk.lead, "app")


def test_a_change_of_grants_is_told_with_its_name(desk: Desk):
    desk.add("app", READ_TEAM)
    desk.do(access.grant, desk.root, "app", READ_ALL)
    desk.do(access.ungrant, desk.root, "app", READ_ALL)
    told = [decode(raw) for _, raw in desk.store.read(lambda tx: tx.unsealed())]
    assert [(each.action, each.subject) for each in told][-2:] == [
        ("principal.grant", "app"),
        ("principal.ungrant", "app"),
    ]
