"""Locks, state versions, signed uploads and outputs, as Terraform 0.12 to 1.15 and OpenTofu send them."""

from __future__ import annotations

import base64
import copy
import json

import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.principals import Grant, Right
from tests.wire.rig import EVERYTHING, state
from tests.wire.tfe.conftest import Client


@pytest.fixture
def workspace(ann):
    return ann.workspace()


def current(client: Client, workspace: str) -> bytes:
    """The bytes that a client downloads."""
    version = client.data("GET", f"workspaces/{workspace}/current-state-version")
    return download(client, version).body


def download(client: Client, version):
    url = version["attributes"]["hosted-state-download-url"].removeprefix("https://lock.test")
    return client.rig.ask("GET", url, headers=client.user.bearer)


def detail(answer) -> str:
    return answer.json()["errors"][0]["detail"]


# Locks


def test_a_lock_answers_with_the_workspace_and_a_second_one_is_a_conflict_that_names_the_way_out(ann, bob, workspace):
    locked = ann.lock(workspace)
    assert (locked.status, locked.json()["data"]["attributes"]["locked"]) == (200, True)
    for client in (ann, bob):
        refused = client.lock(workspace)
        assert refused.status == 409
        assert "ann holds the lock" in detail(refused)
        assert "terraform force-unlock acme/prod" in detail(refused)


def test_an_unlock_is_the_holders_and_may_be_repeated_for_a_while(rig, ann, bob, workspace):
    ann.lock(workspace)
    refused = bob.unlock(workspace)
    assert refused.status == 409
    assert "is locked by User ann" in detail(refused)
    assert ann.unlock(workspace).json()["data"]["attributes"]["locked"] is False
    assert ann.unlock(workspace).status == 200
    rig.now += 31
    again = ann.unlock(workspace)
    assert again.status == 409
    assert "workspace already unlocked" in detail(again)


def test_a_repeated_unlock_never_releases_somebody_elses_lock(ann, bob, workspace):
    ann.lock(workspace)
    ann.unlock(workspace)
    bob.lock(workspace)
    assert ann.unlock(workspace).status == 200
    assert ann.lock(workspace).status == 409


def test_a_force_unlock_needs_its_right_and_fences_the_holder(rig, ann, bob, workspace):
    weak = Client(rig, "weak", Grant("acme", "", (Right.READ, Right.WRITE, Right.LOCK)))
    assert bob.ask("POST", f"workspaces/{workspace}/actions/force-unlock").status == 409
    ann.lock(workspace)
    announced = ann.announce(workspace, state(1))
    assert weak.ask("POST", f"workspaces/{workspace}/actions/force-unlock").status == 403
    assert bob.ask("POST", f"workspaces/{workspace}/actions/force-unlock").status == 200
    bob.lock(workspace)
    assert bob.save(workspace, state(2)).status == 200
    for _ in range(2):
        late = ann.upload(announced, state(1))
        assert (late.status, "parked as" in detail(late)) == (409, True)
    assert ann.announce(workspace, state(3)).status == 409
    assert current(bob, workspace) == state(2)


@pytest.mark.parametrize("reason", ["Locked by Terraform", "Locked by OpenTofu", None])
def test_the_lock_of_every_client_is_shown_to_the_others(rig, ann, bob, workspace, reason):
    ann.ask("POST", f"workspaces/{workspace}/actions/lock", {"reason": reason} if reason else None)
    refused = rig.ask("LOCK", "/http/acme/prod", b'{"ID":"l-1"}', bob.user.basic)
    assert refused.status == 423
    document = refused.json()
    assert (document["Info"], document["Who"], bool(document["ID"])) == (reason or "", "ann", True)


def test_a_lock_of_another_protocol_is_seen_refused_and_forced(rig, ann, bob, workspace):
    rig.ask("LOCK", "/http/acme/prod", b'{"ID":"l-1","Who":"ann@laptop"}', ann.user.basic)
    assert bob.lock(workspace).status == 409
    assert "locked by User ann" in detail(bob.unlock(workspace))
    assert bob.ask("POST", f"workspaces/{workspace}/actions/force-unlock").status == 200
    assert bob.lock(workspace).status == 200


