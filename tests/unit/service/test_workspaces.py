"""Workspaces: what a name stands for, who is told of it, and where the state of a new one is kept."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.audit import decode
from lockhouse.core.principals import Grant, Right
from lockhouse.core.workspaces import Project, default_project_id
from lockhouse.errors import (
    AccessDenied,
    DeleteGuarded,
    DeleteLocked,
    NamespaceNotFound,
    ProjectNotFound,
    RequestInvalid,
    StateNotFound,
    WorkspaceAmbiguous,
    WorkspaceExists,
    WorkspaceNotFound,
)
from lockhouse.service import objects, workspaces
from lockhouse.service.workspaces import MAX_TAGS, Change, NewWorkspace
from tests.unit.service.rooms import Rooms, caller, state

LATER = msgspec.structs.replace(caller(), now=2000.0)


class Names(Rooms):
    """With short words for what is done here."""

    def __init__(self) -> None:
        super().__init__()
        self.ids = map("ws-{}".format, itertools.count(1))

    def make(self, name="prod", by=None, **more):
        new = NewWorkspace(next(self.ids), name, **more)
        return self.store.write(lambda tx: workspaces.create(tx, by or caller(), "acme", new))

    def find(self, name="prod", by=None):
        return self.store.read(lambda tx: workspaces.get(tx, by or caller(), "acme", name))

    def change(self, workspace_id, by=None, **wanted):
        return self.store.write(lambda tx: workspaces.change(tx, by or LATER, workspace_id, Change(**wanted)))

    def adopt(self, name, by=None):
        return self.store.write(lambda tx: workspaces.adopt(tx, by or caller(), "acme", name, next(self.ids)))

    def name(self, key, name, by=None):
        address, made = Address("acme", key), next(self.ids)
        return self.store.write(lambda tx: workspaces.name_state(tx, by or LATER, address, name, made))

    def remove(self, workspace_id, *, guarded=False):
        self.store.write(lambda tx: workspaces.delete(tx, caller(), workspace_id, "d", guarded=guarded))

    def states(self, *keys):
        for key in keys:
            self.put(state(1), address=Address("acme", key))

    def told(self):
        entries = [decode(raw) for _, raw in self.store.read(lambda tx: tx.unsealed())]
        return [(each.action, each.subject, each.key) for each in entries if each.action.startswith("workspace.")]


@pytest.fixture
def names() -> Names:
    return Names()


def having(*rights, prefix=""):
    return caller("eve", grants=(Grant("acme", prefix, rights),))


def test_a_new_workspace_is_kept_at_the_key_of_its_name_with_what_was_said_of_it(names):
    made = names.make(tags=("One", "one", "two"), bindings={"team": "a"}, settings={"description": "x"}).workspace
    assert (made.address, made.at, made.updated_at) == (Address("acme", "prod"), 1000.0, 1000.0)
    assert (made.tags, made.bindings, made.settings) == (("one", "two"), {"team": "a"}, {"description": "x"})
    assert names.store.read(lambda tx: tx.state(made.address)).is_state
    assert names.find().workspace == made
    assert names.told() == [("workspace.create", "prod", "prod")]


def test_a_name_is_used_once_by_a_workspace_or_by_the_state_that_suggests_it(names):
    names.make()
    names.states("stage.tfstate", "dev.tfstate", "dev/terraform.tfstate")
    for taken in ("prod", "stage"):
        with pytest.raises(WorkspaceExists):
            names.make(taken)
    with pytest.raises(WorkspaceAmbiguous):
        names.make("dev")
    with pytest.raises(RequestInvalid):
        names.make("a b")
    with pytest.raises(NamespaceNotFound):
        names.store.write(lambda tx: workspaces.create(tx, caller(), "nowhere", NewWorkspace("ws-x", "x")))
    with pytest.raises(AccessDenied):
        names.make("new", having(Right.READ, Right.LOCK))


def test_a_new_workspace_takes_no_address_where_anything_is(names):
    names.put(b"plain", address=Address("acme", "prod"))
    names.lock(address=Address("acme", "prod.tfstate.x"))
    assert names.make().workspace.address.key == "prod.tfstate"
    names.put(state(1), address=Address("acme", "gone"))
    names.store.write(lambda tx: objects.delete(tx, caller(), Address("acme", "gone"), "d"))
    assert names.make("gone").workspace.address.key == "gone"


def deleted_and_locked(names, *keys):
    for key in keys:
        names.put(state(1), address=Address("acme", key))
        names.store.write(lambda tx, key=key: objects.delete(tx, caller(), Address("acme", key), f"d-{key}"))
        names.lock(address=Address("acme", key))


def test_a_deleted_state_that_somebody_locked_to_write_it_again_is_what_its_name_means(names):
    deleted_and_locked(names, "old", "app/prod/terraform.tfstate", "two", "two.tfstate", "else~2", "secret.tfstate")
    for name, key in (("old", "old"), ("app-prod", "app/prod/terraform.tfstate"), ("else", "else")):
        with pytest.raises(WorkspaceNotFound):
            names.find(name)
        made = names.make(name)
        assert (made.workspace.address.key, made.lock.lock is not None) == (key, name != "else")
        assert names.find(name).workspace.id == made.workspace.id
    names.put(state(2), address=Address("acme", "app/prod/terraform.tfstate"))
    assert names.find("app-prod").current.facts.serial == 2
    with pytest.raises(WorkspaceAmbiguous) as ambiguous:
        names.make("two")
    assert ambiguous.value.details["candidates"] == "two, two.tfstate"
    with pytest.raises(AccessDenied) as hidden:
        names.make("secret", having(Right.WRITE, prefix="elsewhere"))
    assert "tfstate" not in hidden.value.message + hidden.value.hint
    names.unlock(address=Address("acme", "two.tfstate"))
    assert names.make("two").workspace.address.key == "two"


def test_a_name_that_nobody_has_is_missing_only_to_who_could_see_it(names):
    names.states("stage.tfstate")
    names.make()
    with pytest.raises(WorkspaceNotFound):
        names.find("none")
    for rights, sees in [((right,), True) for right in Right if right not in (Right.PLAN, Right.ADMIN)]:
        assert (names.find(by=having(*rights)).workspace.name == "prod") == sees
    for hidden in ("prod", "stage", "none"):
        with pytest.raises(AccessDenied) as refused:
            names.find(hidden, having(Right.READ, prefix="else"))
        assert refused.value.details["right"] == "read"
    with pytest.raises(WorkspaceNotFound):
        names.find("none", having(Right.READ, prefix="none.tfstate"))
    with pytest.raises(NamespaceNotFound):
        names.store.read(lambda tx: workspaces.get(tx, caller(), "nowhere", "prod"))


def test_an_ambiguous_name_is_told_with_the_candidates_that_its_asker_may_see(names):
    names.states("dev.tfstate", "dev/terraform.tfstate")
    for ask in (names.find, names.adopt):
        with pytest.raises(WorkspaceAmbiguous) as refused:
            ask("dev", having(Right.READ, prefix="dev/"))
        assert "dev/terraform.tfstate" in refused.value.message
        assert "dev.tfstate" not in refused.value.message
    with pytest.raises(AccessDenied):
        names.find("dev", having(Right.READ, prefix="other"))


def test_the_only_state_that_suggests_a_name_is_adopted_under_it(names):
    names.states("app/terraform.tfstate")
    assert names.adopt("none") is None
    made = names.adopt("app")
    assert (made.address.key, names.adopt("app")) == ("app/terraform.tfstate", made)
    assert names.told() == [("workspace.create", "app", "app/terraform.tfstate")]


def test_states_are_adopted_in_portions_and_each_is_told(names):
    names.states(*(f"{letter}.tfstate" for letter in "abcde"), "e/terraform.tfstate")
    after, portions = "", 0
    while after is not None:
        after = names.store.write(
            lambda tx, after=after: workspaces.adopt_some(
                tx, caller(), "acme", lambda: next(names.ids), after=after, limit=2
            )
        )
        portions += 1
        assert portions < 20
    listed = names.store.read(lambda tx: workspaces.list_all(tx, caller(), "acme"))
    assert [each.workspace.name for each in listed] == ["a", "b", "c", "d"]
    assert [subject for _, subject, _ in names.told()] == ["a", "b", "c", "d"]
    assert not names.store.read(lambda tx: workspaces.unadopted(tx, "acme"))


def test_a_rename_takes_no_name_that_is_in_use_and_changes_nothing_else(names):
    made = names.make(tags=("t",), settings={"a": 1, "b": 2}).workspace
    other = names.make("other").workspace
    names.states("free.tfstate")
    for taken in ("other", "free"):
        with pytest.raises(WorkspaceExists):
            names.change(made.id, name=taken)
    with pytest.raises(RequestInvalid):
        names.change(made.id, name="a b")
    with pytest.raises(AccessDenied):
        names.change(made.id, having(Right.READ), name="new")
    changed = names.change(made.id, name="new", settings={"b": 3}).workspace
    assert changed == msgspec.structs.replace(made, name="new", settings={"a": 1, "b": 3}, updated_at=LATER.now)
    assert names.told()[-1] == ("workspace.change", "new", "prod")
    assert names.change(other.id, name="other").workspace.name == "other"
    assert names.change(made.id, name="prod").workspace.name == "prod"
    with pytest.raises(ProjectNotFound):
        names.change(made.id, project="prj-none")


def test_a_state_is_named_by_who_may_write_it(names):
    names.states("app.tfstate")
    names.make()
    for key, name, problem in (
        ("none.tfstate", "x", StateNotFound),
        ("app.tfstate", "prod", WorkspaceExists),
        ("app.tfstate", "a b", RequestInvalid),
    ):
        with pytest.raises(problem):
            names.name(key, name)
    with pytest.raises(AccessDenied):
        names.name("app.tfstate", "x", having(Right.READ))
    assert names.name("app.tfstate", "x").workspace.name == "x"
    assert names.name("app.tfstate", "y").workspace.name == "y"
    with pytest.raises(NamespaceNotFound):
        names.store.write(lambda tx: workspaces.name_state(tx, caller(), Address("nowhere", "k"), "x", "ws-x"))


def test_a_workspace_is_deleted_when_nobody_holds_it_and_guarded_while_it_describes_something(names):
    made = names.make().workspace
    names.lock(address=made.address)
    with pytest.raises(DeleteLocked):
        names.remove(made.id)
    names.unlock(address=made.address)
    names.put(b'{"version":4,"serial":1,"lineage":"l","resources":[{}]}', address=made.address)
    with pytest.raises(DeleteGuarded) as refused:
        names.remove(made.id, guarded=True)
    assert refused.value.details == {"resources": 1}
    names.remove(made.id)
    assert not names.store.read(lambda tx: tx.state(made.address)).live
    assert names.told()[-1] == ("workspace.delete", "prod", "prod")
    with pytest.raises(WorkspaceNotFound):
        names.find()


def test_tags_have_up_to_255_letters_and_their_number_an_end(names):
    made = names.make().workspace

    def tag(*tags):
        return names.store.write(lambda tx: workspaces.set_tags(tx, caller(), made.id, tags)).workspace.tags

    def bind(bindings):
        return names.store.write(lambda tx: workspaces.add_bindings(tx, caller(), made.id, bindings)).workspace.bindings

    most = tuple(f"t{number}" for number in range(MAX_TAGS))
    assert (tag("x" * 255), tag(*most)) == (("x" * 255,), most)
    assert bind({"k" * 128: "v" * 256}) == {"k" * 128: "v" * 256}
    for wrong in (("x" * 256,), ("",), (*most, "more")):
        with pytest.raises(RequestInvalid):
            tag(*wrong)
    for bound in ({"": "v"}, {"k" * 129: "v"}, {"k": "v" * 257}, dict.fromkeys(most, "v")):
        with pytest.raises(RequestInvalid):
            bind(bound)


def test_a_page_is_for_who_sees_the_whole_namespace(names):
    for name in ("c", "a", "b"):
        names.make(name)

    def page(by, skip, limit):
        return names.store.read(lambda tx: workspaces.list_page(tx, by, "acme", skip, limit))

    found, total = page(caller(), 1, 1)
    assert ([each.workspace.name for each in found], total) == (["b"], 3)
    part = having(Right.READ, prefix="a")
    assert page(part, 0, 10) is None
    assert [each.name for each in names.store.read(lambda tx: workspaces.list_named(tx, part, "acme"))] == ["a"]


def test_a_new_workspace_gets_no_state_that_another_has_under_another_name(names):
    first = names.make().workspace
    names.change(first.id, name="renamed")
    second = names.make().workspace
    assert (first.address.key, second.address.key) == ("prod", "prod.tfstate")


def test_a_workspace_stays_in_its_project_until_it_is_moved(names):
    names.store.write(lambda tx: tx.save_project(Project("prj-1", "acme", "one", 1.0)))
    made = names.make(project="prj-1").workspace
    assert names.change(made.id, name="renamed").workspace.project == "prj-1"
    assert names.find("renamed").project.name == "one"
    assert names.change(made.id, project=default_project_id("acme")).workspace.project == ""
    names.store.write(lambda tx: tx.save_project(Project("prj-2", "other", "two", 1.0)))
    with pytest.raises(ProjectNotFound):
        names.change(made.id, project="prj-2")
