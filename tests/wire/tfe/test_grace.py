"""A token that ends in the middle of an apply over cloud: it saves, also by the signed address, unlocks, and is over."""

from __future__ import annotations

import msgspec
import pytest

from lockhouse.auth import keys
from tests.wire.rig import state


@pytest.fixture
def workspace(rig, ann):
    """Locked by ann, whose token ended ten minutes ago."""
    rig.authenticator.grace = 3600.0
    made = ann.workspace()
    ann.workspace("other")
    assert ann.lock(made).status == 200
    assert ann.save(made, state(1)).status == 200
    name = keys.split_token(ann.user.token)[0]
    known = rig.store.read(lambda tx: tx.credential(name))
    rig.store.write(lambda tx: tx.save_credential(msgspec.structs.replace(known, expires_at=rig.now + 60)))
    rig.authenticator.changed()
    rig.now += 660
    return made


def test_the_whole_end_of_an_apply(rig, ann, workspace):
    assert ann.data("GET", f"workspaces/{workspace}")["id"] == workspace
    for serial in (2, 3):
        assert ann.save(workspace, state(serial)).status == 200
    assert ann.save_inline(workspace, state(4)).status == 201
    version = ann.data("GET", f"workspaces/{workspace}/current-state-version")
    assert ann.data("GET", f"state-versions/{version['id']}")["attributes"]["serial"] == 4
    url = version["attributes"]["hosted-state-download-url"].removeprefix("https://lock.test")
    assert rig.ask("GET", url, headers=ann.user.bearer).body == state(4)
    assert ann.unlock(workspace).status == 200
    assert ann.unlock(workspace).status == 200
    assert ann.announce(workspace, state(5)).status == 401
    assert ann.lock(workspace).status == 401
    assert ann.ask("GET", f"workspaces/{workspace}/current-state-version").status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "organizations/acme/workspaces"),
        ("GET", "organizations/acme/workspaces/prod"),
        ("GET", "account/details"),
        ("DELETE", "workspaces/{id}"),
        ("POST", "workspaces/{id}/actions/lock"),
        ("POST", "workspaces/{id}/actions/force-unlock"),
        ("GET", "workspaces/{id}/state-versions"),
        ("POST", "users/me/authentication-tokens"),
    ],
)
def test_nothing_else_is_finished(ann, workspace, method, path):
    assert ann.ask(method, path.replace("{id}", workspace)).status == 401


def test_an_old_version_is_not_made_current(ann, workspace):
    version = ann.data("GET", f"workspaces/{workspace}/current-state-version")
    document = {
        "data": {
            "type": "state-versions",
            "relationships": {"rollback-state-version": {"data": {"type": "state-versions", "id": version["id"]}}},
        }
    }
    assert ann.ask("PATCH", f"workspaces/{workspace}/state-versions", document).status == 401
    assert ann.ask("POST", f"workspaces/{workspace}/state-versions", document).status == 401


def test_what_comes_to_a_signed_address_after_its_lock_was_taken_away_is_parked(rig, ann, bob, workspace):
    announced = ann.announce(workspace, state(2))
    assert announced.status == 201
    assert bob.ask("POST", f"workspaces/{workspace}/actions/force-unlock").status == 200
    late = ann.upload(announced, state(2))
    assert (late.status, b"parked as" in late.body) == (409, True)
    assert len(rig.store.read(lambda tx: tx.parked_writes())) == 1


def test_a_signed_address_ends_with_the_grace(rig, ann, workspace):
    rig.now += 2900
    announced = ann.announce(workspace, state(2))
    assert announced.status == 201
    rig.now += 200
    assert ann.upload(announced, state(2)).status == 401