def test_the_two_ends_of_a_migration_share_the_lock_for_the_same_principal_peer_and_minute(rig, ann, bob, workspace):
    source = b'{"ID":"l-1","Operation":"migration source state","Who":"ann@laptop"}'
    rig.ask("LOCK", "/http/acme/prod", source, ann.user.basic)
    far = copy.copy(ann)
    far.peer = "198.51.100.7"
    assert far.lock(workspace).status == 409
    assert bob.lock(workspace).status == 409
    assert ann.lock(workspace).status == 200
    assert ann.lock(workspace).status == 409
    assert ann.save(workspace, state(1)).status == 200
    assert ann.unlock(workspace).status == 200
    assert bob.lock(workspace).status == 409
    assert rig.ask("UNLOCK", "/http/acme/prod", source, ann.user.basic).status == 200
    assert bob.lock(workspace).status == 200


def test_after_a_minute_a_workspace_lock_is_no_other_end_of_a_migration(rig, ann, workspace):
    rig.ask("LOCK", "/http/acme/prod", b'{"ID":"l-1","Operation":"migration source state"}', ann.user.basic)
    rig.now += 61
    assert ann.lock(workspace).status == 409


# State versions


def test_a_state_is_announced_uploaded_and_read_back_byte_for_byte(ann, workspace):
    ann.lock(workspace)
    announced = ann.announce(workspace, state(1))
    version = announced.json()["data"]
    assert (announced.status, version["attributes"]["status"]) == (201, "pending")
    assert announced.headers["x-terraform-snapshot-interval"] == "30"
    assert ann.ask("GET", f"workspaces/{workspace}/current-state-version").status == 404
    assert ann.upload(announced, state(1)).status == 200
    assert ann.upload(announced, b'{"any":"thing"}', "hosted-json-state-upload-url").status == 200
    again = ann.data("GET", f"state-versions/{version['id']}")
    assert (again["id"], again["attributes"]["status"], again["attributes"]["serial"]) == (
        version["id"],
        "finalized",
        1,
    )
    assert ann.data("GET", f"workspaces/{workspace}/current-state-version")["id"] == version["id"]
    assert current(ann, workspace) == state(1)


def test_older_clients_send_the_state_inside_the_document(ann, workspace):
    ann.lock(workspace)
    answer = ann.save_inline(workspace, state(0))
    assert (answer.status, answer.json()["data"]["attributes"]["status"]) == (201, "finalized")
    assert current(ann, workspace) == state(0)
    wrong = ann.save_inline(workspace, state(1), md5="0" * 32)
    assert wrong.status == 422
    assert ann.announce(workspace, state(1), state="!").status == 422


def test_a_write_needs_the_callers_own_lock(ann, bob, workspace):
    for client, locked in ((ann, False), (bob, True)):
        if locked:
            ann.lock(workspace)
        for save in (client.announce, client.save_inline):
            assert save(workspace, state(1)).status == 409
    assert ann.ask("GET", f"workspaces/{workspace}/current-state-version").status == 404


def test_serial_and_lineage_are_held_to_the_rule_unless_it_is_a_forced_push(ann, workspace):
    ann.lock(workspace)
    ann.save(workspace, state(5))
    assert ann.announce(workspace, state(4)).status == 409
    assert ann.announce(workspace, state(5, name="other")).status == 409
    assert ann.announce(workspace, state(6, lineage="other")).status == 409
    assert ann.save_inline(workspace, state(4)).status == 409
    assert ann.save(workspace, state(5)).status == 200
    assert ann.save(workspace, state(4, lineage="other"), force=True).status == 200
    assert current(ann, workspace) == state(4, lineage="other")


