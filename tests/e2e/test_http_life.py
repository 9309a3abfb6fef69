"""The whole life of a project on `backend "http"`, with real Terraform."""

from __future__ import annotations

import uuid

import pytest

from tests.e2e.blocks import HttpBackend, connect, new_token, use
from tests.e2e.clouds import Place
from tests.e2e.scenarios.configurations import outputs, resources
from tests.e2e.scenarios.life import live, resource
from tests.e2e.terraform import NEWEST, S3Backend

VERSIONS = ["1.6.6", "1.10.5", NEWEST]


@pytest.fixture
def block(lockhouse):
    return HttpBackend(lockhouse.namespace, f"http-{uuid.uuid4().hex[:8]}/prod")


@pytest.fixture
def somebody(lockhouse, developer, block):
    """Make a developer who uses the block."""

    def make(name: str, version: str = NEWEST):
        return use(connect(developer(name, version=version), lockhouse), lockhouse, block)

    return make


@pytest.mark.parametrize("version", VERSIONS)
def test_a_project_lives_from_init_to_destroy(somebody, version):
    live(somebody("ann", version))


def test_a_second_apply_is_refused_with_the_holder_and_waits_when_it_may(somebody, hold):
    ann, bob, point = somebody("ann"), somebody("bob"), hold("ann")
    ann.write("main.tf", resources("one", waiting={"one": point.command})).init()
    bob.write("main.tf", resources("one", "two")).init()
    running = ann.start_apply()
    point.wait(running)
    refused = bob.run("apply", "-auto-approve", "-input=false")
    assert refused.code == 1
    assert "Error acquiring the state lock" in refused.text
    assert "Who: " in refused.text
    assert "OperationTypeApply" in refused.text
    patient = bob.start_apply("-lock-timeout=60s")
    patient.wait_for("Acquiring state lock", seconds=30)
    point.release()
    ann.finish(running).ok()
    bob.finish(patient).ok()
    assert bob.resources() == ["terraform_data.one", "terraform_data.two"]


def test_a_force_unlock_fences_the_holder_and_parks_what_he_still_writes(lockhouse, somebody, block, hold):
    """The holder's credential is another one than the forcing user's: what he writes later is refused and kept."""
    ann, bob, point = somebody("ann"), somebody("bob"), hold("ann")
    other = new_token(lockhouse, f"bob-{uuid.uuid4().hex[:8]}")
    bob.environment["TF_HTTP_PASSWORD"] = other
    ann.write("main.tf", resources("one", waiting={"one": point.command})).init()
    bob.write("main.tf", resources("two")).init()
    running = ann.start_apply()
    point.wait(running)
    bob.ok("force-unlock", "-force", "any-id")
    bob.apply()
    point.release()
    ended = ann.finish(running)
    assert ended.code == 1
    assert "errored.tfstate" in ended.text
    assert bob.resources() == ["terraform_data.two"]
    parked = lockhouse.command("state", "parked", "list").ok().stdout
    assert block.key in parked


@pytest.mark.parametrize("version", ["1.6.6", NEWEST])
def test_no_lost_answer_leaves_a_lock_or_a_wrong_state(lockhouse, developer, block, proxy, version):
    line = proxy(lockhouse.endpoint)
    ann = use(connect(developer("ann", version=version), lockhouse), lockhouse, block, line.endpoint)
    ann.write("main.tf", outputs(turn="0")).init()
    ann.apply()
    line.behave()
    ann.write("main.tf", outputs(turn="start")).apply()
    positions = len(line.seen())
    assert positions >= 4
    for position in range(1, positions + 1):
        ann.write("main.tf", outputs(turn=str(position)))
        line.lose_answer(position)
        ann.apply()
        line.behave()
        assert ann.state()["outputs"]["turn"]["value"] == str(position)
    ann.apply()


def test_a_state_that_is_cut_off_on_the_way_changes_nothing(lockhouse, developer, block, proxy):
    line = proxy(lockhouse.endpoint)
    ann = use(connect(developer("ann"), lockhouse), lockhouse, block, line.endpoint)
    ann.write("main.tf", outputs(turn="0")).init()
    line.behave()
    ann.apply()
    position = next(seen.number for seen in line.seen() if seen.method == "POST")
    before = ann.state()
    ann.write("main.tf", outputs(turn="1"))
    line.cut_body(position, 40)
    ann.run("apply", "-auto-approve", "-input=false")
    line.behave()
    assert ann.state()["outputs"]["turn"]["value"] in ("0", "1")
    assert before["lineage"] == ann.state()["lineage"]
    ann.apply()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_local_state_moves_here_with_one_block(somebody, version):
    ann = somebody("ann", version).write("main.tf", resource("one"))
    block = (ann.directory / "backend.tf").read_text()
    ann.remove("backend.tf").init()
    ann.apply()
    ann.write("backend.tf", block)
    ann.init("-migrate-state", "-force-copy")
    assert "No changes" in ann.ok("plan", "-input=false").text


@pytest.mark.parametrize("version", VERSIONS)
def test_the_state_of_an_s3_block_is_already_here(lockhouse, somebody, version):
    """The same bucket and key as an http address: the block is edited, nothing is copied."""
    place = Place(lockhouse.namespace, "terraform-locks")
    key = f"moved-{uuid.uuid4().hex[:8]}/terraform.tfstate"
    ann = somebody("ann", version).write("main.tf", resource("one"))
    ann.environment |= lockhouse.cloud.environment()
    ann.cloud = lockhouse.cloud
    use(ann, lockhouse, S3Backend(place, key)).init()
    ann.apply()
    use(ann, lockhouse, HttpBackend(lockhouse.namespace, key)).init("-migrate-state", "-force-copy")
    assert "No changes" in ann.ok("plan", "-input=false").text
    use(ann, lockhouse, HttpBackend(lockhouse.namespace, f"{key}-copy")).init("-migrate-state", "-force-copy")
    assert "No changes" in ann.ok("plan", "-input=false").text
