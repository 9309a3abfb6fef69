"""Teams of an organization, their members, tokens and access to workspaces, as go-tfe and the `tfe` provider ask."""

from __future__ import annotations

from lockhouse.core.principals import Grant, Right
from tests.wire.rig import Rig, state
from tests.wire.tfe.conftest import Client

WRITER = Grant("acme", "", (Right.READ, Right.WRITE, Right.LOCK))


def data(kind: str, relationships: dict | None = None, **attributes: object) -> dict:
    made = {"type": kind, "attributes": attributes}
    if relationships:
        made["relationships"] = {name: {"data": {"type": f"{name}s", "id": its}} for name, its in relationships.items()}
    return {"data": made}


def boss(rig: Rig) -> Client:
    return Client(rig, "boss", Grant("acme", "", (Right.ADMIN,)))


def team(by: Client, name: str = "developers", **attributes: object) -> str:
    return by.data("POST", "organizations/acme/teams", data("teams", name=name, **attributes), 201)["id"]


def access(by: Client, team_id: str, workspace: str, level: str, **more: object) -> dict:
    document = data("team-workspaces", {"team": team_id, "workspace": workspace}, access=level, **more)
    return by.data("POST", "team-workspaces", document, 201)


def test_a_member_reaches_exactly_the_workspace_that_its_team_has(rig: Rig):
    root = boss(rig)
    prod, other = root.workspace("prod"), root.workspace("prod-eu")
    bob = Client(rig, "bob", Grant("elsewhere", "", (Right.READ,)))
    developers = team(root)
    made = access(root, developers, prod, "write")
    assert made["attributes"]["access"] == "write"
    assert bob.ask("GET", f"workspaces/{prod}").status == 404
    users = {"data": [{"type": "users", "id": "bob"}]}
    assert root.ask("POST", f"teams/{developers}/relationships/users", users).status == 204
    assert bob.data("GET", f"workspaces/{prod}")["attributes"]["permissions"]["can-lock"] is True
    assert bob.ask("GET", f"workspaces/{other}").status == 404
    assert bob.lock(prod).status == 200
    assert bob.save(prod, state(1)).status == 200
    assert [each["attributes"]["name"] for each in bob.data("GET", "organizations/acme/workspaces")] == ["prod"]
    assert bob.data("GET", f"teams/{developers}")["attributes"]["users-count"] == 1
    assert root.ask("DELETE", f"teams/{developers}/relationships/users", users).status == 204
    assert bob.ask("GET", f"workspaces/{prod}").status == 404


def test_levels_and_custom_access_come_back_as_they_were_given(rig: Rig):
    root = boss(rig)
    prod, developers = root.workspace("prod"), team(root)
    made = access(root, developers, prod, "read")
    path = f"team-workspaces/{made['id']}"
    for level, states, locking, runs in (
        ("read", "read", False, "read"),
        ("plan", "read", False, "plan"),
        ("write", "write", True, "apply"),
        ("admin", "write", True, "apply"),
    ):
        found = root.data("PATCH", path, data("team-workspaces", access=level))["attributes"]
        assert found == root.data("GET", path)["attributes"]
        assert [found[name] for name in ("access", "state-versions", "workspace-locking", "runs")] == [
            level, states, locking, runs
        ]  # fmt: skip
    custom = {"state-versions": "read-outputs", "workspace-locking": False, "runs": "read", "variables": "none"}
    found = root.data("PATCH", path, data("team-workspaces", access="custom", **custom))["attributes"]
    assert {name: found[name] for name in custom} == custom
    listed = root.data("GET", f"team-workspaces?filter%5Bworkspace%5D%5Bid%5D={prod}")
    assert [each["id"] for each in listed] == [made["id"]]
    assert root.ask("DELETE", path).status == 204
    assert root.ask("GET", path).status == 404


