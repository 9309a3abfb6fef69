"""Show 5: a force-unlock while the holder still runs. What the old holder writes afterwards is refused and parked.

Each run with its own credential: exact. With one shared credential the two runs cannot be told apart at the write; then
the serial rule refuses the second of two different bodies.
"""

from __future__ import annotations

import json

import pytest

from tests.e2e.scenarios.configurations import resources
from tests.e2e.scenarios.mixed_fleet import names
from tests.e2e.terraform import NEWEST, LockMode, S3Backend, lock_modes

KEY = "infrastructure/terraform.tfstate"
MODES = pytest.mark.parametrize("mode", lock_modes(NEWEST))
RIGHTS = "read,write,lock,force-unlock"


def parked(server, place) -> list[dict]:
    """What is parked at the state, as the command lists it."""
    listed = server.json("state", "parked", "list", place.bucket, KEY)
    return listed["parked"] if isinstance(listed, dict) else listed


def body_of(server, entry: dict) -> dict:
    """What a parked write would bring."""
    return json.loads(server.command("state", "parked", "download", entry["id"]).ok().stdout)


def overtake(cloud, alice, bob, place, point):
    """Alice stops inside her apply, Bob takes her lock away and applies, then Alice goes on."""
    running = alice.start_apply()
    point.wait(running)
    (holder,) = cloud.lock_ids(place, KEY)
    unlocked = bob.ok("force-unlock", "-force", holder)
    assert "successfully unlocked" in unlocked.text
    bob.apply()
    after_bob = cloud.state_bytes(place, KEY)
    point.release()
    return alice.finish(running), after_bob


@MODES
@pytest.mark.parametrize("existing", [False, True], ids=["first-state", "existing-state"])
def test_a_late_write_of_a_fenced_holder_is_refused_and_parked(lockhouse, developer, hold, mode, existing):
    cloud = lockhouse.cloud
    place = cloud.new_place()
    alice_key = lockhouse.new_key(f"alice-{place.bucket}", RIGHTS, place.bucket)
    bob_key = lockhouse.new_key(f"bob-{place.bucket}", RIGHTS, place.bucket)
    point = hold("alice")
    alice = developer("alice", cloud=cloud, credentials=alice_key).backend(S3Backend(place, KEY, mode))
    bob = developer("bob", cloud=cloud, credentials=bob_key).backend(S3Backend(place, KEY, mode))
    alice.init()
    bob.init()
    shared = ("shared",) if existing else ()
    if existing:
        alice.write("main.tf", resources("shared")).apply()
    alice.write("main.tf", resources(*shared, "from_alice", waiting={"from_alice": point.command}))
    bob.write("main.tf", resources(*shared, "from_bob"))

    late, after_bob = overtake(cloud, alice, bob, place, point)

    assert late.code == 1, late.report()
    assert "Failed to save state" in late.text
    errored = alice.directory / "errored.tfstate"
    assert "from_alice" in names(json.loads(errored.read_text())), late.report()
    assert cloud.state_bytes(place, KEY) == after_bob
    assert names(json.loads(after_bob)) == tuple(sorted([*shared, "from_bob"]))
    kept = parked(lockhouse, place)
    assert {each["reason"] for each in kept} == {"write.fenced"}
    # On a first apply Terraform reads the state anew and sends what Bob has written; then it is told where its own is.
    assert ("from_alice" in names(body_of(lockhouse, kept[0]))) == existing
    assert ("what it made is in its errored.tfstate alone" in late.text) != existing
    assert cloud.lock_ids(place, KEY) == set()
    bob.apply()


@MODES
def test_of_two_bodies_with_one_serial_and_one_credential_the_second_is_parked(lockhouse, developer, hold, mode):
    cloud = lockhouse.cloud
    place = cloud.new_place()
    point = hold("alice")
    alice = developer("alice", cloud=cloud).backend(S3Backend(place, KEY, mode))
    bob = developer("bob", cloud=cloud).backend(S3Backend(place, KEY, mode))
    alice.init()
    bob.init()
    alice.write("main.tf", resources("shared")).apply()
    alice.write("main.tf", resources("shared", "from_alice", waiting={"from_alice": point.command}))
    bob.write("main.tf", resources("shared", "from_bob"))

    late, after_bob = overtake(cloud, alice, bob, place, point)

    assert late.code == 1, late.report()
    assert "Failed to save state" in late.text
    assert names(json.loads((alice.directory / "errored.tfstate").read_text())) == ("from_alice", "shared")
    assert cloud.state_bytes(place, KEY) == after_bob
    kept = parked(lockhouse, place)
    assert {each["reason"] for each in kept} == {"write.serial"}
    assert names(body_of(lockhouse, kept[0])) == ("from_alice", "shared")


