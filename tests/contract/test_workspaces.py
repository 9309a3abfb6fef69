"""Workspaces, projects and announced state versions, in every store."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.records import Namespace
from lockhouse.core.workspaces import Project, StateUpload, Workspace
from lockhouse.storage.sql import name_blocks
from tests.contract.samples import HOME, marker, version, write_version


def workspace(name: str, key: str = "", namespace: str = "acme") -> Workspace:
    return Workspace(
        f"ws-{namespace}-{name}", Address(namespace, key or name), name, 5.0, tags=("a",), bindings={"k": "v"}
    )


def announced(name: str, address: Address = HOME) -> StateUpload:
    return StateUpload(name, address, 1.0, "c", "l", 3, 2**64 - 1, "lin", "0" * 32, 900.0)


def test_a_workspace_is_found_by_id_name_and_address_and_comes_back_whole(store):
    one = workspace("prod", "app/terraform.tfstate")
    store.write(lambda tx: tx.save_workspace(one))
    for look in (
        lambda tx: tx.workspace(one.id),
        lambda tx: tx.workspace_named("acme", "prod"),
        lambda tx: tx.workspace_at(one.address),
    ):
        assert store.read(look) == one
    assert store.read(lambda tx: tx.workspace_named("other", "prod")) is None
    assert store.read(lambda tx: tx.workspace_at(Address("acme", "prod"))) is None


def test_a_renamed_workspace_keeps_its_id_and_gives_its_name_back(store):
    one = workspace("old")
    store.write(lambda tx: tx.save_workspace(one))
    store.write(lambda tx: tx.save_workspace(replace(one, name="new")))
    assert store.read(lambda tx: tx.workspace_named("acme", "old")) is None
    store.write(lambda tx: tx.save_workspace(replace(workspace("old", "elsewhere"), id="ws-2")))
    store.write(lambda tx: tx.delete_workspace(one.id))
    assert store.read(lambda tx: [each.name for each in tx.workspaces("acme")]) == ["old"]


@pytest.mark.parametrize("other", [workspace("two", "one"), replace(workspace("one", "two"), id="ws-x")])
def test_a_name_and_an_address_belong_to_one_workspace(store, other):
    store.write(lambda tx: tx.save_workspace(workspace("one")))
    with pytest.raises(Exception, match=r"workspace|UNIQUE"):
        store.write(lambda tx: tx.save_workspace(other))
    assert store.read(lambda tx: [each.name for each in tx.workspaces("acme")]) == ["one"]


def test_workspaces_come_in_name_order_page_by_page(store):
    names = ["a", "B", "a-b", "a_b", "z", "Z0"]
    for name in names:
        store.write(lambda tx, name=name: tx.save_workspace(workspace(name)))
    store.write(lambda tx: tx.save_workspace(workspace("a", namespace="other")))
    found, after = [], ""
    while page := store.read(lambda tx, after=after: tx.workspaces("acme", after, 2)):
        found += [each.name for each in page]
        after = found[-1]
    assert found == sorted(names)


def test_unnamed_states_are_live_or_only_locked_and_have_no_workspace(store):
    def fill(tx):
        for key in ("live", "named"):
            write_version(tx, Address("acme", key), version(1))
        write_version(tx, Address("acme", "gone"), version(1))
        write_version(tx, Address("acme", "gone"), marker(2))
        tx.save_state(replace(tx.ensure_state(Address("acme", "locked")), is_state=True))
        plain = write_version(tx, Address("acme", "plain"), version(1))
        tx.save_state(replace(plain, is_state=False))
        tx.save_workspace(workspace("named"))

    store.write(fill)
    assert store.read(lambda tx: list(tx.unnamed_states("acme"))) == ["live", "locked"]
    assert store.read(lambda tx: list(tx.unnamed_states("acme", "live"))) == ["locked"]
    assert store.read(lambda tx: list(tx.unnamed_states("acme", limit=1))) == ["live"]


def test_projects_are_kept_listed_and_removed(store):
    one = Project("prj-1", "acme", "net", 5.0, "text", {"k": "v"})
    store.write(lambda tx: tx.save_project(one))
    store.write(lambda tx: tx.save_project(replace(one, name="network")))
    store.write(lambda tx: tx.save_project(Project("prj-2", "acme", "app", 5.0)))
    store.write(lambda tx: tx.save_project(Project("prj-3", "other", "app", 5.0)))
    assert store.read(lambda tx: tx.project("prj-1")) == replace(one, name="network")
    assert store.read(lambda tx: [each.name for each in tx.projects("acme")]) == ["app", "network"]
    store.write(lambda tx: tx.delete_project("prj-2"))
    assert store.read(lambda tx: [each.name for each in tx.projects("acme", "app")]) == ["network"]
    assert store.read(lambda tx: tx.project("prj-2")) is None


def test_announced_versions_are_pending_until_they_are_written_or_discarded(store):
    for name in ("u1", "u2", "u3"):
        store.write(lambda tx, name=name: tx.save_state_upload(announced(name)))
    store.write(lambda tx: tx.save_state_upload(replace(announced("u1"), seq=4)))
    store.write(lambda tx: tx.save_state_upload(replace(announced("u2"), discarded=True)))
    assert store.read(lambda tx: [each.id for each in tx.pending_uploads(HOME)]) == ["u3"]
    assert store.read(lambda tx: tx.pending_uploads(Address("acme", "x"))) == []
    assert store.read(lambda tx: tx.state_upload("u1")) == replace(announced("u1"), seq=4)
    assert store.read(lambda tx: tx.state_upload("nothing")) is None


def test_a_deleted_namespace_takes_its_workspaces_and_projects_with_it(store):
    def fill(tx):
        tx.create_namespace(Namespace("acme", 1.0))
        tx.save_workspace(workspace("one"))
        tx.save_workspace(workspace("one", namespace="other"))
        tx.save_project(Project("prj-1", "acme", "net", 5.0))
        tx.save_state_upload(announced("u1"))

    store.write(fill)
    store.write(lambda tx: tx.delete_namespace("acme"))
    assert store.read(lambda tx: list(tx.workspaces("acme")) + list(tx.projects("acme"))) == []
    assert store.read(lambda tx: tx.state_upload("u1")) is None
    assert store.read(lambda tx: [each.name for each in tx.workspaces("other")]) == ["one"]


def test_workspaces_are_counted_and_stepped_over(store):
    names = ["a", "b", "c", "d", "e"]
    for name in names:
        store.write(lambda tx, name=name: tx.save_workspace(workspace(name)))
    store.write(lambda tx: tx.save_workspace(workspace("f", namespace="other")))
    assert store.read(lambda tx: tx.count_workspaces("acme")) == 5
    assert store.read(lambda tx: tx.count_workspaces("nobody")) == 0
    for skip in range(7):
        page = store.read(lambda tx, skip=skip: tx.workspaces("acme", limit=2, skip=skip))
        assert [each.name for each in page] == names[skip : skip + 2]


def test_every_page_by_number_is_right_while_names_come_change_and_go(store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(name_blocks, "MOST", 4)
    chance, names = random.Random(7), {}

    def step(tx: Transaction) -> None:
        number = chance.randrange(40)
        name = f"{chance.choice(('', 'b-', 'm-', 'é-', 'z-'))}{number}"
        if number in names and chance.random() < 0.4:
            tx.delete_workspace(f"ws-{number}")
            del names[number]
        elif name not in names.values():
            tx.save_workspace(Workspace(f"ws-{number}", Address("acme", str(number)), name, 5.0, 5.0))
            names[number] = name

    def check(tx: Reader) -> None:
        expected = sorted(names.values())
        assert tx.count_workspaces("acme") == len(expected)
        for skip in range(len(expected) + 2):
            assert [each.name for each in tx.workspaces("acme", limit=3, skip=skip)] == expected[skip : skip + 3]

    for _ in range(25):
        store.write(lambda tx: [step(tx) for _ in range(8)])
        store.read(check)
    many = [Workspace(f"ws-{name}", Address("acme", name), name, 5.0, 5.0) for name in map("n-{:02}".format, range(30))]
    chance.shuffle(many)
    store.write(lambda tx: tx.add_workspaces("acme", many))
    store.write(lambda tx: tx.add_workspaces("acme", []))
    names |= {each.name: each.name for each in many}
    store.read(check)
    store.write(lambda tx: [tx.delete_workspace(f"ws-{number}") for number in names])
    names.clear()
    store.read(check)


def test_a_state_suggests_its_name_until_it_has_a_workspace_and_again_when_that_is_gone(store):
    same = [
        Address("acme", "app/prod.tfstate"),
        Address("acme", "app-prod"),
        Address("acme", "app-prod/terraform.tfstate"),
    ]
    for address in (*same, Address("other", "app-prod"), Address("acme", "x" * 91), Address("acme", "app-prod2")):
        store.write(lambda tx, address=address: write_version(tx, address, version(1)))

    def suggesting() -> list[str]:
        return list(store.read(lambda tx: tx.states_suggesting("acme", "app-prod")))

    assert suggesting() == sorted(address.key for address in same)
    assert store.read(lambda tx: tx.unnamed_states("acme")) == sorted([*suggesting(), "app-prod2"])
    assert store.read(lambda tx: tx.adoptable_states("acme")) == ["app-prod2"]
    assert store.read(lambda tx: tx.adoptable_states("acme", "app-prod2")) == []
    assert store.read(lambda tx: tx.adoptable_states("other")) == ["app-prod"]
    taken = workspace("app-prod", same[0].key)
    store.write(lambda tx: tx.save_workspace(taken))
    assert suggesting() == sorted(address.key for address in same[1:])
    store.write(lambda tx: write_version(tx, same[1], marker(2)))
    assert suggesting() == [same[2].key]
    store.write(lambda tx: tx.delete_workspace(taken.id))
    assert suggesting() == sorted([same[0].key, same[2].key])
    assert store.read(lambda tx: tx.states_suggesting("acme", "")) == []
    assert store.write(lambda tx: tx.settle_names()) == 0
