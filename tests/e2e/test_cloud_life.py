"""The whole life of a project on `cloud {}` and `backend "remote"`, with real Terraform."""

from __future__ import annotations

import uuid

import pytest

from tests.e2e.blocks import CloudBlock, HttpBackend, RemoteBackend, connect, new_token, use
from tests.e2e.clouds import Place
from tests.e2e.scenarios.configurations import outputs, resources
from tests.e2e.scenarios.life import live, resource
from tests.e2e.terraform import NEWEST, LockMode, S3Backend

VERSIONS = ["1.6.6", "1.10.5", NEWEST]
KINDS = pytest.mark.parametrize("kind", ["cloud", "remote"])


def unique(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:8]}"


def named(server, kind: str, name: str = ""):
    name = name or unique(kind)
    if kind == "remote":
        return RemoteBackend(server.namespace, name)
    return CloudBlock(server.namespace, f'name = "{name}"')


@pytest.fixture
def somebody(lockhouse, developer):
    """Make a developer with access by every block."""

    def make(name: str, version: str = NEWEST, token: str | None = None):
        made = connect(developer(name, version=version), lockhouse, token)
        made.cloud = lockhouse.cloud
        made.environment |= lockhouse.cloud.environment()
        return made

    return make


@pytest.mark.parametrize("version", VERSIONS)
@KINDS
def test_a_project_lives_from_init_to_destroy(lockhouse, somebody, kind, version):
    live(use(somebody("ann", version), lockhouse, named(lockhouse, kind)))


@KINDS
def test_a_second_apply_is_refused_and_waits_when_it_may(lockhouse, somebody, hold, kind):
    block, point = named(lockhouse, kind), hold("ann")
    ann, bob = (use(somebody(name), lockhouse, block) for name in ("ann", "bob"))
    ann.write("main.tf", resources("one", waiting={"one": point.command})).init()
    bob.write("main.tf", resources("one", "two")).init()
    running = ann.start_apply()
    point.wait(running)
    refused = bob.run("apply", "-auto-approve", "-input=false")
    assert refused.code == 1
    assert "workspace already locked" in refused.text
    patient = bob.start_apply("-lock-timeout=60s")
    patient.wait_for("Acquiring state lock", seconds=30)
    point.release()
    ann.finish(running).ok()
    bob.finish(patient).ok()
    assert bob.resources() == ["terraform_data.one", "terraform_data.two"]


@KINDS
def test_a_force_unlock_fences_the_holder_and_parks_what_he_still_writes(lockhouse, somebody, hold, kind):
    name = unique(kind)
    block, point = named(lockhouse, kind, name), hold("ann")
    ann = use(somebody("ann"), lockhouse, block)
    bob = use(somebody("bob", token=new_token(lockhouse, unique("bob"))), lockhouse, block)
    ann.write("main.tf", resources("one", waiting={"one": point.command})).init()
    bob.write("main.tf", resources("two")).init()
    running = ann.start_apply()
    point.wait(running)
    wrong = bob.run("force-unlock", "-force", "xyz")
    assert wrong.code == 1
    bob.ok("force-unlock", "-force", f"{lockhouse.namespace}/{name}")
    bob.apply()
    point.release()
    ended = ann.finish(running)
    assert ended.code == 1
    assert "errored.tfstate" in ended.text
    assert bob.resources() == ["terraform_data.two"]


@pytest.mark.parametrize("version", VERSIONS)
@KINDS
def test_the_state_of_an_s3_block_becomes_a_workspace_by_editing_the_block(lockhouse, somebody, kind, version):
    name = unique("moved")
    place = Place(lockhouse.namespace, "terraform-locks")
    ann = somebody("ann", version).write("main.tf", resource("one"))
    use(ann, lockhouse, S3Backend(place, f"{name}/terraform.tfstate")).init()
    ann.apply()
    use(ann, lockhouse, named(lockhouse, kind, name))
    ann.ok("init", "-input=false", "-reconfigure") if kind == "remote" else ann.ok("init", stdin="yes\nyes\n")
    assert "No changes" in ann.ok("plan", "-input=false").text
    fresh = use(somebody("fresh", version), lockhouse, named(lockhouse, kind, name)).write("main.tf", resource("one"))
    fresh.init()
    assert "No changes" in fresh.ok("plan", "-input=false").text