def test_what_cannot_be_honoured_is_refused(rig: Rig):
    root = boss(rig)
    prod, developers = root.workspace("prod"), team(root)
    pair = {"team": developers, "workspace": prod}
    for attributes in (
        {"access": "owner"},
        {"access": "custom"},
        {"access": "custom", "state-versions": "read", "variables": "write"},
        {"access": "custom", "state-versions": "read", "run-tasks": True},
        {"access": "custom", "state-versions": "read", "runs": "apply"},
    ):
        assert root.ask("POST", "team-workspaces", data("team-workspaces", pair, **attributes)).status == 422
    for attributes in (
        {"name": "x", "visibility": "organization"},
        {"name": "x", "sso-team-id": "group"},
        {"name": "x", "organization-access": {"manage-policies": True}},
        {"name": "a b"},
        {"name": "developers"},
    ):
        assert root.ask("POST", "organizations/acme/teams", data("teams", **attributes)).status == 422
    assert root.ask("PATCH", f"teams/{developers}", data("teams", name="other")).status == 422
    access(root, developers, prod, "read")
    assert root.ask("POST", "team-workspaces", data("team-workspaces", pair, access="read")).status == 422


def test_a_team_may_be_given_the_whole_organization(rig: Rig):
    root = boss(rig)
    prod = root.workspace("prod")
    readers = team(root, "readers", **{"organization-access": {"read-workspaces": True, "manage-policies": False}})
    found = root.data("GET", f"teams/{readers}")["attributes"]["organization-access"]
    assert (found["read-workspaces"], found["manage-workspaces"]) == (True, False)
    token = root.data("POST", f"teams/{readers}/authentication-token", {}, 201)["attributes"]["token"]
    member = Client(rig, "unused", Grant("elsewhere", "", (Right.READ,)))
    member.user.token = token
    assert member.ask("GET", f"workspaces/{prod}").status == 200
    assert member.lock(prod).status == 403
    change = data("teams", **{"organization-access": {"manage-workspaces": True}})
    assert root.data("PATCH", f"teams/{readers}", change)["attributes"]["organization-access"]["manage-workspaces"]
    assert member.lock(prod).status == 200


def test_tokens_of_a_team_are_listed_replaced_and_revoked(rig: Rig):
    root = boss(rig)
    developers = team(root)
    path = f"teams/{developers}"
    extra = data("authentication-tokens", description="ci", **{"expired-at": "2099-01-01T00:00:00.000Z"})
    one = root.data("POST", f"{path}/authentication-tokens", extra, 201)
    assert (one["attributes"]["description"], one["attributes"]["expired-at"]) == ("ci", "2099-01-01T00:00:00Z")
    two = root.data("POST", f"{path}/authentication-token", {}, 201)
    assert [each["id"] for each in root.data("GET", f"{path}/authentication-tokens")] == [two["id"]]
    assert rig.authenticator.token(one["attributes"]["token"]) is None
    assert rig.authenticator.token(two["attributes"]["token"]).name == "acme:developers"
    assert root.ask("DELETE", f"{path}/authentication-token").status == 204
    assert rig.authenticator.token(two["attributes"]["token"]) is None
    assert root.ask("GET", f"{path}/authentication-token").status == 404


def test_teams_of_others_do_not_exist(rig: Rig):
    root, ann = boss(rig), Client(rig, "ann", WRITER)
    prod, developers = root.workspace("prod"), team(root)
    made = access(root, developers, prod, "read")
    assert ann.data("GET", "organizations/acme/teams") == []
    assert [each["attributes"]["name"] for each in root.data("GET", "organizations/acme/teams")] == ["developers"]
    for method, path in (
        ("GET", f"teams/{developers}"),
        ("PATCH", f"teams/{developers}"),
        ("DELETE", f"teams/{developers}"),
        ("GET", f"teams/{developers}/authentication-tokens"),
        ("GET", f"team-workspaces/{made['id']}"),
    ):
        assert ann.ask(method, path, data("teams")).status == 404
    assert ann.ask("POST", "organizations/acme/teams", data("teams", name="mine")).status == 403
    assert root.ask("DELETE", f"teams/{developers}").status == 204
    assert root.ask("GET", f"teams/{developers}").status == 404
