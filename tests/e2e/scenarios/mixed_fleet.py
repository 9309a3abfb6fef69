"""A mixed fleet: Alice's block names the lock table, Bob's asks for the lock file, and they work on one state at once.

Two acts. In the *first state* act nothing exists yet; in the *existing state* act both start from the same version.
Alice stops in the middle of her apply; Bob applies meanwhile and finishes; then Alice goes on. On plain S3 + DynamoDB
neither sees the other's lock.

`play` reports what happened. It does not judge, so the same story shows the loss on one server and its absence on another.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.clouds import Cloud, Credentials, Place
from tests.e2e.holds import Hold
from tests.e2e.processes import Outcome
from tests.e2e.scenarios.configurations import resources
from tests.e2e.terraform import NEWEST, LockMode, S3Backend, Terraform

KEY = "infrastructure/terraform.tfstate"
ALICE, BOB, SHARED = "from_alice", "from_bob", "shared"
_LOCKED = "Error acquiring the state lock"
_TRIES = 3


@dataclass(frozen=True)
class Story:
    """What was seen."""

    alice: Outcome
    bob: Outcome
    """Bob's apply while Alice held hers."""
    bob_again: Outcome | None
    """Bob's second try after Alice had finished, if the first was refused."""
    resources: tuple[str, ...]
    """Names in the final state."""
    made: tuple[str, ...]
    """Names of what exists in the world: everything that an apply has really made."""
    serials: tuple[int, ...]
    """Serials of all versions that were stored, oldest first."""

    @property
    def lost(self) -> tuple[str, ...]:
        """Made in the world and recorded nowhere."""
        return tuple(name for name in self.made if name not in self.resources)


def play(
    cloud: Cloud,
    place: Place,
    directory: Path,
    *,
    existing: bool,
    alice_mode: LockMode = LockMode.TABLE,
    bob_mode: LockMode = LockMode.LOCKFILE,
    alice_key: Credentials | None = None,
    bob_key: Credentials | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Story:
    """Play one act on a fresh place. `tell` hears each step, for people who watch."""
    key = f"{'existing' if existing else 'first'}/{KEY}"
    directory.mkdir(parents=True)
    hold = Hold(directory, "alice")
    alice = Terraform(directory / "alice", version=NEWEST, cloud=cloud, credentials=alice_key)
    bob = Terraform(directory / "bob", version=NEWEST, cloud=cloud, credentials=bob_key)
    try:
        for developer, mode in ((alice, alice_mode), (bob, bob_mode)):
            developer.backend(S3Backend(place, key, mode)).init()
        before: tuple[str, ...] = ()
        if existing:
            before = (SHARED,)
            alice.write("main.tf", resources(SHARED)).apply()
            tell("the state holds one resource, `shared`")
        alice.write("main.tf", resources(*before, ALICE, waiting={ALICE: hold.command}))
        bob.write("main.tf", resources(*before, BOB))

        running = alice.start_apply()
        hold.wait(running)
        tell("Alice applies (backend with dynamodb_table) and is in the middle of it")
        bob_first = bob.run("apply", "-auto-approve", "-input=false")
        tell(f"Bob applies (backend with use_lockfile): {_verdict(bob_first)}")
        hold.release()
        alice_done = alice.finish(running)
        tell(f"Alice goes on: {_verdict(alice_done)}")
        bob_again = None
        # An apply removes what its configuration does not name, so Bob merges Alice's change before he tries again.
        if bob_first.code != 0:
            bob.write("main.tf", resources(*before, ALICE, BOB))
            bob_again = bob.run("apply", "-auto-approve", "-input=false")
            tell(f"Bob tries again, with Alice's change merged: {_verdict(bob_again)}")
    finally:
        alice.close()
        bob.close()
        hold.close()

    versions = cloud.versions(place, key)
    made = list(before)
    for name, outcome in ((ALICE, alice_done), (BOB, bob_first), (BOB, bob_again)):
        if outcome is not None and f"terraform_data.{name}: Creation complete" in outcome.stdout and name not in made:
            made.append(name)
    return Story(
        alice=alice_done,
        bob=bob_first,
        bob_again=bob_again,
        resources=names(json.loads(cloud.state_bytes(place, key))),
        made=tuple(made),
        serials=tuple(int(str(version["serial"])) for version in versions),
    )


def play_on_plain_aws(
    cloud: Cloud, directory: Path, *, existing: bool, tell: Callable[[str], None] = lambda line: None
) -> Story:
    """As `play`, and anew where the peer loses an answer to a lock request: the client's SDK asks again, and its own lock
    refuses it for ever, which is another story."""
    for attempt in range(_TRIES):
        last = attempt == _TRIES - 1
        try:
            story = play(cloud, cloud.new_place("fleet"), directory / str(attempt), existing=existing, tell=tell)
        except AssertionError as ended:
            if last or _LOCKED not in str(ended):
                raise
        else:
            if last or _LOCKED not in story.alice.text + story.bob.text:
                return story
        tell("the lock of one refused itself, since an answer was lost: from the start")
    raise AssertionError("unreachable")


def names(state: dict[str, object]) -> tuple[str, ...]:
    """Names of the managed resources in a parsed state."""
    listed = state.get("resources")
    assert isinstance(listed, list)
    return tuple(sorted(str(resource["name"]) for resource in listed if resource["mode"] == "managed"))


def _verdict(outcome: Outcome) -> str:
    if outcome.code == 0:
        return 'exit 0, "Apply complete!"'
    return f'refused, "{_LOCKED}"' if _LOCKED in outcome.text else "failed"