def test_who_may_apply_and_not_write_saves_what_moves_forward_and_forces_nothing(rig, ann, workspace):
    ann.lock(workspace)
    ann.save(workspace, state(5))
    ann.unlock(workspace)
    applier = Client(rig, "applier", Grant("acme", "", (Right.APPLY,)))
    applier.lock(workspace)
    for save in (applier.announce, applier.save_inline):
        refused = save(workspace, state(4), force=True)
        assert refused.status == 403
        assert "no grant of 'write' there" in detail(refused)
    assert applier.save(workspace, state(6)).status == 200
    assert current(ann, workspace) == state(6)
    assert applier.unlock(workspace).status == 200


def test_an_upload_address_takes_only_the_announced_bytes_and_takes_them_again(rig, ann, workspace):
    ann.lock(workspace)
    announced = ann.announce(workspace, state(1))
    for body in (state(1)[:-1], state(2), b"", b"{}"):
        assert ann.upload(announced, body).status in (400, 422)
    assert ann.upload(announced, state(1)[:50], cut=True).status == 400
    assert ann.ask("GET", f"workspaces/{workspace}/current-state-version").status == 404
    assert ann.upload(announced, state(1)).status == 200
    assert ann.upload(announced, state(1)).status == 200
    ann.unlock(workspace)
    assert ann.upload(announced, state(1)).status == 200
    assert ann.upload(announced, state(2)).status == 422
    assert len(ann.data("GET", f"workspaces/{workspace}/state-versions")) == 1


def test_an_announcement_whose_bytes_are_another_state_is_refused(ann, workspace):
    ann.lock(workspace)
    announced = ann.announce(workspace, state(3), serial=2)
    assert ann.upload(announced, state(3)).status == 422
    assert ann.ask("GET", f"workspaces/{workspace}/current-state-version").status == 404


def test_no_byte_of_an_upload_address_can_be_changed(rig, ann, workspace):
    ann.lock(workspace)
    announced = ann.announce(workspace, state(1))
    url = announced.json()["data"]["attributes"]["hosted-state-upload-url"].removeprefix("https://lock.test")
    start = len("/api/v2/state-uploads/")
    for place in range(start, len(url)):
        changed = url[:place] + ("A" if url[place] != "A" else "B") + url[place + 1 :]
        if changed[start:].rstrip("=") and base64_bytes(changed[start:]) != base64_bytes(url[start:]):
            assert rig.ask("PUT", changed, state(1)).status == 404
    assert rig.ask("PUT", "/api/v2/state-uploads/x", state(1)).status == 404
    assert ann.upload(announced, state(1)).status == 200


def base64_bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_an_upload_address_ends_with_its_time_its_lock_and_its_grant(rig, ann, workspace):
    ann.lock(workspace)
    late = ann.announce(workspace, state(1))
    rig.now += 901
    assert ann.upload(late, state(1)).status == 404
    released = ann.announce(workspace, state(1))
    ann.unlock(workspace)
    assert ann.upload(released, state(1)).status == 409
    ann.lock(workspace)
    revoked = ann.announce(workspace, state(1))
    rig.revoke(ann.user)
    assert ann.upload(revoked, state(1)).status == 401


def test_a_discarded_announcement_says_so(ann, workspace):
    ann.lock(workspace)
    pending = ann.announce(workspace, state(1)).json()["data"]["id"]
    ann.unlock(workspace)
    assert ann.data("GET", f"state-versions/{pending}")["attributes"]["status"] == "discarded"
    assert ann.ask("GET", f"state-versions/{pending}/download").status == 404


def test_downloads_need_the_bearer_token_and_a_grant(rig, ann, workspace):
    ann.lock(workspace)
    ann.save(workspace, state(1))
    version = ann.data("GET", f"workspaces/{workspace}/current-state-version")
    url = version["attributes"]["hosted-state-download-url"].removeprefix("https://lock.test")
    assert rig.ask("GET", url).status == 401
    other = Client(rig, "other", Grant("acme", "elsewhere", EVERYTHING))
    assert rig.ask("GET", url, headers=other.user.bearer).status == 404


