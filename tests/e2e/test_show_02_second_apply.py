"""Show 2: a second apply during the first is refused with the holder's whole lock document, or succeeds in turn."""

from __future__ import annotations

import json
import re

import pytest

from tests.e2e.clouds import Lockhouse
from tests.e2e.scenarios.configurations import outputs, resources
from tests.e2e.terraform import NEWEST, LockMode, S3Backend, covering_clients, lock_modes, number, plans_from_its_state
from tests.e2e.toolchain.clients import terraform_versions

KEY = "infrastructure/terraform.tfstate"

COVERING = covering_clients()
ALL = [(version, mode) for version in terraform_versions(soak=True) for mode in lock_modes(version)]

CLIENTS = pytest.mark.parametrize(
    ("version", "mode"),
    [
        pytest.param(*pair, marks=() if pair in COVERING else pytest.mark.soak, id=f"{pair[0]}-{pair[1]}")
        for pair in ALL
    ],
)


@pytest.fixture(scope="module")
def patient_lockhouse(tmp_path_factory):
    """A server that holds the lock requests which it cannot grant."""
    server = Lockhouse(tmp_path_factory.mktemp("patient"), settings={"LOCKHOUSE_LOCK_WAIT": "30"})
    yield server
    try:
        server.stop()
    finally:
        server.abandon()


def lock_request(mode: LockMode, place) -> str:
    """The request with which a client of that mode asks for the lock, as the proxy names it."""
    return f"PUT /{place.bucket}/{KEY}.tflock" if mode.lockfile else "DynamoDB PutItem"


def holder_request(mode: LockMode, place) -> str:
    """The request with which a refused client reads who holds the lock."""
    return f"GET /{place.bucket}/{KEY}.tflock" if mode.lockfile else "DynamoDB GetItem"


@CLIENTS
def test_a_second_apply_is_refused_with_the_holder_or_comes_in_turn_with_a_lock_timeout(
    cloud, developer, gate, proxy, version, mode
):
    place = cloud.new_place()
    block = S3Backend(place, KEY, mode, {"encrypt": True})
    line = proxy(cloud.endpoint)
    alice = developer("alice", cloud=cloud, version=version).backend(block)
    alice.write("main.tf", gate.hcl + outputs(who="alice"))
    bob = developer("bob", cloud=cloud, version=version).backend(block, endpoint=line.endpoint)
    bob.write("main.tf", outputs(who="bob"))
    alice.init()
    bob.init()

    running = alice.start_apply()
    gate.wait(running)
    held = cloud.lock_ids(place, KEY)
    refused = bob.run("apply", "-auto-approve", "-input=false")
    line.behave()
    patient = bob.start_apply("-lock-timeout=60s")
    line.wait_until_answered(lock_request(mode, place), 412 if mode.lockfile else 400)
    line.wait_until_answered(holder_request(mode, place), 200)  # a client that finds the lock gone here does not retry
    gate.open()

    assert refused.code == 1, refused.report()
    assert re.search("Error (acquiring|locking) (the )?state( lock)?", refused.text), refused.report()
    (holder,) = held
    info = {name: value.strip() for name, value in re.findall(r"(\w+): +(\S.*)", refused.stdout + refused.stderr)}
    assert info["ID"] == holder
    assert info["Path"] == f"{place.bucket}/{KEY}"
    assert info["Operation"] == "OperationTypeApply"
    assert info["Version"].startswith(version.partition("-")[0])
    assert re.match(r"\w+@\S+", info["Who"])
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", info["Created"])
    alice.finish(running).ok()
    assert re.search('who = "?bob', bob.finish(patient).ok().stdout)
    if plans_from_its_state(version):
        first, second = (state["serial"] for state in cloud.versions(place, KEY))
        assert second == first + 1
    assert cloud.lock_ids(place, KEY) == set()


@CLIENTS
def test_a_second_apply_waits_its_turn_without_any_option(patient_lockhouse, developer, gate, proxy, version, mode):
    cloud = patient_lockhouse.cloud
    place = cloud.new_place()
    block = S3Backend(place, KEY, mode)
    line = proxy(cloud.endpoint)
    alice = developer("alice", cloud=cloud, version=version).backend(block)
    alice.write("main.tf", gate.hcl + outputs(who="alice")).init()
    bob = developer("bob", cloud=cloud, version=version).backend(block, endpoint=line.endpoint)
    bob.write("main.tf", outputs(who="bob")).init()

    first = alice.start_apply()
    gate.wait(first)
    second = bob.start_apply()
    line.wait_until_asked(lock_request(mode, place))
    assert second.running
    gate.open()

    alice.finish(first).ok()
    assert re.search('who = "?bob', bob.finish(second).ok().stdout)
    refusals = [seen for seen in line.seen() if seen.status in {400, 412}]
    assert refusals == []
    if plans_from_its_state(version):
        first, second = (state["serial"] for state in cloud.versions(place, KEY))
        assert second == first + 1
    assert cloud.lock_ids(place, KEY) == set()


def test_a_waiting_apply_that_is_interrupted_never_gets_the_lock(patient_lockhouse, developer, hold, proxy):
    cloud = patient_lockhouse.cloud
    place = cloud.new_place()
    block = S3Backend(place, KEY, LockMode.TABLE)
    point, line = hold("alice"), proxy(cloud.endpoint)
    alice = developer("alice", cloud=cloud).backend(block)
    alice.write("main.tf", resources("one", waiting={"one": point.command})).init()
    bob = developer("bob", cloud=cloud).backend(block, endpoint=line.endpoint).write("main.tf", resources("one", "two"))
    bob.init()

    first = alice.start_apply()
    point.wait(first)
    second = bob.start_apply()
    line.wait_until_asked("DynamoDB PutItem")
    second.end()
    point.release()

    alice.finish(first).ok()
    assert cloud.lock_ids(place, KEY) == set()
    alice.apply()


def test_states_of_one_table_do_not_block_each_other(cloud, developer, hold):
    place = cloud.new_place()
    point = hold("alice")
    alice = developer("alice", cloud=cloud).backend(S3Backend(place, KEY, LockMode.BOTH))
    alice.write("main.tf", resources("one", waiting={"one": point.command})).init()
    bob = developer("bob", cloud=cloud).backend(S3Backend(place, f"other/{KEY}", LockMode.BOTH))
    bob.write("main.tf", resources("two")).init()

    running = alice.start_apply()
    point.wait(running)
    bob.apply()
    point.release()

    alice.finish(running).ok()
    assert bob.resources() == ["terraform_data.two"]


def test_a_lock_shows_its_document_byte_for_byte_through_table_and_lock_object(cloud, developer, hold):
    place = cloud.new_place()
    point = hold("alice")
    alice = developer("alice", cloud=cloud).backend(S3Backend(place, KEY, LockMode.BOTH))
    alice.write("main.tf", resources("one", waiting={"one": point.command})).init()

    running = alice.start_apply()
    point.wait(running)
    item = cloud.sdk("dynamodb").get_item(TableName=place.table, Key={"LockID": {"S": f"{place.bucket}/{KEY}"}})
    body = cloud.sdk("s3").get_object(Bucket=place.bucket, Key=f"{KEY}.tflock")["Body"].read().decode()
    point.release()
    alice.finish(running).ok()

    info = json.loads(body)
    assert item["Item"]["Info"]["S"] == body
    assert list(info) == ["ID", "Operation", "Info", "Who", "Version", "Created", "Path"]
    assert info["Path"] == f"{place.bucket}/{KEY}"
    assert number(info["Version"]) == number(NEWEST)
