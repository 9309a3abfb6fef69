"""Show 3: a client with the lock table and a client with the lock file overlap on one state.

On plain S3 + DynamoDB both succeed and a change is gone; the same story on Lockhouse loses nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.e2e.clouds import REPOSITORY
from tests.e2e.scenarios import mixed_fleet
from tests.e2e.scenarios.mixed_fleet import ALICE, BOB, SHARED
from tests.e2e.terraform import LockMode

ACTS = pytest.mark.parametrize("existing", [False, True], ids=["first-state", "existing-state"])
FLEETS = pytest.mark.parametrize(
    ("alice_mode", "bob_mode"),
    [
        pytest.param(LockMode.TABLE, LockMode.LOCKFILE, id="table-then-lockfile"),
        pytest.param(LockMode.LOCKFILE, LockMode.TABLE, id="lockfile-then-table"),
    ],
)


@ACTS
def test_plain_s3_and_dynamodb_lose_a_change_of_a_mixed_fleet(moto, tmp_path, existing):
    story = mixed_fleet.play_on_plain_aws(moto, tmp_path / "story", existing=existing)

    assert story.alice.code == 0, story.alice.report()
    assert story.bob.code == 0, story.bob.report()
    assert len(story.lost) == 1, story
    assert len(story.serials) > len(set(story.serials)) or not existing, story.serials


@ACTS
@FLEETS
def test_lockhouse_loses_nothing_of_a_mixed_fleet(lockhouse, tmp_path, existing, alice_mode, bob_mode):
    cloud = lockhouse.cloud
    story = mixed_fleet.play(
        cloud, cloud.new_place("fleet"), tmp_path / "story", existing=existing, alice_mode=alice_mode, bob_mode=bob_mode
    )

    assert story.alice.code == 0, story.alice.report()
    assert story.bob.code == 1, story.bob.report()
    assert "Error acquiring the state lock" in story.bob.text
    assert story.bob_again is not None
    assert story.bob_again.code == 0, story.bob_again.report()
    assert story.lost == ()
    assert story.resources == tuple(sorted([ALICE, BOB] + ([SHARED] if existing else [])))
    assert len(story.serials) == len(set(story.serials)), story.serials
    assert list(story.serials) == sorted(story.serials)


def test_the_demo_plays_the_story_in_a_terminal_within_a_minute():
    told = subprocess.run(
        [sys.executable, "-m", "demo"], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )

    assert told.returncode == 0, told.stdout + told.stderr
    said = re.sub(r"\s+", " ", told.stdout)
    assert "plain S3 + DynamoDB (moto) lost: from_alice, from_bob." in said
    assert "Lockhouse lost: nothing." in said
    assert "Error acquiring the state lock" in re.sub(r"\s+", " ", told.stderr)