def test_runs_that_share_a_key_but_assume_a_role_each_are_told_apart(lockhouse, developer, hold):
    cloud = lockhouse.cloud
    place = cloud.new_place()
    name = f"ci-{place.bucket}"
    key = lockhouse.new_key(name, "read", place.bucket)
    role = lockhouse.json(
        "role", "create", "--name", f"deploy-{place.bucket}", "--rights", RIGHTS, "--on", place.bucket, "--by", name
    )
    point = hold("alice")
    alice, bob = (
        developer(run, cloud=cloud, credentials=key).backend(
            S3Backend(place, KEY, LockMode.BOTH, {"assume_role": {"role_arn": role["arn"], "session_name": run}})
        )
        for run in ("run-1", "run-2")
    )
    alice.init()
    bob.init()
    alice.write("main.tf", resources("from_alice", waiting={"from_alice": point.command}))
    bob.write("main.tf", resources("from_bob"))

    late, after_bob = overtake(cloud, alice, bob, place, point)

    assert late.code == 1, late.report()
    assert cloud.state_bytes(place, KEY) == after_bob
    assert {each["reason"] for each in parked(lockhouse, place)} == {"write.fenced"}


def test_a_parked_write_can_be_read_and_made_current(lockhouse, developer, hold):
    cloud = lockhouse.cloud
    place = cloud.new_place()
    point = hold("alice")
    alice = developer("alice", cloud=cloud, credentials=lockhouse.new_key(f"a-{place.bucket}", RIGHTS, place.bucket))
    bob = developer("bob", cloud=cloud, credentials=lockhouse.new_key(f"b-{place.bucket}", RIGHTS, place.bucket))
    for each in (alice, bob):
        each.backend(S3Backend(place, KEY, LockMode.TABLE)).init()
    alice.write("main.tf", resources("shared")).apply()
    alice.write("main.tf", resources("shared", "from_alice", waiting={"from_alice": point.command}))
    bob.write("main.tf", resources("shared", "from_bob"))
    _, after_bob = overtake(cloud, alice, bob, place, point)

    waiting = parked(lockhouse, place)[0]
    shown = lockhouse.command("state", "parked", "show", waiting["id"]).ok()
    body = lockhouse.command("state", "parked", "download", waiting["id"]).ok().stdout
    assert waiting["reason"] in shown.stdout
    assert "from_alice" in names(json.loads(body))

    lockhouse.command("state", "parked", "accept", waiting["id"]).ok()
    assert names(alice.state()) == ("from_alice", "shared")
    kept = [names(version) for version in cloud.versions(place, KEY)]
    assert names(json.loads(after_bob)) in kept, "what it replaced stays in the history"
    assert [entry["id"] for entry in parked(lockhouse, place) if entry["id"] == waiting["id"]] == []


def test_what_is_written_after_a_force_unlock_is_parked_though_nobody_came_after_it(lockhouse, developer, hold):
    cloud = lockhouse.cloud
    place = cloud.new_place()
    point = hold("alice")
    key = lockhouse.new_key(f"alone-{place.bucket}", RIGHTS, place.bucket)
    alice = developer("alice", cloud=cloud, credentials=key).backend(S3Backend(place, KEY, LockMode.BOTH))
    alice.init()
    alice.write("main.tf", resources("from_alice", waiting={"from_alice": point.command}))
    running = alice.start_apply()
    point.wait(running)
    lockhouse.command("lock", "force-unlock", place.bucket, KEY, "--reason", "nobody answers").ok()
    point.release()
    late = alice.finish(running)

    assert late.code == 1, late.report()
    assert "the lock of this run was taken away" in late.text.replace("\n", " ")
    assert "from_alice" in names(json.loads((alice.directory / "errored.tfstate").read_text()))
    assert cloud.versions(place, KEY) == []
    (waiting,) = parked(lockhouse, place)
    lockhouse.command("state", "parked", "accept", waiting["id"]).ok()
    assert alice.ok("plan", "-input=false", "-detailed-exitcode").code == 0, "what it made is known"


def test_plain_s3_and_dynamodb_lose_the_other_ones_change_after_a_force_unlock(moto, developer, hold):
    point = hold("alice")
    mode = lock_modes(NEWEST)[0]
    for attempt in range(3):
        place = moto.new_place()
        alice = developer(f"alice-{attempt}", cloud=moto).backend(S3Backend(place, KEY, mode))
        alice.init()
        first = alice.write("main.tf", resources("shared")).run("apply", "-input=false", "-auto-approve")
        # Where an answer of the peer gets lost, the client's SDK asks again and its own lock refuses it, for ever.
        if "Error acquiring the state lock" not in first.text:
            break
    assert first.code == 0, first.report()
    bob = developer("bob", cloud=moto).backend(S3Backend(place, KEY, mode))
    bob.init()
    alice.write("main.tf", resources("shared", "from_alice", waiting={"from_alice": point.command}))
    bob.write("main.tf", resources("shared", "from_bob"))

    overtake(moto, alice, bob, place, point)

    assert names(json.loads(moto.state_bytes(place, KEY))) == ("from_alice", "shared")
