"""Show 1: the whole life of a state, with the S3 backend unchanged, by every covered version and lock option.

Terraform before 1.4 has no built-in resource; there the configurations hold outputs only, and what `state mv` and
`state rm` work on is pushed. Real resources under old versions are Show 7.
"""

from __future__ import annotations

import json

import pytest

from tests.e2e.scenarios.configurations import outputs, resources
from tests.e2e.terraform import (
    NEWEST,
    LockMode,
    S3Backend,
    Terraform,
    covering_clients,
    lock_modes,
    number,
    plans_from_its_state,
)
from tests.e2e.toolchain.clients import terraform_versions

KEY = "infrastructure/terraform.tfstate"
COVERING = covering_clients()
ALL = [(version, mode) for version in terraform_versions(soak=True) for mode in lock_modes(version)]


def clients(*, resources_needed: bool):
    """Version and lock option of each client; the long list only under `soak`."""
    wanted = [pair for pair in ALL if (number(pair[0]) >= (1, 4)) == resources_needed]
    return pytest.mark.parametrize(
        ("version", "mode"),
        [pytest.param(*pair, marks=() if pair in COVERING else pytest.mark.soak, id="-".join(pair)) for pair in wanted],
    )


@clients(resources_needed=True)
def test_resources_live_from_the_first_apply_to_destroy(cloud, developer, version, mode):
    place = cloud.new_place()
    alice = developer("alice", cloud=cloud, version=version).backend(S3Backend(place, KEY, mode, {"encrypt": True}))
    alice.write("main.tf", resources("one", "two") + outputs(greeting="hello")).init()

    alice.ok("plan", "-input=false", "-out=saved.plan")
    alice.ok("apply", "-input=false", "saved.plan")
    assert alice.resources() == ["terraform_data.one", "terraform_data.two"]
    assert alice.ok("output", "-raw", "greeting").stdout == "hello"
    assert "terraform_data" in alice.ok("show").stdout
    assert alice.run("plan", "-input=false", "-detailed-exitcode").code == 0

    before = identity(alice, "one")
    alice.apply("-replace=terraform_data.one")
    replaced = identity(alice, "one")
    assert replaced != before
    alice.ok("taint", "terraform_data.one")
    alice.ok("untaint", "terraform_data.one")
    assert identity(alice, "one") == replaced

    alice.ok("state", "mv", "terraform_data.two", "terraform_data.moved")
    assert alice.resources() == ["terraform_data.moved", "terraform_data.one"]
    alice.ok("state", "rm", "terraform_data.moved")
    assert alice.resources() == ["terraform_data.one"]
    taken_in = 'import {\n  to = terraform_data.two\n  id = "brought-in"\n}\n'
    alice.write("import.tf", taken_in).apply()
    assert identity(alice, "two") == "brought-in"
    alice.remove("import.tf")
    push_raised(alice)

    alice.ok("apply", "-destroy", "-auto-approve", "-input=false")
    assert alice.resources() == []
    assert cloud.lock_ids(place, KEY) == set()


@clients(resources_needed=False)
def test_outputs_and_pushed_resources_live_in_old_versions(cloud, developer, version, mode):
    place = cloud.new_place()
    alice = developer("alice", cloud=cloud, version=version).backend(S3Backend(place, KEY, mode, {"encrypt": True}))
    alice.write("main.tf", outputs(greeting="hello")).init()

    alice.ok("plan", "-input=false", "-out=saved.plan")
    alice.ok("apply", "-input=false", "saved.plan")
    assert "hello" in alice.ok("output", "greeting").stdout
    push_raised(alice, add=[pushed_resource("one", version), pushed_resource("two", version)])

    assert alice.resources() == ["null_resource.one", "null_resource.two"]
    alice.ok("state", "mv", "null_resource.two", "null_resource.moved")
    alice.ok("taint", "null_resource.one")
    alice.ok("untaint", "null_resource.one")
    alice.ok("state", "rm", "null_resource.moved")
    assert alice.resources() == ["null_resource.one"]
    alice.ok("state", "rm", "null_resource.one")
    alice.ok("destroy", "-auto-approve")
    assert alice.resources() == []
    assert cloud.lock_ids(place, KEY) == set()


