"""Show 4: one lost answer, at every position of init, plan and apply, ends well or cleanly and never leaves a lock.

The request reaches the server and is carried out; only its answer is lost, so the client's SDK sends it again. On plain
S3 + DynamoDB that locks a run out of its own state for ever. Apply is played twice: on a state, and where there is none.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tests.e2e.clouds import Cloud, Place
from tests.e2e.fault_proxy import FaultProxy
from tests.e2e.scenarios.configurations import outputs
from tests.e2e.terraform import NEWEST, LockMode, S3Backend, Terraform, lock_modes, plans_from_its_state
from tests.e2e.toolchain.clients import terraform_versions

KEY = "app/terraform.tfstate"
COMMANDS = {
    "init": ("init", "-input=false", "-reconfigure"),
    "plan": ("plan", "-input=false"),
    "apply": ("apply", "-auto-approve", "-input=false"),
}
COVERING = [*((NEWEST, mode) for mode in lock_modes(NEWEST)), ("1.0.3", LockMode.TABLE)]
ALL = [
    (version, mode)
    for version in terraform_versions(soak=True)
    if plans_from_its_state(version)
    for mode in lock_modes(version)
]


@dataclass(eq=False)
class Lane:
    """One developer at a line of their own, so that all positions of a command are played one after the other while
    others play theirs: a client waits about a second before it asks again."""

    cloud: Cloud
    place: Place
    alice: Terraform
    line: FaultProxy
    key: str
    ends: dict[str, int] = field(default_factory=dict)
    """The exit code for each answer that was lost."""

    def begin(self) -> None:
        """A project with one version of its state."""
        self.alice.write("main.tf", outputs(turn="0")).init()
        self.alice.apply()

    def lose_each_answer(self, command: str) -> None:
        """Run the command once for each of its requests, on the state that is there."""
        self.line.behave()
        self.play(command, "unharmed")
        for position in range(1, len(self.line.seen()) + 1):
            self.line.lose_answer(position)
            self.play(command, f"{command}-{position}")

    def lose_each_answer_of_a_first_apply(self) -> None:
        """The same where nothing was ever written: each run has a key of its own."""
        self.alice.write("main.tf", outputs(turn="0")).init()
        self.line.behave()
        self.play("apply", "first")
        for position in range(1, len(self.line.seen()) + 1):
            self.turn_to(f"first/{position}.tfstate")
            self.line.lose_answer(position)
            self.play("apply", f"first-{position}")
            assert len(self.cloud.versions(self.place, self.key)) == 1

    def turn_to(self, key: str) -> None:
        """Use another key: what `init -reconfigure -backend-config=key=…` leaves behind, without the run."""
        settled = self.alice.directory / ".terraform" / "terraform.tfstate"
        document = json.loads(settled.read_text(encoding="utf-8"))
        assert document["backend"]["config"]["key"] == self.key
        document["backend"]["config"]["key"] = self.key = key
        settled.write_text(json.dumps(document), encoding="utf-8")

    def play(self, command: str, turn: str) -> None:
        """One run with a change of its own; whatever happened to it, no lock is left, and what it said is true."""
        ended = self.alice.write("main.tf", outputs(turn=turn)).run(*COMMANDS[command])
        (lost,) = [seen.title for seen in self.line.seen() if seen.lost] or ["nothing"]
        lost = lost.replace(f"/{self.place.bucket}/{self.key}", "state")
        self.ends[f"{turn}: {lost}"] = ended.code
        assert self.cloud.lock_ids(self.place, self.key) == set(), f"{turn}, {lost}: a lock is left\n{ended.report()}"
        if ended.code == 0 and command == "plan":
            assert turn in ended.stdout, ended.report()
        if ended.code == 0 and command == "apply":
            written = json.loads(self.cloud.state_bytes(self.place, self.key))["outputs"]["turn"]["value"]
            assert written == turn, f"{turn}, {lost}: the state holds {written}"


@pytest.mark.parametrize(
    ("version", "mode"),
    [pytest.param(*case, marks=() if case in COVERING else pytest.mark.soak, id="-".join(case)) for case in ALL],
)
def test_no_lost_answer_leaves_a_lock_or_a_wrong_state(cloud, developer, proxy, version, mode):
    place = cloud.new_place()

    def lane(name: str) -> Lane:
        line, key = proxy(cloud.endpoint), f"{name}/terraform.tfstate"
        alice = developer(name, cloud=cloud, version=version)
        alice.backend(S3Backend(place, key, mode), endpoint=line.endpoint)
        return Lane(cloud, place, alice, line, key)

    def reading(lane: Lane) -> None:
        lane.begin()
        lane.lose_each_answer("init")
        lane.lose_each_answer("plan")

    def writing(lane: Lane) -> None:
        lane.begin()
        lane.lose_each_answer("apply")

    def first(lane: Lane) -> None:
        lane.lose_each_answer_of_a_first_apply()

    lanes = {lane("reading"): reading, lane("writing"): writing, lane("first"): first}
    with ThreadPoolExecutor(len(lanes)) as pool:
        for playing in [pool.submit(story, lane) for lane, story in lanes.items()]:
            playing.result()

    # A clean error is allowed by the promise; the SDK's own retries are expected to make every position succeed.
    ends = {name: code for each in lanes for name, code in each.ends.items()}
    assert set(ends.values()) == {0}, ends
    asked = {"PUT state.tflock", "GET state.tflock", "DELETE state.tflock"} if mode.lockfile else set()
    asked |= {"DynamoDB PutItem", "DynamoDB GetItem", "DynamoDB DeleteItem"} if mode.table else set()
    for act in ("plan", "apply", "first"):
        lost = {title for turn, title in (name.split(": ") for name in ends) if turn.startswith(f"{act}-")}
        assert lost > asked, f"{act} never lost {asked - lost}"


@pytest.mark.parametrize("mode", [LockMode.TABLE, LockMode.LOCKFILE])
def test_plain_s3_and_dynamodb_lock_a_run_out_of_its_own_state(moto, developer, proxy, mode):
    place = moto.new_place()
    line = proxy(moto.endpoint)
    alice = developer("alice", cloud=moto)
    alice.backend(S3Backend(place, KEY, mode), endpoint=line.endpoint).write("main.tf", outputs(turn="0")).init()
    line.behave()
    alice.apply()
    wanted = f"PUT /{place.bucket}/{KEY}.tflock" if mode.lockfile else "DynamoDB PutItem"
    position = next(seen.number for seen in line.seen() if seen.title == wanted)

    line.lose_answer(position)
    alice.write("main.tf", outputs(turn="1"))
    ended = alice.run(*COMMANDS["apply"])

    assert ended.code == 1
    assert "Error acquiring the state lock" in ended.text
    assert len(moto.lock_ids(place, KEY)) == 1
