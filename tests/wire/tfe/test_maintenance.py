"""Maintenance as the cloud API shows it: a workspace that is locked, with the reason, as for any other lock."""

from __future__ import annotations

import pytest

from lockhouse.service import maintenance
from lockhouse.service.maintenance import Place
from tests.wire.rig import NAMESPACE, Rig, state
from tests.wire.tfe.conftest import Client

REASON = "moving accounts"


def start(rig: Rig, until: float = 0.0) -> None:
    place = Place(NAMESPACE, "prod")
    rig.store.write(lambda tx: maintenance.start(tx, rig.caller(), place, "maintenance-1", REASON, until))


def end(rig: Rig) -> None:
    rig.store.write(lambda tx: maintenance.end(tx, rig.caller(), Place(NAMESPACE, "prod")))


def shown(client: Client) -> tuple[bool, str, str]:
    answer = client.ask("GET", "organizations/acme/workspaces/prod?include=locked_by").json()
    found = answer["data"]
    by = found["relationships"]["locked-by"]["data"]
    names = {each["id"]: each["attributes"]["username"] for each in answer.get("included", [])}
    attributes = found["attributes"]
    return attributes["locked"], attributes["locked-reason"], names[by["id"]] if by else ""


def test_a_workspace_is_shown_as_locked_with_the_reason_and_nobody_gets_its_lock(rig: Rig, ann: Client):
    workspace = ann.workspace()
    assert shown(ann) == (False, "", "")
    start(rig, until=rig.now + 60)
    assert shown(ann) == (True, f"maintenance: {REASON}", rig.caller().who.name)
    refused = ann.lock(workspace)
    assert refused.status == 409
    assert REASON in refused.json()["errors"][0]["detail"]
    for action in ("unlock", "force-unlock"):
        assert ann.ask("POST", f"workspaces/{workspace}/actions/{action}").status == 409
    deleted = ann.ask("DELETE", f"workspaces/{workspace}")
    assert deleted.status == 409
    assert REASON in deleted.json()["errors"][0]["detail"]
    rig.now += 60
    assert shown(ann) == (False, "", "")
    assert ann.lock(workspace).status == 200


@pytest.mark.parametrize("how", ["save", "save_inline"])
def test_who_has_locked_it_saves_and_unlocks_and_nobody_saves_after_that(rig: Rig, ann: Client, how: str):
    workspace = ann.workspace()
    assert ann.lock(workspace).status == 200
    start(rig)
    assert shown(ann) == (True, "Locked by Terraform", "ann")
    assert getattr(ann, how)(workspace, state(1)).status in (200, 201)
    assert ann.unlock(workspace).status == 200
    assert ann.announce(workspace, state(2)).status == 409
    assert ann.lock(workspace).status == 409
    assert ann.ask("GET", f"workspaces/{workspace}/current-state-version").status == 200
    end(rig)
    assert ann.lock(workspace).status == 200