def test_versions_are_listed_newest_first_and_rolled_back_under_the_lock(ann, bob, workspace):
    ann.lock(workspace)
    for serial in (1, 2, 3):
        ann.save(workspace, state(serial))
    listed = ann.data("GET", f"workspaces/{workspace}/state-versions")
    assert [each["attributes"]["serial"] for each in listed] == [3, 2, 1]
    where = (
        "state-versions?filter%5Borganization%5D%5Bname%5D=acme&filter%5Bworkspace%5D%5Bname%5D=prod&page%5Bsize%5D=1"
    )
    page = ann.ask("GET", where).json()
    assert (page["data"][0]["id"], page["meta"]["pagination"]["total-count"]) == (listed[0]["id"], 3)
    relation = {"rollback-state-version": {"data": {"type": "state-versions", "id": listed[2]["id"]}}}
    body = {"data": {"type": "state-versions", "relationships": relation}}
    assert bob.ask("PATCH", f"workspaces/{workspace}/state-versions", body).status == 409
    back = ann.data("PATCH", f"workspaces/{workspace}/state-versions", body, 201)
    assert back["attributes"]["serial"] == 4
    assert json.loads(current(ann, workspace)) == json.loads(state(1)) | {"serial": 4}


def test_soft_deleted_data_cannot_be_downloaded_until_it_is_restored(ann, workspace):
    ann.lock(workspace)
    for serial in (1, 2):
        ann.save(workspace, state(serial))
    new, old = ann.data("GET", f"workspaces/{workspace}/state-versions")
    where = f"state-versions/{old['id']}"
    assert ann.ask("POST", f"state-versions/{new['id']}/actions/soft_delete_backing_data").status == 422
    hidden = ann.data("POST", f"{where}/actions/soft_delete_backing_data")
    assert hidden["attributes"]["status"] == "backing_data_soft_deleted"
    assert download(ann, old).status == 404
    ann.data("POST", f"{where}/actions/restore_backing_data")
    assert download(ann, old).body == state(1)


def test_a_state_that_opentofu_encrypts_is_opaque_and_valid(ann, workspace):
    body = b'{"serial":1,"lineage":"lin","meta":{},"encrypted_data":"AAAA","encryption_version":"v0"}'
    ann.lock(workspace)
    assert ann.save(workspace, body).status == 200
    assert current(ann, workspace) == body
    assert ann.data("GET", f"workspaces/{workspace}/current-state-version-outputs") == []


# Outputs


def with_outputs(serial: int = 1) -> bytes:
    document = json.loads(state(serial))
    document["outputs"] = {
        "name": {"value": "x", "type": "string"},
        "secret": {"value": "y", "type": "string", "sensitive": True},
        "list": {"value": ["a", 1], "type": ["tuple", ["string", "number"]]},
        "object": {"value": {"a": True}, "type": ["object", {"a": "bool"}]},
    }
    return json.dumps(document).encode()


def test_outputs_have_exact_types_and_hide_sensitive_values_in_lists(ann, workspace):
    assert ann.data("GET", f"workspaces/{workspace}/current-state-version-outputs") == []
    ann.lock(workspace)
    ann.save(workspace, with_outputs())
    listed = ann.data("GET", f"workspaces/{workspace}/current-state-version-outputs")
    found = {each["attributes"]["name"]: each["attributes"] for each in listed}
    assert found["name"] == {
        "name": "name",
        "sensitive": False,
        "type": "string",
        "value": "x",
        "detailed-type": "string",
    }
    assert (found["secret"]["value"], found["secret"]["sensitive"]) == (None, True)
    assert found["list"]["detailed-type"] == ["tuple", ["string", "number"]]
    assert found["object"]["value"] == {"a": True}
    secret = next(each["id"] for each in listed if each["attributes"]["sensitive"])
    assert ann.data("GET", f"state-version-outputs/{secret}")["attributes"]["value"] == "y"
    version = ann.data("GET", f"workspaces/{workspace}/current-state-version")["id"]
    assert ann.data("GET", f"state-versions/{version}/outputs") == listed
    included = ann.ask("GET", f"state-versions/{version}?include=outputs,created_by").json()["included"]
    assert {each["type"] for each in included} == {"state-version-outputs", "users"}
    shown = ann.ask("GET", "organizations/acme/workspaces/prod?include=outputs").json()["included"]
    assert {each["type"] for each in shown} == {"workspace-outputs"}
    assert (
        ann.data("GET", f"state-version-outputs/{shown[0]['id']}")["attributes"]["name"]
        == shown[0]["attributes"]["name"]
    )


