"""What each group of routes does, from request to answer."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from lockhouse.core.attributes import Kind
from lockhouse.core.items import KeyAttribute, Schema, Table, decode_table, encode_table
from lockhouse.errors import SerialConflict, WriteFenced
from lockhouse.runtime import house
from lockhouse.storage.carry.archive import read_manifest
from tests.unit.protocols.api.desk import NAMESPACE, NOW, Desk, state

KEY = "team one/app.tfstate"
STATE = f"/namespaces/{NAMESPACE}/state"


def test_status_says_who_asks(desk: Desk):
    found = desk.ask("GET", "/status").json
    assert (found["name"], found["kind"], found["held_locks"]) == ("administrator", "administrator", 0)
    assert found["grants"] == [
        {"namespace": "*", "prefix": "", "rights": ["admin"], "role": "administrator", "exact": False}
    ]


def test_a_new_key_works_at_once_and_a_revoked_one_no_more(desk: Desk):
    made = desk.ask("POST", "/keys", {"name": "ci"}).json
    assert list(made)[:3] == ["name", "access_key_id", "secret_access_key"]
    assert made["grants"] == [
        {
            "namespace": "*",
            "prefix": "",
            "rights": ["read", "read-outputs", "plan", "write", "lock", "force-unlock"],
            "role": "operator",
            "exact": False,
        }
    ]
    pair = base64.b64encode(f"{made['access_key_id']}:{made['secret_access_key']}".encode()).decode()
    basic = (("authorization", f"Basic {pair}"),)
    assert desk.ask("GET", "/status", token="", headers=basic).json["name"] == "ci"
    assert desk.ask("POST", "/keys", {"name": "ci"}).code == "principal.exists"
    assert desk.ask("DELETE", "/keys/ci").status == 204
    assert desk.ask("GET", "/status", token="", headers=basic).status == 401


def test_grants_change_what_a_key_may_do_at_once(desk: Desk):
    token = desk.token("ci", {"namespace": "elsewhere", "rights": ["read"]})
    assert desk.ask("GET", f"/namespaces/{NAMESPACE}/states", token=token).status == 403
    grant = {"grants": [{"namespace": NAMESPACE, "rights": ["read"]}]}
    assert len(desk.ask("POST", "/keys/ci/grants", grant).json["grants"]) == 2
    assert desk.ask("GET", f"/namespaces/{NAMESPACE}/states", token=token).status == 200
    assert len(desk.ask("POST", "/keys/ci/ungrant", grant).json["grants"]) == 1
    assert desk.ask("GET", f"/namespaces/{NAMESPACE}/states", token=token).status == 403


def test_a_key_is_rotated_without_a_gap(desk: Desk):
    old = desk.ask("POST", "/keys", {"name": "ci"}).json["access_key_id"]
    new = desk.ask("POST", "/keys/ci/access-keys").json["access_key_id"]
    assert [each["id"] for each in desk.ask("GET", "/keys/ci").json["credentials"]] == sorted([old, new])
    assert desk.ask("DELETE", f"/credentials/{old}").json == {"id": old}
    assert [each["id"] for each in desk.ask("GET", "/keys/ci").json["credentials"]] == [new]
    assert desk.ask("DELETE", f"/credentials/{old}").code == "principal.not_found"


def test_tokens_end_by_time_or_by_revocation(desk: Desk):
    made = desk.ask("POST", "/tokens", {"expires_in": 3600}).json
    assert made["name"] == "administrator"
    assert made["expires_at"] == "2027-01-15T09:00:00Z"
    assert desk.ask("GET", "/status", token=made["token"]).status == 200
    desk.now = NOW + 3600
    assert desk.ask("GET", "/status", token=made["token"]).code == "credential.expired"
    desk.now = NOW
    assert desk.ask("DELETE", f"/credentials/{made['id']}").status == 200
    assert desk.ask("GET", "/status", token=made["token"]).code == "credential.unknown"


def test_roles_are_listed_with_whom_they_trust(desk: Desk):
    desk.ask("POST", "/keys", {"name": "ci"})
    grants = [{"namespace": NAMESPACE, "prefix": "apps/", "rights": ["write"]}]
    role = desk.ask("POST", "/roles", {"name": "deploy", "grants": grants, "trusted": ["ci"]}).json
    assert role["arn"] == "arn:aws:iam::000000000000:role/deploy"
    assert desk.ask("GET", "/roles").json["principals"][0]["trusted"] == ["ci"]
    assert desk.ask("PUT", "/roles/deploy/trust", {"names": []}).json["trusted"] == []
    assert [each["name"] for each in desk.ask("GET", "/keys").json["principals"]] == ["administrator", "ci"]
    assert desk.ask("PUT", "/roles/ci/trust", {"names": []}).code == "principal.not_found"


def test_a_namespace_is_made_with_its_lock_table_or_not_at_all(desk: Desk):
    assert desk.ask("POST", "/namespaces", {"name": "one", "lock_table": "acme-locks"}).status == 201
    found = desk.directory.store.read(lambda tx: tx.table("acme-locks"))
    assert found is not None
    assert decode_table(found).schema.is_lock_table

    assert desk.ask("POST", "/namespaces", {"name": "two", "lock_table": "acme-locks"}).status == 201
    assert desk.directory.store.read(lambda tx: tx.table("acme-locks")) == found  # with what is in it

    other = Table("songs", "id", Schema(KeyAttribute("LockID", Kind.S), KeyAttribute("at", Kind.N)), 1.0)
    desk.directory.store.write(lambda tx: tx.save_table(encode_table(other)))
    assert desk.ask("POST", "/namespaces", {"name": "six", "lock_table": "songs"}).code == "table.exists"
    assert desk.ask("POST", "/namespaces", {"name": "six", "lock_table": "a/b"}).code == "request.invalid"
    mine = desk.token("ci", {"namespace": "six", "rights": ["admin"]})
    refused = desk.ask("POST", "/namespaces", {"name": "six", "lock_table": "six-locks"}, token=mine)
    assert refused.code == "access.denied"
    names = [each["name"] for each in desk.ask("GET", "/namespaces").json["namespaces"]]
    assert "six" not in names


def test_what_is_missing_of_a_namespace_is_made_and_what_is_there_stays(desk: Desk):
    asked = {"name": "one", "if_not_exists": True}
    made = desk.ask("POST", "/namespaces", {**asked, "region": "eu-west-1", "require_lock": True}).json
    refused = desk.ask("POST", "/namespaces", {"name": "one"})
    assert "lockhouse namespace create one --if-not-exists --lock-table TABLE" in refused.json["error"]["hint"]
    for _ in range(2):
        again = desk.ask("POST", "/namespaces", {**asked, "lock_table": "one-locks"})
        assert (again.status, again.json) == (201, made)
    assert desk.directory.store.read(lambda tx: tx.table("one-locks")) is not None

    for other, hint in (
        ({"require_lock": False}, "lockhouse namespace require-lock one --off"),
        ({"region": "us-east-2"}, "leave out --region: lockhouse namespace create one --if-not-exists"),
    ):
        refused = desk.ask("POST", "/namespaces", {**asked, **other, "lock_table": "more-locks"})
        assert (refused.code, refused.json["error"]["hint"]) == ("namespace.exists", hint)
    mine = desk.token("ci", {"namespace": "two", "rights": ["admin"]})
    assert desk.ask("POST", "/namespaces", asked, token=mine).code == "access.denied"
    assert desk.directory.store.read(lambda tx: tx.table("more-locks")) is None


def test_namespaces_are_made_listed_page_by_page_and_deleted_when_empty(desk: Desk):
    for name in ("one", "two", "six"):
        assert desk.ask("POST", "/namespaces", {"name": name}).status == 201
    first = desk.ask("GET", "/namespaces", limit="2").json
    assert [each["name"] for each in first["namespaces"]] == [NAMESPACE, "one"]
    second = desk.ask("GET", "/namespaces", limit="2", after=first["next"]).json
    assert [each["name"] for each in second["namespaces"]] == ["six", "two"]
    assert desk.ask("PATCH", "/namespaces/one", {"require_lock": True}).json["require_lock"]
    assert desk.ask("POST", "/namespaces", {"name": "one"}).code == "namespace.exists"
    assert desk.ask("POST", "/namespaces", {"name": "a"}).code == "namespace.invalid"
    assert desk.ask("DELETE", "/namespaces/one").status == 204
    desk.put(KEY, state(1))
    assert desk.ask("DELETE", f"/namespaces/{NAMESPACE}").code == "namespace.not_empty"


def test_workspaces_are_listed_and_a_state_is_given_the_name_that_its_key_does_not_settle(desk: Desk):
    where = f"/namespaces/{NAMESPACE}/workspaces"
    desk.put("app.tfstate", state(1))
    desk.put("app/terraform.tfstate", state(1))
    desk.put("net/terraform.tfstate", state(1))
    assert [(each["name"], each["key"]) for each in desk.ask("GET", where).json["workspaces"]] == [
        ("net", "net/terraform.tfstate"),
    ]
    assert desk.ask("PUT", f"{where}/app", {"key": "app/terraform.tfstate"}).json["name"] == "app"
    assert desk.ask("PUT", f"{where}/net", {"key": "app.tfstate"}).code == "workspace.exists"
    assert desk.ask("PUT", f"{where}/old", {"key": "app.tfstate"}).json["key"] == "app.tfstate"
    assert desk.ask("PUT", f"{where}/older", {"key": "app.tfstate"}).json["name"] == "older"
    assert desk.ask("PUT", f"{where}/x", {"key": "nothing"}).code == "state.not_found"
    assert desk.ask("PUT", f"{where}/a%20b", {"key": "app.tfstate"}).code == "request.invalid"
    assert [each["name"] for each in desk.ask("GET", where).json["workspaces"]] == ["app", "net", "older"]


def test_states_are_listed_shown_and_downloaded_byte_for_byte(desk: Desk):
    raw = state(3, resources=2)
    desk.put(KEY, raw)
    desk.put("other.tfstate", state(1))
    listed = desk.ask("GET", f"/namespaces/{NAMESPACE}/states").json["states"]
    assert [(each["key"], each["serial"], each["resources"]) for each in listed] == [
        ("other.tfstate", 1, 0),
        (KEY, 3, 2),
    ]
    assert desk.ask("GET", f"/namespaces/{NAMESPACE}/states", prefix="team").json["states"][0]["key"] == KEY
    page = desk.ask("GET", f"/namespaces/{NAMESPACE}/states", limit="1").json
    assert page["next"] == "other.tfstate"
    shown = desk.ask("GET", STATE, key=KEY).json
    assert (shown["current"]["serial"], shown["current"]["lineage"], shown["lock"]) == (3, "one", None)
    body = desk.ask("GET", f"{STATE}/body", key=KEY)
    assert body.body == raw
    assert body.headers["content-disposition"] == 'attachment; filename="app.tfstate"'
    assert body.headers["cache-control"] == "no-store"


def test_an_old_version_is_restored_under_a_new_serial_and_nothing_is_removed(desk: Desk):
    desk.put(KEY, state(1, resources=1))
    desk.put(KEY, state(2))
    old = desk.ask("GET", f"{STATE}/versions", key=KEY).json["versions"][1]
    made = desk.ask("POST", f"{STATE}/restore", {"key": KEY, "version": old["id"]}).json
    assert (made["serial"], made["mark"], made["resources"]) == (3, "rollback", 1)
    versions = desk.ask("GET", f"{STATE}/versions", key=KEY).json["versions"]
    assert [(each["serial"], each["current"]) for each in versions] == [(3, True), (2, False), (1, False)]
    assert desk.ask("POST", f"{STATE}/restore", {"key": KEY, "version": "9.x"}).code == "version.not_found"
    first = desk.ask("GET", f"{STATE}/versions", key=KEY, limit="1").json
    assert desk.ask("GET", f"{STATE}/versions", key=KEY, before=str(first["next"])).json["versions"] == versions[1:]


def test_a_state_with_resources_is_deleted_only_when_that_is_said_and_comes_back(desk: Desk):
    desk.put(KEY, state(1, resources=2))
    refused = desk.ask("DELETE", STATE, key=KEY)
    assert (refused.status, refused.code, refused.json["error"]["details"]) == (
        409,
        "delete.resources",
        {"resources": 2},
    )
    assert desk.ask("DELETE", STATE, key=KEY, force="true").status == 200
    assert desk.ask("DELETE", STATE, key=KEY, force="true").code == "state.not_found"
    marker, old = desk.ask("GET", f"{STATE}/versions", key=KEY).json["versions"]
    assert marker["deleted"]
    assert desk.ask("GET", f"{STATE}/body", key=KEY, version=marker["id"]).code == "version.not_found"
    assert desk.ask("POST", f"{STATE}/restore", {"key": KEY, "version": marker["id"]}).code == "request.invalid"
    assert desk.ask("POST", f"{STATE}/restore", {"key": KEY, "version": old["id"]}).json["serial"] == 2


def test_a_version_that_is_too_large_to_be_rewritten_in_memory_is_not_restored(desk: Desk, monkeypatch):
    for serial in (1, 2):
        desk.put(KEY, state(serial))
    old = desk.ask("GET", f"{STATE}/versions", key=KEY).json["versions"][1]["id"]
    monkeypatch.setattr(house, "RESTORE_BYTES", len(state(1)) - 1)
    assert desk.ask("POST", f"{STATE}/restore", {"key": KEY, "version": old}).code == "request.invalid"
    monkeypatch.setattr(house, "RESTORE_BYTES", len(state(1)))
    assert desk.ask("POST", f"{STATE}/restore", {"key": KEY, "version": old}).json["serial"] == 3


def test_an_empty_state_is_deleted_without_a_word_but_never_while_it_is_locked(desk: Desk):
    desk.put(KEY, state(1))
    desk.lock(KEY)
    assert desk.ask("DELETE", STATE, key=KEY, force="true").code == "delete.locked"
    desk.ask("POST", f"/namespaces/{NAMESPACE}/force-unlock", {"key": KEY, "reason": "test"})
    assert desk.ask("DELETE", STATE, key=KEY).status == 200


def test_a_state_may_be_told_to_need_a_lock(desk: Desk):
    desk.put(KEY, state(1))
    assert desk.ask("PATCH", STATE, {"require_lock": True}, key=KEY).json["require_lock"]
    with pytest.raises(Exception, match="only be written under a lock"):
        desk.put(KEY, state(2))
    assert not desk.ask("PATCH", STATE, {"require_lock": False}, key=KEY).json["require_lock"]


def test_what_is_not_named_in_a_change_of_a_state_stays(desk: Desk):
    desk.put(KEY, state(1))
    assert desk.ask("PATCH", STATE, {"share_customer_key": True}, key=KEY).json["share_customer_key"]
    both = desk.ask("PATCH", STATE, {"require_lock": True}, key=KEY).json
    assert (both["share_customer_key"], both["require_lock"]) == (True, True)
    assert not desk.ask("PATCH", STATE, {"share_customer_key": False}, key=KEY).json["share_customer_key"]


def test_parked_writes_are_shown_accepted_and_dropped(desk: Desk):
    desk.put(KEY, state(5))
    for raw in (state(5, resources=1), state(4, resources=1)):
        with pytest.raises(SerialConflict):
            desk.put(KEY, raw)
    found = desk.ask("GET", "/parked").json["parked"]
    assert {(each["reason"], each["current_serial"]) for each in found} == {("write.serial", 5)}
    first, second = (each["id"] for each in sorted(found, key=lambda each: -each["serial"]))
    assert desk.ask("GET", f"/parked/{first}/body").body == state(5, resources=1)
    assert desk.ask("GET", "/parked", namespace=NAMESPACE, key=KEY).json["parked"] == found
    assert desk.ask("GET", "/parked", namespace=NAMESPACE).json["parked"] == found
    assert desk.ask("GET", "/parked", namespace="nowhere-at-all").code == "namespace.not_found"
    assert desk.ask("GET", "/parked", key=KEY).code == "request.invalid"
    accepted = desk.ask("POST", f"/parked/{first}/accept").json
    assert (accepted["mark"], accepted["resources"]) == ("accepted", 1)
    assert desk.ask("GET", f"{STATE}/body", key=KEY).body == state(5, resources=1)
    assert desk.ask("DELETE", f"/parked/{second}").status == 204
    assert desk.ask("GET", f"/parked/{second}").code == "parked.not_found"
    assert desk.ask("GET", "/parked").json["parked"] == []


def test_a_lock_is_shown_with_its_history_and_taken_away_with_a_reason(desk: Desk):
    token = desk.token("runner")
    desk.put(KEY, state(1))
    desk.lock(KEY, "lock-7", token)
    (held,) = desk.ask("GET", "/locks").json["locks"]
    assert (held["key"], held["name"], held["who"], held["id"]) == (KEY, "runner", "alice@laptop", "lock-7")
    assert json.loads(held["info"])["ID"] == "lock-7"
    where = f"/namespaces/{NAMESPACE}/force-unlock"
    assert desk.ask("POST", where, {"key": KEY}).code == "request.document"
    assert desk.ask("POST", where, {"key": KEY, "reason": ""}).code == "request.document"
    assert desk.ask("POST", where, {"key": KEY, "reason": "gone", "id": "lock-8"}).code == "lock.mismatch"
    done = desk.ask("POST", where, {"key": KEY, "reason": "runner was destroyed"}).json
    assert (done["id"], done["holder"]) == ("lock-7", "runner")
    shown = desk.ask("GET", f"/namespaces/{NAMESPACE}/lock", key=KEY).json
    assert shown["held"] is None
    assert [(each["verb"], each["reason"]) for each in shown["history"]] == [
        ("forced", "runner was destroyed"),
        ("taken", ""),
    ]
    assert [(each["by"], each["lock_ids"]) for each in shown["fences"]] == [("administrator", ["lock-7"])]
    assert desk.ask("POST", where, {"key": KEY, "reason": "again"}).code == "lock.not_found"
    desk.put(KEY, state(2))
    with pytest.raises(WriteFenced):
        desk.put(KEY, state(3), token)


def test_force_unlock_needs_its_right(desk: Desk):
    token = desk.token("reader", {"namespace": NAMESPACE, "rights": ["read", "write", "lock"]})
    desk.lock(KEY)
    asked = {"key": KEY, "reason": "mine now"}
    assert desk.ask("POST", f"/namespaces/{NAMESPACE}/force-unlock", asked, token=token).code == "access.denied"
    assert len(desk.ask("GET", "/locks", token=token).json["locks"]) == 1


def test_locks_are_listed_page_by_page(desk: Desk):
    for number in range(5):
        desk.lock(f"app-{number}.tfstate", f"lock-{number}")
    found: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = desk.ask("GET", "/locks", limit="2", **more).json
        found += [each["key"] for each in page["locks"]]
        if not page["next_namespace"]:
            break
        more = {"after_namespace": page["next_namespace"], "after_key": page["next_key"]}
    assert found == [f"app-{number}.tfstate" for number in range(5)]


def test_a_backup_is_complete_and_only_for_administrators(desk: Desk):
    desk.put(KEY, state(1))
    token = desk.token("reader", {"namespace": NAMESPACE, "rights": ["admin"]})
    assert desk.ask("POST", "/backup", token=token).code == "access.denied"
    made = desk.ask("POST", "/backup").json
    assert (made["versions"], made["at"]) == (1, "2027-01-15T08:00:00Z")
    assert read_manifest(Path(made["path"])).files == ()
    assert not list(Path(made["path"]).rglob("master.key"))


def test_the_keys_are_in_a_backup_when_they_are_asked_for(desk: Desk):
    made = desk.ask("POST", "/backup", {"with_keys": True}).json
    assert set(made["files"]) == {"master.key", "credentials.json"}
    assert {each.name for each in read_manifest(Path(made["path"])).files} == {"master.key", "credentials.json"}
