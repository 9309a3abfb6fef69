"""Users, teams, scopes and rotation over the API."""

from __future__ import annotations

import base64

from tests.unit.protocols.api.desk import NAMESPACE, Desk, state

READER = {"namespace": NAMESPACE, "role": "reader"}
ISSUER = "https://id.example"


def principal(desk: Desk, name: str, kind: str, *grants: dict, **more: object) -> dict:
    answer = desk.ask("POST", "/principals", {"name": name, "kind": kind, "grants": list(grants), **more})
    assert answer.status == 201, answer.body
    return answer.json


def test_a_user_is_created_with_a_link_which_nobody_else_can_have(desk: Desk):
    link = {"issuer": ISSUER, "subject": "s-1", "email": "ann@example.com"}
    made = principal(desk, "ann", "user", READER, link=link)
    assert made["link"] == {**link, "display_name": ""}
    assert made["grants"] == [
        {"namespace": NAMESPACE, "prefix": "", "rights": ["read", "read-outputs"], "role": "reader", "exact": False}
    ]
    assert desk.ask("POST", "/principals", {"name": "bob", "kind": "user", "link": link}).code == "principal.exists"
    assert desk.ask("PUT", "/principals/ann/link", {"issuer": ISSUER}).code == "request.document"
    assert desk.ask("PUT", "/principals/ann/link", {}).json["link"] is None
    assert (
        desk.ask("PUT", "/principals/administrator/link", {"issuer": ISSUER, "subject": "x"}).code == "request.invalid"
    )


def test_kinds_that_are_made_elsewhere_or_do_not_exist_are_refused(desk: Desk):
    for kind in ("role", "administrator", "key"):
        assert desk.ask("POST", "/principals", {"name": "x", "kind": kind}).code == "request.invalid"
    assert desk.ask("POST", "/principals", {"name": "x", "kind": "robot"}).code == "request.document"
    assert desk.ask("GET", "/principals", kind="robot").code == "request.invalid"


def test_a_member_may_at_once_what_its_team_may_and_no_more_after_it_left(desk: Desk):
    desk.put("app.tfstate", state(1))
    principal(desk, "readers", "team", READER)
    token = desk.token("ci", {"namespace": "elsewhere", "rights": ["read"]})
    where = f"/namespaces/{NAMESPACE}/state"
    assert desk.ask("GET", where, key="app.tfstate", token=token).status == 403
    members = desk.ask("PUT", "/teams/readers/members/ci").json["members"]
    assert [(each["name"], each["kind"], each["source"]) for each in members] == [("ci", "service-account", "")]
    assert desk.ask("GET", where, key="app.tfstate", token=token).status == 200
    shown = desk.ask("GET", "/keys/ci").json
    assert (shown["teams"], [each["namespace"] for each in shown["effective"]]) == (
        ["readers"],
        sorted([NAMESPACE, "elsewhere"]),
    )
    assert desk.ask("GET", "/teams/readers/members", token=token).status == 200
    assert desk.ask("DELETE", "/teams/readers/members/ci").json["members"] == []
    assert desk.ask("GET", where, key="app.tfstate", token=token).status == 403
    assert desk.ask("GET", "/teams/readers/members", token=token).status == 403
    assert desk.ask("PUT", "/principals/ci/teams", {"teams": ["readers"]}).json["teams"] == ["readers"]
    assert desk.ask("PUT", "/principals/ci/teams", {"teams": ["nowhere"]}).code == "principal.not_found"
    assert desk.ask("DELETE", "/keys/readers").status == 204
    assert desk.ask("GET", where, key="app.tfstate", token=token).status == 403


def test_principals_are_listed_by_kind(desk: Desk):
    principal(desk, "readers", "team", READER)
    principal(desk, "ann", "user")
    principal(desk, "deploys", "ci-job")

    def names(**query: str) -> list[str]:
        return [each["name"] for each in desk.ask("GET", "/principals", **query).json["principals"]]

    assert names() == ["administrator", "ann", "deploys", "readers"]
    assert names(kind="team") == ["readers"]
    assert names(kind="user") == ["ann"]


def test_a_token_and_a_key_can_be_narrower_than_who_has_them(desk: Desk):
    desk.put("app.tfstate", state(1))
    where = f"/namespaces/{NAMESPACE}/state"
    scope = [{"namespace": NAMESPACE, "prefix": "app", "role": "reader"}]
    asked = {"name": "administrator", "scope": scope, "description": "nightly", "expires_in": 3600}
    token = desk.ask("POST", "/tokens", asked).json
    key = desk.ask("POST", "/access-keys", asked).json
    pair = base64.b64encode(f"{key['access_key_id']}:{key['secret_access_key']}".encode()).decode()
    for how in ({"token": token["token"]}, {"token": "", "headers": (("authorization", f"Basic {pair}"),)}):
        assert desk.ask("GET", where, key="app.tfstate", **how).status == 200
        assert desk.ask("GET", where, key="other.tfstate", **how).status == 403
        assert desk.ask("DELETE", where, key="app.tfstate", **how).status == 403
        assert desk.ask("POST", "/keys", {"name": "more"}, **how).status == 403
    listed = {each["id"]: each for each in desk.ask("GET", "/keys/administrator").json["credentials"]}
    for found in (listed[token["id"]], listed[key["access_key_id"]]):
        assert found["description"] == "nightly"
        assert found["scope"] == [
            {
                "namespace": NAMESPACE,
                "prefix": "app",
                "rights": ["read", "read-outputs"],
                "role": "reader",
                "exact": False,
            }
        ]
        assert found["expires_at"]
        assert found["last_used_at"]
    made = desk.ask("POST", "/tokens", {}, token=token["token"]).json
    assert desk.ask("POST", "/keys", {"name": "more"}, token=made["token"]).status == 403
    assert made["expires_at"] <= token["expires_at"]


def test_a_rotated_token_works_on_for_the_grace_and_the_new_one_at_once(desk: Desk):
    old = desk.ask("POST", "/tokens", {"description": "ci"}).json
    new = desk.ask("POST", f"/credentials/{old['id']}/rotate", {"grace": 60}).json
    assert (new["kind"], new["old"], new["secret_access_key"]) == ("token", old["id"], "")
    for text in (old["token"], new["token"]):
        assert desk.ask("GET", "/status", token=text).status == 200
    assert desk.ask("POST", f"/credentials/{old['id']}/rotate", {}).code == "request.invalid"
    last = desk.ask("POST", f"/credentials/{new['id']}/rotate", {"grace": 0}).json
    assert desk.ask("GET", "/status", token=new["token"]).status == 401
    assert desk.ask("GET", "/status", token=last["token"]).status == 200


def test_a_rotated_access_key_has_a_new_secret(desk: Desk):
    made = desk.ask("POST", "/keys", {"name": "ci"}).json
    new = desk.ask("POST", f"/credentials/{made['access_key_id']}/rotate", {"grace": 0}).json
    assert (new["kind"], new["token"], new["name"]) == ("access_key", "", "ci")
    for key_id, secret, status in (
        (new["id"], new["secret_access_key"], 200),
        (made["access_key_id"], made["secret_access_key"], 401),
    ):
        pair = base64.b64encode(f"{key_id}:{secret}".encode()).decode()
        assert desk.ask("GET", "/status", token="", headers=(("authorization", f"Basic {pair}"),)).status == status