def test_who_may_read_outputs_only_is_given_a_state_with_nothing_else(rig, ann, workspace):
    reader = Client(rig, "reader", Grant("acme", "prod", (Right.READ_OUTPUTS,)))
    ann.lock(workspace)
    ann.save(workspace, with_outputs())
    assert len(reader.data("GET", f"workspaces/{workspace}/current-state-version-outputs")) == 4
    version = reader.data("GET", f"workspaces/{workspace}/current-state-version")
    body = json.loads(download(reader, version).body)
    assert body["resources"] == []
    assert body["outputs"] == json.loads(with_outputs())["outputs"]
    assert (body["serial"], body["lineage"], body["version"]) == (1, "lin", 4)
    over_http = rig.ask("GET", "/http/acme/prod", headers=reader.user.basic)
    assert json.loads(over_http.body) == body
    assert version["attributes"]["size"] == len(over_http.body)
    assert reader.lock(workspace).status == 403
    assert reader.ask("GET", f"workspaces/{workspace}/state-versions").status == 403
    assert reader.ask("DELETE", f"workspaces/{workspace}").status == 403
    for path in ("workspaces/{0}", "workspaces/{0}/relationships/tags"):
        assert reader.ask("GET", path.format(workspace)).status == 200
    assert rig.ask("POST", "/http/acme/prod", state(2), reader.user.basic).status == 403


def test_an_encrypted_state_is_not_shown_to_who_may_read_outputs_only(rig, ann, workspace):
    reader = Client(rig, "reader", Grant("acme", "prod", (Right.READ_OUTPUTS,)))
    ann.lock(workspace)
    ann.save(workspace, b'{"serial":1,"lineage":"lin","meta":{},"encrypted_data":"AAAA","encryption_version":"v0"}')
    assert rig.ask("GET", "/http/acme/prod", headers=reader.user.basic).status == 403
    assert reader.ask("GET", f"workspaces/{workspace}/current-state-version").status == 403


def test_the_resources_of_the_current_state_are_listed_with_their_addresses(ann, workspace):
    assert ann.ask("GET", f"workspaces/{workspace}/resources").json()["data"] == []
    provider = 'provider["registry.terraform.io/hashicorp/aws"]'
    resources = [
        {"mode": "managed", "type": "aws_vpc", "name": "main", "provider": provider, "instances": [{"attributes": {}}]},
        {
            "mode": "data",
            "module": "module.net",
            "type": "aws_ami",
            "name": "each",
            "provider": provider,
            "instances": [{"index_key": 0}, {"index_key": "a"}],
        },
    ]
    ann.lock(workspace)
    ann.save(workspace, json.dumps(json.loads(state(1)) | {"resources": resources}).encode())
    page = ann.ask("GET", f"workspaces/{workspace}/resources?page%5Bsize%5D=2").json()
    shown = [(each["attributes"]["address"], each["attributes"]["name-index"]) for each in page["data"]]
    assert shown == [("aws_vpc.main", None), ("module.net.data.aws_ami.each[0]", "0")]
    assert page["meta"]["pagination"]["total-count"] == 3
    first = page["data"][0]
    assert (first["type"], first["attributes"]["provider"]) == ("resources", "registry.terraform.io/hashicorp/aws")
    assert page["data"][1]["attributes"]["module"] == "net"