def test_the_same_files_are_applied_with_each_of_the_five_blocks_and_nothing_is_copied(lockhouse, somebody):
    name = unique("five")
    key, place = f"{name}.tfstate", Place(lockhouse.namespace, "terraform-locks")
    blocks = [
        S3Backend(place, key, LockMode.TABLE),
        S3Backend(place, key, LockMode.LOCKFILE),
        HttpBackend(lockhouse.namespace, key),
        named(lockhouse, "remote", name),
        named(lockhouse, "cloud", name),
    ]
    for number, block in enumerate(blocks):
        ann = use(somebody(f"ann{number}"), lockhouse, block).write(
            "main.tf", resource("one") + outputs(turn=str(number))
        )
        ann.init()
        planned = ann.ok("plan", "-input=false").text
        assert ("1 to add" in planned) == (number == 0), planned
        assert "1 to destroy" not in planned
        ann.apply()
        assert ann.ok("output", "-raw", "turn").stdout == str(number)


PAIRS = [
    (one, other) for one in ("table", "lockfile", "http", "cloud") for other in ("table", "lockfile", "http", "cloud")
]


@pytest.mark.parametrize(("one", "other"), [pair for pair in PAIRS if pair[0] < pair[1]])
def test_two_different_blocks_exclude_each_other(lockhouse, somebody, hold, one, other):
    name = unique("pair")
    key, place = f"{name}.tfstate", Place(lockhouse.namespace, "terraform-locks")
    blocks = {
        "table": S3Backend(place, key, LockMode.TABLE),
        "lockfile": S3Backend(place, key, LockMode.LOCKFILE),
        "http": HttpBackend(lockhouse.namespace, key),
        "cloud": named(lockhouse, "cloud", name),
    }
    first = use(somebody("first"), lockhouse, blocks["table"]).write("main.tf", resource("zero"))
    first.init()
    first.apply()
    point = hold("ann")
    ann = use(somebody("ann"), lockhouse, blocks[one])
    ann.write("main.tf", resource("zero") + resources("one", waiting={"one": point.command})).init()
    bob = use(somebody("bob"), lockhouse, blocks[other]).write("main.tf", resource("zero") + resource("two"))
    bob.init()
    running = ann.start_apply()
    point.wait(running)
    refused = bob.run("apply", "-auto-approve", "-input=false")
    point.release()
    ann.finish(running).ok()
    assert refused.code == 1, refused.report()
    assert "Error acquiring the state lock" in refused.text
    bob.apply("-lock-timeout=10s")


def test_workspaces_are_made_listed_chosen_and_deleted_by_tags(lockhouse, somebody):
    tag, one, two = unique("tag"), unique("one"), unique("two")
    ann = use(somebody("ann"), lockhouse, CloudBlock(lockhouse.namespace, f'tags = ["{tag}", "app"]'))
    ann.write("main.tf", resource("one"))
    ann.ok("init", stdin=f"{one}\n")
    ann.ok("workspace", "new", two)
    assert one in ann.ok("workspace", "list").stdout
    assert f"* {two}" in ann.ok("workspace", "list").stdout
    ann.apply()
    ann.ok("workspace", "select", one)
    refused = ann.run("workspace", "delete", two)
    assert refused.code == 1
    ann.ok("workspace", "delete", "-force", two)
    assert two not in ann.ok("workspace", "list").stdout


def test_workspaces_are_chosen_by_a_map_of_tags_and_a_project(lockhouse, somebody):
    team, project, one = unique("team"), unique("project"), unique("one")
    ann = use(
        somebody("ann"),
        lockhouse,
        CloudBlock(lockhouse.namespace, f'project = "{project}"\n      tags = {{ team = "{team}" }}'),
    )
    ann.write("main.tf", resource("one"))
    ann.ok("init", stdin=f"{one}\n")
    ann.apply()
    assert one in ann.ok("workspace", "list").stdout
    bob = use(
        somebody("bob"),
        lockhouse,
        CloudBlock(lockhouse.namespace, f'project = "{project}"\n      tags = {{ team = "{team}" }}'),
    ).write("main.tf", resource("one"))
    bob.environment["TF_WORKSPACE"] = one
    bob.init()
    assert "No changes" in bob.ok("plan", "-input=false").text


def test_workspaces_of_a_prefix_are_found_by_the_remote_block(lockhouse, somebody):
    prefix = unique("app") + "-"
    ann = use(somebody("ann"), lockhouse, RemoteBackend(lockhouse.namespace, prefix=prefix))
    ann.write("main.tf", resource("one"))
    assert "No existing workspaces" in ann.run("init", "-input=false").text
    ann.ok("workspace", "new", "dev")
    ann.ok("workspace", "new", "prod")
    ann.apply()
    assert "* prod" in ann.ok("workspace", "list").stdout
    ann.ok("workspace", "select", "dev")
    ann.ok("workspace", "delete", "-force", "prod")
    assert "prod" not in ann.ok("workspace", "list").stdout
