"""Show 4: one lost answer, at every position of init, plan and apply, ends well or cleanly and never leaves a lock.

The request reaches the server and is carried out; only its answer is lost, so the client's SDK sends it again. On plain
S3 + DynamoDB that locks a run out of its own state for ever.
"""

from __future__ import annotations

import pytest

from tests.e2e.scenarios.configurations import outputs
from tests.e2e.terraform import NEWEST, LockMode, S3Backend, lock_modes, plans_from_its_state
from tests.e2e.toolchain.clients import terraform_versions

KEY = "app/terraform.tfstate"
COMMANDS = {
    "init": ("init", "-input=false", "-reconfigure"),
    "plan": ("plan", "-input=false"),
    "apply": ("apply", "-auto-approve", "-input=false"),
}
COVERING = [
    (NEWEST, LockMode.BOTH, "init"),
    (NEWEST, LockMode.BOTH, "plan"),
    *((NEWEST, mode, "apply") for mode in lock_modes(NEWEST)),
    ("1.0.3", LockMode.TABLE, "apply"),
]
ALL = [
    (version, mode, command)
    for version in terraform_versions(soak=True)
    if plans_from_its_state(version)
    for mode in lock_modes(version)
    for command in COMMANDS
]


@pytest.mark.parametrize(
    ("version", "mode", "command"),
    [pytest.param(*case, marks=() if case in COVERING else pytest.mark.soak, id="-".join(case)) for case in ALL],
)
def test_no_lost_answer_leaves_a_lock_or_a_wrong_state(cloud, developer, proxy, version, mode, command):
    place = cloud.new_place()
    line = proxy(cloud.endpoint)
    alice = developer("alice", cloud=cloud, version=version)
    alice.backend(S3Backend(place, KEY, mode), endpoint=line.endpoint)
    alice.write("main.tf", outputs(turn="0")).init()
    alice.apply()
    line.behave()
    alice.write("main.tf", outputs(turn="start"))
    alice.ok(*COMMANDS[command])
    positions = len(line.seen())
    assert positions >= 4

    ends = {}
    for position in range(1, positions + 1):
        alice.write("main.tf", outputs(turn=str(position)))
        line.lose_answer(position)
        ended = alice.run(*COMMANDS[command])
        (lost,) = [seen for seen in line.seen() if seen.lost]
        line.behave()
        ends[f"{position} {lost.title}"] = ended.code
        assert cloud.lock_ids(place, KEY) == set(), f"position {position}, {lost}: a lock is left\n{ended.report()}"
        if command == "apply" and ended.code == 0:
            written = alice.state()["outputs"]["turn"]["value"]
            assert written == str(position), f"position {position}, {lost}: the state holds {written}"
    # A clean error is allowed by the promise; the SDK's own retries are expected to make every position succeed.
    assert set(ends.values()) == {0}, ends


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
