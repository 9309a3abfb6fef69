"""Principals, their links to identity providers, memberships, credentials and when these were used."""

from __future__ import annotations

from msgspec.structs import replace

from lockhouse.core.federation import Run, Trust
from lockhouse.core.ports import Store
from lockhouse.core.principals import Credential, Grant, Kind, Link, Membership, Principal, Right

ANN = Principal("P1", "ann", (), 1.0, Kind.USER, link=Link("https://id.example", "s-1", "ann@example.com", "Ann"))
OPS = Principal("P2", "acme:ops", (Grant("acme", "", (Right.PLAN,)),), 1.0, Kind.TEAM, namespace="acme")


def save(store: Store, *principals: Principal) -> None:
    for each in principals:
        store.write(lambda tx, each=each: tx.save_principal(each))


def linked(store: Store, subject: str = "s-1", issuer: str = "https://id.example") -> Principal | None:
    return store.read(lambda tx: tx.principal_linked(issuer, subject))


def test_a_user_is_found_by_issuer_and_subject_and_both_compare_byte_for_byte(store: Store):
    save(store, ANN, OPS)
    assert linked(store) == ANN
    assert store.read(lambda tx: tx.principal("P2")) == OPS
    for issuer, subject in (("https://id.example", "S-1"), ("https://id.example/", "s-1"), ("https://id.example", "")):
        assert linked(store, subject, issuer) is None


def test_a_link_moves_with_its_principal_and_to_who_is_saved_with_it_last(store: Store):
    save(store, ANN, replace(ANN, link=replace(ANN.link, subject="s-2")))
    assert (linked(store), linked(store, "s-2").id) == (None, "P1")
    save(store, Principal("P3", "bob", (), 2.0, Kind.USER, link=replace(ANN.link, subject="s-2")))
    assert linked(store, "s-2").id == "P3"
    save(store, Principal("P3", "bob", (), 2.0, Kind.USER))
    assert linked(store, "s-2") is None


def test_the_link_of_a_revoked_user_still_finds_it_until_another_has_the_link(store: Store):
    revoked = replace(ANN, revoked_at=5.0)
    save(store, ANN, revoked)
    assert linked(store) == revoked
    again = replace(ANN, id="P9")
    save(store, again)
    assert linked(store) == again
    save(store, revoked)
    assert linked(store) == again


def test_memberships_are_found_from_both_sides_in_order_and_are_one_for_each_pair(store: Store):
    for team, member in (("T2", "P1"), ("T1", "P1"), ("T1", "P2")):
        store.write(lambda tx, t=team, m=member: tx.save_membership(Membership(t, m, 1.0)))
    store.write(lambda tx: tx.save_membership(Membership("T1", "P1", 2.0, "https://id.example")))
    assert store.read(lambda tx: list(tx.memberships_of("P1"))) == [
        Membership("T1", "P1", 2.0, "https://id.example"),
        Membership("T2", "P1", 1.0),
    ]
    assert [each.member for each in store.read(lambda tx: tx.members_of("T1"))] == ["P1", "P2"]
    store.write(lambda tx: tx.delete_membership("T1", "P1"))
    store.write(lambda tx: tx.delete_membership("T1", "P1"))
    assert [each.team for each in store.read(lambda tx: tx.memberships_of("P1"))] == ["T2"]


def test_the_last_use_of_a_credential_never_goes_back(store: Store):
    for name, owner in (("c1", "P1"), ("c2", "P1"), ("c3", "P2")):
        store.write(lambda tx, n=name, o=owner: tx.save_credential(Credential(n, o, "token", 1.0)))
    for name, at in (("c1", 10.0), ("c1", 30.0), ("c1", 20.0), ("c3", 5.0)):
        store.write(lambda tx, n=name, a=at: tx.save_use(n, a))
    assert store.read(lambda tx: tx.uses("P1")) == {"c1": 30.0}
    assert store.read(lambda tx: tx.uses("P2")) == {"c3": 5.0}


def test_a_deleted_credential_is_forgotten_with_its_use(store: Store):
    for name in ("c1", "c2"):
        store.write(lambda tx, n=name: tx.save_credential(Credential(n, "P1", "token", 1.0)))
        store.write(lambda tx, n=name: tx.save_use(n, 5.0))
    for _ in range(2):
        store.write(lambda tx: tx.delete_credential("c1"))
    assert store.read(lambda tx: tx.credential("c1")) is None
    assert [each.id for each in store.read(lambda tx: tx.credentials("P1"))] == ["c2"]
    assert store.read(lambda tx: tx.uses("P1")) == {"c2": 5.0}


def test_a_ci_job_keeps_its_policy_and_a_credential_its_run(store: Store):
    trust = Trust("https://ci.example", "us", {"repository_id": "1"}, 900, proposals=True)
    job = Principal("P4", "deploy", (), 1.0, Kind.CI_JOB, trust=trust)
    given = Credential("c9", "P4", "token", 1.0, run=Run("7.1", "https://ci.example/7", "192.0.2.1", {"run_id": "7"}))
    save(store, job)
    store.write(lambda tx: tx.save_credential(given))
    assert store.read(lambda tx: tx.principal("P4")) == job
    assert store.read(lambda tx: tx.credential("c9")) == given


def test_a_credential_keeps_its_scope_and_the_absence_of_one(store: Store):
    scoped = Credential(
        "c1", "P1", "token", 1.0, scope=(Grant("acme", "a/", (Right.READ,)),), description="ci", by="P2"
    )
    empty, plain = Credential("c2", "P1", "token", 1.0, scope=()), Credential("c3", "P1", "token", 1.0)
    for each in (scoped, empty, plain):
        store.write(lambda tx, each=each: tx.save_credential(each))
    assert store.read(lambda tx: list(tx.credentials("P1"))) == [scoped, empty, plain]


def test_last_uses_are_found_for_credentials_of_several_principals(store: Store):
    for principal, name, at in (("P1", "c1", 30.0), ("P1", "c2", 31.0), ("P2", "c3", 5.0)):
        store.write(lambda tx, p=principal, n=name: tx.save_credential(Credential(n, p, "token", 1.0)))
        store.write(lambda tx, n=name, a=at: tx.save_use(n, a))
    assert store.read(lambda tx: tx.last_uses(["c3", "c1", "nobody's"])) == {"c1": 30.0, "c3": 5.0}
    assert store.read(lambda tx: tx.last_uses([])) == {}