@pytest.mark.parametrize(
    ("version", "mode"),
    [pytest.param(*pair, marks=() if pair in COVERING else pytest.mark.soak, id="-".join(pair)) for pair in ALL],
)
def test_workspaces_a_lock_left_behind_and_a_move_to_local_and_back(cloud, developer, gate, version, mode):
    place = cloud.new_place()
    alice = developer("alice", cloud=cloud, version=version).backend(S3Backend(place, KEY, mode))
    alice.write("main.tf", outputs(where="default")).init()
    alice.apply()

    alice.ok("workspace", "new", "dev")
    set_output(alice, "dev")
    assert "dev" in alice.ok("output", "where").stdout
    assert alice.workspaces() == ["default", "dev"]
    alice.ok("workspace", "select", "default")
    assert "default" in alice.ok("output", "where").stdout
    alice.ok("workspace", "delete", "-force", "dev")
    assert alice.workspaces() == ["default"]
    alice.ok("workspace", "new", "dev")
    assert alice.state().get("outputs", {}) == {}
    alice.ok("workspace", "select", "default")

    alice.write("main.tf", gate.hcl + outputs(where="default"))
    killed = alice.start_apply()
    gate.wait()
    killed.end()
    gate.open()
    (left,) = cloud.lock_ids(place, KEY)
    wrong = alice.run("force-unlock", "-force", "11111111-2222-3333-4444-555555555555")
    assert wrong.code == 1, wrong.report()
    assert cloud.lock_ids(place, KEY) == {left}
    alice.ok("force-unlock", "-force", left)
    assert cloud.lock_ids(place, KEY) == set()

    alice.write("main.tf", outputs(where="default")).apply()
    kept = alice.state()
    backend = (alice.directory / "backend.tf").read_text()
    alice.ok("workspace", "delete", "-force", "dev")
    migrate(alice.remove("backend.tf"))
    assert json.loads((alice.directory / "terraform.tfstate").read_text())["outputs"] == kept["outputs"]
    migrate(alice.write("backend.tf", backend.replace(KEY, "moved/terraform.tfstate")))
    assert alice.state()["outputs"] == kept["outputs"]
    assert json.loads(cloud.state_bytes(place, "moved/terraform.tfstate"))["outputs"] == kept["outputs"]
    assert cloud.lock_ids(place, "moved/terraform.tfstate") == set()


SKIPPED = {"skip_credentials_validation": True, "skip_region_validation": True}
OPTIONS = {
    "plain": {},
    "encrypt": {"encrypt": True},
    "workspace-key-prefix": {"workspace_key_prefix": "teams/blue"},
    "kms": {
        "encrypt": True,
        "kms_key_id": "arn:aws:kms:us-east-1:123456789012:key/0f1e2d3c-0000-4000-8000-000000000000",
    },
    "customer-key": {"encrypt": True, "sse_customer_key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="},
    "acl": {"acl": "bucket-owner-full-control"},
    "skipping": SKIPPED | {"skip_metadata_api_check": True},
    "skipping-account": SKIPPED | {"skip_requesting_account_id": True, "skip_s3_checksum": True},
    "credentials-only-skipped": {"skip_credentials_validation": True},
}
FROM_1_6 = {"skipping-account", "customer-key"}  # before, the SDK sends a customer's key over TLS only: see below
SETTINGS = [
    (version, name)
    for version in (terraform_versions(soak=False)[0], "1.0.3", "1.6.6", NEWEST)
    for name in OPTIONS
    if version in terraform_versions(soak=False) and (number(version) >= (1, 6) or name not in FROM_1_6)
]
CHOSEN = {
    NEWEST: set(OPTIONS),
    "1.0.3": {"kms", "customer-key", "skipping"},
    "1.6.6": {"skipping-account", "customer-key"},
}


