"""Requests as Terraform and OpenTofu send them to `backend "http"` (PROTOCOLS 3), and what must come back."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.principals import Grant, Right
from lockhouse.errors import ALL_PROBLEMS
from lockhouse.protocols.http.room import HttpRoom
from lockhouse.protocols.http.wire import STATUSES
from tests.wire.rig import EVERYTHING, Rig, state

WHERE = "/http/acme/app/prod"


def lock(lock_id: str, operation: str = "OperationTypeApply") -> bytes:
    document = {
        "ID": lock_id,
        "Operation": operation,
        "Info": "",
        "Who": "ann@laptop",
        "Version": "1.15.5",
        "Created": "2026-11-22T10:00:00.5Z",
        "Path": "",
    }
    return json.dumps(document, separators=(",", ":")).encode()


def md5(body: bytes) -> dict[str, str]:
    return {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode(), "content-type": "application/json"}


class Client:
    """One user, as Terraform acts for them."""

    def __init__(self, rig: Rig, name: str, *grants: Grant, where: str = WHERE) -> None:
        self.rig, self.user, self.where = rig, rig.user(name, *grants), where

    def get(self, query: str = ""):
        return self.rig.ask("GET", self.where + query, headers=self.user.basic)

    def lock(self, lock_id: str, operation: str = "OperationTypeApply"):
        body = lock(lock_id, operation)
        return self.rig.ask("LOCK", self.where, body, self.user.basic | md5(body))

    def unlock(self, lock_id: str = ""):
        body = lock(lock_id) if lock_id else b""
        return self.rig.ask("UNLOCK", self.where, body, self.user.basic | md5(body))

    def post(self, body: bytes, lock_id: str = "", method: str = "POST"):
        query = f"?ID={lock_id}" if lock_id else ""
        return self.rig.ask(method, self.where + query, body, self.user.basic | md5(body))


@pytest.fixture
def ann(rig):
    return Client(rig, "ann")


@pytest.fixture
def bob(rig):
    return Client(rig, "bob")


def test_the_table_answers_every_problem_and_says_not_found_only_of_what_a_client_may_create():
    assert set(STATUSES) == set(ALL_PROBLEMS)
    assert {code for code, status in STATUSES.items() if status == 404} == {
        "state.not_found", "state.deleted", "version.not_found", "parked.not_found", "lock.not_found",
    }  # fmt: skip


def test_a_whole_run_reads_nothing_locks_writes_under_its_lock_and_unlocks(ann):
    assert ann.get().status == 404
    assert ann.lock("l-1").status == 200
    body = state(1)
    assert ann.post(body, "l-1").status == 200
    assert ann.unlock("l-1").status == 200
    answer = ann.get()
    assert (answer.status, answer.body) == (200, body)
    assert answer.headers["content-md5"] == md5(body)["content-md5"]


def test_a_second_lock_is_refused_with_the_holders_whole_document(ann, bob):
    ann.lock("l-1")
    refused = bob.lock("l-2")
    assert refused.status == 423
    document = refused.json()
    assert list(document) == ["ID", "Operation", "Info", "Who", "Version", "Created", "Path"]
    assert (document["ID"], document["Who"], document["Version"]) == ("l-1", "ann@laptop", "1.15.5")


def test_a_lock_whose_answer_was_lost_is_granted_again(ann):
    assert ann.lock("l-1").status == 200
    assert ann.lock("l-1").status == 200


def test_another_user_does_not_get_a_lock_by_naming_its_id(ann, bob):
    ann.lock("l-1")
    assert bob.lock("l-1").status == 423


def test_a_lock_body_without_an_id_is_refused(rig, ann):
    for body in (b"", b"{}", b'{"ID":""}', b"[]", b"not json"):
        assert rig.ask("LOCK", WHERE, body, ann.user.basic).status == 400
    assert ann.lock("l-1").status == 200


def test_unlocking_nothing_and_unlocking_again_are_successes(ann):
    assert ann.unlock("l-1").status == 200
    ann.lock("l-1")
    assert ann.unlock("l-1").status == 200
    assert ann.unlock("l-1").status == 200


def test_unlocking_with_another_id_is_refused_and_names_the_holder(ann, bob):
    ann.lock("l-1")
    refused = bob.unlock("l-2")
    assert (refused.status, refused.json()["ID"]) == (409, "l-1")
    assert bob.lock("l-3").status == 423


def test_the_unlock_that_opentofu_forces_names_the_id_and_releases_it(rig, ann, bob):
    ann.lock("l-1")
    zero = json.loads(lock("l-1")) | {"Operation": "", "Who": "", "Version": "", "Created": "0001-01-01T00:00:00Z"}
    assert rig.ask("UNLOCK", WHERE, json.dumps(zero).encode(), bob.user.basic).status == 200
    assert bob.lock("l-2").status == 200


def test_an_empty_unlock_forces_the_lock_for_who_may_and_fences_its_holder(rig, ann, bob):
    ann.lock("l-1")
    ann.post(state(1), "l-1")
    assert bob.unlock("").status == 200
    assert bob.lock("l-2").status == 200
    assert bob.post(state(2), "l-2").status == 200
    late = ann.post(state(3), "l-1")
    assert (late.status, late.json()["code"]) == (409, "write.fenced")
    assert "parked" in late.json()["message"]
    assert bob.get().body == state(2)


def test_an_empty_unlock_is_refused_to_who_may_not_force(rig, ann):
    weak = Client(rig, "weak", Grant("acme", "", (Right.READ, Right.WRITE, Right.LOCK)))
    ann.lock("l-1")
    assert weak.unlock("").status == 403
    assert weak.lock("l-2").status == 423


def test_a_body_that_is_no_lock_document_never_forces(rig, ann, bob):
    ann.lock("l-1")
    assert rig.ask("UNLOCK", WHERE, b"{}", bob.user.basic).status == 400
    assert bob.lock("l-2").status == 423


def test_a_write_that_names_no_lock_is_refused_while_another_credential_holds_it(ann, bob):
    ann.lock("l-1")
    refused = bob.post(state(1))
    assert (refused.status, refused.json()["code"]) == (423, "write.locked")
    assert bob.get().status == 404


def test_a_write_that_names_a_lock_that_is_gone_is_refused(ann):
    assert ann.post(state(1), "l-9").status == 409


def test_identical_bytes_again_are_a_success_and_an_older_serial_is_not(ann):
    ann.lock("l-1")
    assert ann.post(state(2), "l-1").status == 200
    assert ann.post(state(2), "l-1").status == 200
    assert ann.post(state(1), "l-1").json()["code"] == "write.serial"
    assert ann.post(state(3, lineage="other"), "l-1").json()["code"] == "write.lineage"
    assert ann.get().body == state(2)


def test_a_state_push_may_go_back_because_its_lock_says_so(ann):
    ann.lock("l-1")
    ann.post(state(5), "l-1")
    ann.unlock("l-1")
    ann.lock("l-2", "state-push")
    assert ann.post(state(4), "l-2").status == 200


def test_an_encrypted_state_is_taken_and_returned_byte_for_byte(ann):
    body = b'{"serial":1,"lineage":"lin","meta":{},"encrypted_data":"AAAA","encryption_version":"v0"}'
    assert ann.post(body).status == 200
    assert ann.get().body == body


@pytest.mark.parametrize("body", [b"", b"{", b"null", b'{"a":1}', state(1)[:-3], b"<html></html>"])
def test_a_body_that_is_no_whole_state_never_becomes_current(ann, body):
    assert ann.post(body).status == 400
    assert ann.get().status == 404


def test_a_body_that_was_changed_on_the_way_is_refused(rig, ann):
    assert rig.ask("POST", WHERE, state(1), ann.user.basic | md5(state(2))).status == 400
    assert rig.ask("POST", WHERE, state(1), ann.user.basic | {"content-md5": "x"}).status == 400
    assert rig.ask("LOCK", WHERE, lock("l"), ann.user.basic | md5(b"")).status == 400
    assert ann.get().status == 404


def test_a_body_that_is_cut_off_at_any_byte_changes_nothing(rig, ann):
    body = state(1)
    for size in range(0, len(body), 7):
        assert rig.ask("POST", WHERE, body[:size], ann.user.basic, cut=True).status == 400
    assert ann.get().status == 404
    assert ann.post(body).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_every_update_method_writes(ann, method):
    assert ann.post(state(1), method=method).status == 200
    assert ann.get().body == state(1)


def test_lock_addresses_with_post_and_delete_work(rig, ann, bob):
    body = lock("l-1")
    assert rig.ask("POST", WHERE + "/lock", body, ann.user.basic).status == 200
    assert bob.lock("l-2").status == 423
    assert rig.ask("GET", WHERE + "/lock", headers=bob.user.basic).json()["ID"] == "l-1"
    assert rig.ask("DELETE", WHERE + "/lock", body, ann.user.basic).status == 200
    assert bob.lock("l-2").status == 200


def test_the_past_is_read_by_version_and_by_serial(ann):
    first = ann.post(state(1)).headers["x-lockhouse-version"]
    ann.post(state(2))
    assert ann.get(f"?version={first}").body == state(1)
    assert ann.get("?serial=1").body == state(1)
    assert ann.get("?serial=2").body == state(2)
    assert ann.get("?serial=9").status == 404
    assert ann.get("?version=1.nope").status == 404
    assert ann.get("?serial=x").status == 400


def test_a_deleted_state_is_absent_and_a_held_lock_prevents_the_deletion(rig, ann):
    ann.post(state(1))
    ann.lock("l-1")
    assert rig.ask("DELETE", WHERE, headers=ann.user.basic).status == 423
    ann.unlock("l-1")
    assert rig.ask("DELETE", WHERE, headers=ann.user.basic).status == 200
    assert ann.get().status == 404


def test_strangers_get_401_and_the_ungranted_403_whether_or_not_there_is_a_state(rig, ann):
    ann.post(state(1))
    weak = Client(rig, "weak", Grant("acme", "other/", EVERYTHING))
    for where in (WHERE, "/http/acme/nothing"):
        for method in ("GET", "POST", "DELETE", "LOCK", "UNLOCK"):
            body = lock("l") if method == "LOCK" else state(2)
            assert rig.ask(method, where, body).status == 401
            assert rig.ask(method, where, body, {"authorization": "Basic eDp5"}).status == 401
            assert rig.ask(method, where, body if method != "UNLOCK" else b"", weak.user.basic).status == 403
    assert ann.get().body == state(1)


def test_a_missing_namespace_is_never_taken_for_a_missing_state(rig, ann):
    assert rig.ask("GET", "/http/nowhere/app", headers=ann.user.basic).status == 400
    assert rig.ask("GET", "/http/acme/", headers=ann.user.basic).status == 400
    assert rig.ask("GET", "/http/acme", headers=ann.user.basic).status == 400


def test_every_way_to_present_a_credential_is_understood(rig, ann):
    user = ann.user
    pair = base64.b64encode(f"{user.key}:{user.secret}".encode()).decode()
    for headers in (user.basic, user.bearer, {"authorization": f"Basic {pair}"}):
        assert rig.ask("GET", WHERE, headers=headers).status == 404
    wrong = base64.b64encode(f"{user.key}:{user.secret}x".encode()).decode()
    for text in (f"Basic {wrong}", "Bearer lkh_x", "Basic !", "Digest x", ""):
        answer = rig.ask("GET", WHERE, headers={"authorization": text})
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")


def test_names_are_compared_byte_for_byte(rig, ann):
    ann.post(state(1))
    for other in ("/http/acme/app//prod", "/http/acme/App/prod", "/http/acme/app/prod/", "/http/acme/app%2Fprod%20"):
        assert rig.ask("GET", other, headers=ann.user.basic).status == 404
    assert rig.ask("GET", "/http/acme/app%2Fprod", headers=ann.user.basic).status == 200


def test_an_unknown_method_is_told_what_is_known(rig, ann):
    answer = rig.ask("PROPFIND", WHERE, headers=ann.user.basic)
    assert (answer.status, "LOCK" in answer.headers["allow"]) == (405, True)


def test_a_lock_document_that_is_too_large_is_refused(rig, ann):
    assert rig.ask("LOCK", WHERE, b" " * 70_000, ann.user.basic).status == 413


def test_a_held_lock_request_is_granted_when_the_lock_is_released(tmp_path):
    rig = Rig(tmp_path, lock_wait=20.0)
    try:
        rig.mount(b"/http/", HttpRoom(rig.house, rig.authenticator, lambda: rig.now))
        ann, bob = Client(rig, "ann"), Client(rig, "bob")
        ann.lock("l-1")
        waiting = rig.start("LOCK", WHERE, lock("l-2"), bob.user.basic)
        while not rig.house.locking.waiting.queue(Address("acme", "app/prod")):
            pass
        ann.unlock("l-1")
        assert waiting.result(10).status == 200
        assert bob.unlock("l-2").status == 200
    finally:
        rig.close()


def test_a_server_that_ends_holds_no_request_for_a_lock(tmp_path):
    """Neither those that it held, nor one that comes now: both are refused at once, and their clients ask again."""
    rig = Rig(tmp_path, lock_wait=600.0)
    rig.mount(b"/http/", HttpRoom(rig.house, rig.authenticator, lambda: rig.now))
    try:
        ann, bob = Client(rig, "ann"), Client(rig, "bob")
        ann.lock("l-1")
        held = rig.start("LOCK", WHERE, lock("l-2"), bob.user.basic)
        while not rig.house.locking.waiting.count:
            pass
        rig.loop.call_soon_threadsafe(rig.house.locking.waiting.end_all)
        assert held.result(30).status == 423
        assert bob.lock("l-3").status == 423
    finally:
        rig.close()