def test_a_workspace_is_rolled_back_to_a_version_of_its_own_alone(ann, workspace):
    other = ann.workspace("other")
    for each in (workspace, other):
        ann.lock(each)
        ann.save(each, state(1, lineage=each))
    pending = ann.announce(workspace, state(2, lineage=workspace)).json()["data"]["id"]
    foreign = ann.data("GET", f"workspaces/{other}/current-state-version")["id"]
    for version in (foreign, pending, "sv-nothing", foreign[:-1]):
        relation = {"rollback-state-version": {"data": {"type": "state-versions", "id": version}}}
        document = {"data": {"type": "state-versions", "relationships": relation}}
        assert ann.ask("PATCH", f"workspaces/{workspace}/state-versions", document).status == 404, version
    assert current(ann, workspace) == state(1, lineage=workspace)


def test_a_state_inside_the_document_is_under_the_same_rules(rig, ann, workspace):
    ann.lock(workspace)
    assert ann.save_inline(workspace, state(3)).status == 201
    assert ann.save_inline(workspace, state(2)).status == 409
    assert ann.save_inline(workspace, state(2, lineage="other"), force=True).status == 201
    assert current(ann, workspace) == state(2, lineage="other")
    assert ann.announce(workspace, state(4), state=base64.b64encode(state(4)).decode() + "!").status == 422
    assert ann.save_inline(workspace, state(4), md5="0" * 32).status in (409, 422)
    reader = Client(rig, "reader", Grant("acme", "", (Right.READ, Right.LOCK)))
    assert reader.save_inline(workspace, state(4)).status == 403
    assert current(ann, workspace) == state(2, lineage="other")


def test_versions_are_listed_of_one_named_workspace_in_pages_and_by_status(ann, workspace):
    ann.lock(workspace)
    for serial in (1, 2, 3):
        ann.save(workspace, state(serial))

    def listed(query: str):
        answer = ann.ask("GET", f"state-versions?{query}")
        assert answer.status == 200, answer.body
        return [each["attributes"]["serial"] for each in answer.json()["data"]]

    named = "filter%5Borganization%5D%5Bname%5D=acme&filter%5Bworkspace%5D%5Bname%5D=prod"
    pages = [listed(f"{named}&page%5Bsize%5D=2&page%5Bnumber%5D={number}") for number in (1, 2, 3)]
    assert pages == [[3, 2], [1], []]
    assert listed(f"{named}&filter%5Bstatus%5D=finalized") == [3, 2, 1]
    assert listed(f"{named}&filter%5Bstatus%5D=pending") == []
    for half in named.split("&"):
        assert ann.ask("GET", f"state-versions?{half}").status == 422


def test_a_force_unlock_of_the_own_lock_fences_it_too(rig, ann, workspace):
    ann.lock(workspace)
    announced = ann.announce(workspace, state(1))
    assert ann.ask("POST", f"workspaces/{workspace}/actions/force-unlock").status == 200
    late = ann.upload(announced, state(1))
    assert (late.status, "parked as" in detail(late)) == (409, True)
    address = Address("acme", "prod")
    record, events = rig.store.read(lambda tx: (tx.lock(tx.state(address)), tx.lock_events(tx.state(address))))
    assert len(record.fences) == 1
    assert (events[0].verb, events[0].reason) == ("forced", "force-unlock of the workspace")


def test_the_json_form_of_a_state_is_dropped_and_no_longer_than_a_body_may_be(rig, ann, workspace):
    ann.lock(workspace)
    announced = ann.announce(workspace, state(1))
    where = "hosted-json-state-upload-url"
    assert ann.upload(announced, b"{}", where).status == 200
    limit = rig.house.max_body
    piece = bytes(1024 * 1024)
    assert limit % len(piece) == 0
    whole = [piece] * (limit // len(piece))
    assert ann.upload(announced, whole, where).status == 200
    assert ann.upload(announced, [*whole, b"x"], where).status == 422
    assert ann.ask("GET", f"workspaces/{workspace}/current-state-version").status == 404