@pytest.mark.parametrize(
    ("version", "name"),
    [
        pytest.param(*pair, marks=() if pair[1] in CHOSEN.get(pair[0], ()) else pytest.mark.soak, id="-".join(pair))
        for pair in SETTINGS
    ],
)
def test_every_option_of_the_backend_block_works_in_both_lock_modes(cloud, developer, version, name):
    place = cloud.new_place()
    mode = LockMode.BOTH if number(version) >= (1, 10) else LockMode.TABLE
    alice = developer("alice", cloud=cloud, version=version).backend(S3Backend(place, KEY, mode, OPTIONS[name]))
    bob = developer("bob", cloud=cloud, version=version).backend(S3Backend(place, KEY, mode, OPTIONS[name]))

    alice.write("main.tf", outputs(by="alice")).init()
    alice.apply()
    bob.write("main.tf", outputs(by="alice", also="bob")).init()
    assert "alice" in bob.ok("output").stdout
    assert "Apply complete!" in bob.apply().stdout
    alice.ok("workspace", "new", "blue")
    assert bob.workspaces() == ["default", "blue"]
    prefix = OPTIONS[name].get("workspace_key_prefix", "env:")
    listed = cloud.sdk("s3").list_objects_v2(Bucket=place.bucket)
    assert sorted(entry["Key"] for entry in listed["Contents"]) == sorted([KEY, f"{prefix}/blue/{KEY}"])
    assert cloud.lock_ids(place, KEY) == set()


TLS_CLIENTS = [(NEWEST, {}), (NEWEST, {"skip_s3_checksum": True}), ("1.6.6", {}), ("1.0.3", {})]


@pytest.mark.parametrize(("version", "options"), TLS_CLIENTS, ids=["newest", "newest-no-checksum", "1.6.6", "1.0.3"])
def test_a_state_under_tls_with_a_customers_key(start_lockhouse, developer, certificate, version, options):
    cloud = start_lockhouse(flags=certificate.flags, authority=certificate.path).cloud
    assert cloud.endpoint.startswith("https://")
    place = cloud.new_place()
    mode = LockMode.BOTH if number(version) >= (1, 10) else LockMode.TABLE
    alice = developer("alice", cloud=cloud, version=version)
    alice.backend(S3Backend(place, KEY, mode, OPTIONS["customer-key"] | options))

    alice.write("main.tf", outputs(by="alice")).init()
    alice.apply()
    alice.write("main.tf", outputs(by="alice", text="x" * 3_000_000)).apply()

    assert len(alice.state()["outputs"]["text"]["value"]) == 3_000_000
    assert cloud.lock_ids(place, KEY) == set()


def identity(terraform: Terraform, name: str) -> str:
    """The id of one resource in the state."""
    (found,) = [resource for resource in terraform.state()["resources"] if resource["name"] == name]
    return found["instances"][0]["attributes"]["id"]


def push_raised(terraform: Terraform, add: list[dict] | None = None) -> None:
    """Pull the state, raise its serial, push it, and see that it has arrived. Terraform may raise the serial once more."""
    state = terraform.state()
    state["serial"] = int(state["serial"]) + 1
    state["resources"] = state["resources"] + (add or [])
    terraform.write("pushed.json", json.dumps(state)).ok("state", "push", "pushed.json")
    pushed = terraform.state()
    assert pushed["serial"] >= state["serial"]
    assert len(pushed["resources"]) == len(state["resources"])


def set_output(terraform: Terraform, value: str) -> None:
    """Bring one output into the state; where an apply does not start from the state, by pushing it."""
    terraform.write("main.tf", outputs(where=value)).apply()
    if not plans_from_its_state(terraform.version):
        state = terraform.state()
        state |= {"serial": int(state["serial"]) + 1, "outputs": {"where": {"value": value, "type": "string"}}}
        terraform.write("pushed.json", json.dumps(state)).ok("state", "push", "pushed.json")


def pushed_resource(name: str, version: str) -> dict:
    """A resource of a provider that is not there: enough for commands that only move it."""
    provider = "provider.null" if number(version) < (0, 13) else 'provider["registry.terraform.io/hashicorp/null"]'
    return {
        "mode": "managed",
        "type": "null_resource",
        "name": name,
        "provider": provider,
        "instances": [{"schema_version": 0, "attributes": {"id": name, "triggers": None}}],
    }


def migrate(terraform: Terraform) -> None:
    """Move the state to where the configuration now says."""
    arguments = [] if number(terraform.version) < (1, 0) else ["-migrate-state"]
    terraform.ok("init", "-input=false", "-force-copy", *arguments)
