"""Show 5: a force-unlock while the holder still runs. What the old holder writes afterwards is refused and parked.

Each run with its own credential: exact. With one shared credential the two runs cannot be told apart at the write; then
the serial rule refuses the second of two different bodies.
"""

from __future__ import annotations

import json

import pytest

from tests.e2e.scenarios.configurations import resources
from tests.e2e.scenarios.mixed_fleet import names
from tests.e2e.terraform import NEWEST, S3Backend, lock_modes

KEY = "infrastructure/terraform.tfstate"
MODES = pytest.mark.parametrize("mode", lock_modes(NEWEST))
GRANTS = ("read", "write", "lock", "force-unlock")


def parked(server, place) -> list[dict]:
    """What is parked at the state, as the command lists it."""
    return server.json("state", "parked", place.bucket, KEY)


def overtake(cloud, alice, bob, place, point):
    """Alice stops inside her apply, Bob takes her lock away and applies, then Alice goes on."""
    running = alice.start_apply()
    point.wait()
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
    alice_key = lockhouse.new_key(f"alice-{place.bucket}", *grants(place))
    bob_key = lockhouse.new_key(f"bob-{place.bucket}", *grants(place))
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
    assert errored.exists(), late.report()
    assert cloud.state_bytes(place, KEY) == after_bob
    assert names(json.loads(after_bob)) == tuple(sorted([*shared, "from_bob"]))
    assert len(parked(lockhouse, place)) >= 1
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
    assert len(parked(lockhouse, place)) >= 1


def test_plain_s3_and_dynamodb_lose_the_other_ones_change_after_a_force_unlock(moto, developer, hold):
    place = moto.new_place()
    point = hold("alice")
    mode = lock_modes(NEWEST)[0]
    alice = developer("alice", cloud=moto).backend(S3Backend(place, KEY, mode))
    bob = developer("bob", cloud=moto).backend(S3Backend(place, KEY, mode))
    alice.init()
    bob.init()
    alice.write("main.tf", resources("shared")).apply()
    alice.write("main.tf", resources("shared", "from_alice", waiting={"from_alice": point.command}))
    bob.write("main.tf", resources("shared", "from_bob"))

    overtake(moto, alice, bob, place, point)

    assert names(json.loads(moto.state_bytes(place, KEY))) == ("from_alice", "shared")


def grants(place) -> list[str]:
    """The arguments that give a key the rights of a developer on one bucket."""
    return [part for right in GRANTS for part in ("--grant", f"{right}:{place.bucket}")]
