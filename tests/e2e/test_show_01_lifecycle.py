"""Show 1: the whole life of a state, with the S3 backend unchanged, by every covered version and lock option.

Each version plays each of its lock options twice: once with a KMS key and asking all it asks by default, once with a
customer's key, a prefix for its workspaces and every flag that leaves a question out. Terraform before 1.4 has no built-in resource; there the configurations hold outputs only, and what `state mv` and
`state rm` work on is pushed. Real resources under old versions are Show 7.
"""

from __future__ import annotations

import base64
import json

import pytest
from botocore.exceptions import ClientError

from tests.e2e.clouds import Cloud, Lockhouse, Place
from tests.e2e.scenarios.configurations import outputs, resources
from tests.e2e.terraform import (
    NEWEST,
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

KMS = "arn:aws:kms:us-east-1:123456789012:key/0f1e2d3c-0000-4000-8000-000000000000"
CUSTOMER_KEY = b"0123456789abcdef0123456789abcdef"
WITH_KMS = {"encrypt": True, "kms_key_id": KMS}
WITH_CUSTOMER_KEY = {"encrypt": True, "sse_customer_key": base64.b64encode(CUSTOMER_KEY).decode()}


def clients(pairs=ALL):
    """Version and lock option of each client; the long list only under `soak`."""
    return pytest.mark.parametrize(
        ("version", "mode"),
        [pytest.param(*pair, marks=() if pair in COVERING else pytest.mark.soak, id="-".join(pair)) for pair in pairs],
    )


def skipping(version: str) -> dict[str, object]:
    """Every flag with which that version leaves out a question; without them it asks for its account and the region."""
    flags = ["skip_credentials_validation", "skip_region_validation", "skip_metadata_api_check"]
    flags += ["skip_requesting_account_id", "skip_s3_checksum"] if number(version) >= (1, 6) else []
    return dict.fromkeys(flags, True)


@pytest.fixture(scope="module")
def under_tls(tmp_path_factory, certificate):
    """A server that is reached over https alone."""
    server = Lockhouse(
        tmp_path_factory.mktemp("tls-server"),
        settings={"LOCKHOUSE_LOCK_WAIT": "0"},
        flags=certificate.flags,
        authority=certificate.path,
    )
    yield server
    try:
        server.stop()
    finally:
        server.abandon()


@clients([pair for pair in ALL if number(pair[0]) >= (1, 4)])
def test_resources_live_from_the_first_apply_to_destroy(cloud, developer, version, mode):
    place = cloud.new_place()
    alice = developer("alice", cloud=cloud, version=version).backend(S3Backend(place, KEY, mode, WITH_KMS))
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

    alice.ok("destroy", "-auto-approve", "-input=false")
    assert alice.resources() == []
    alice.ok("workspace", "new", "blue")
    assert cloud.lock_ids(place, KEY) == set()
    assert_stored_with_kms(cloud, place, {KEY, f"env:/blue/{KEY}"})


@clients([pair for pair in ALL if number(pair[0]) < (1, 4)])
def test_outputs_and_pushed_resources_live_in_old_versions(cloud, developer, version, mode):
    place = cloud.new_place()
    alice = developer("alice", cloud=cloud, version=version).backend(S3Backend(place, KEY, mode, WITH_KMS))
    alice.write("main.tf", outputs(greeting="hello")).init()

    alice.ok("plan", "-input=false", "-out=saved.plan")
    alice.ok("apply", "-input=false", "saved.plan")
    assert "hello" in alice.ok("output", "greeting").stdout
    push_raised(alice, add=[pushed_resource("one", version), pushed_resource("two", version)])

    assert alice.resources() == ["null_resource.one", "null_resource.two"]
    alice.ok("state", "mv", "null_resource.two", "null_resource.moved")
    alice.ok("taint", "null_resource.one")
    assert is_tainted(alice, "one")
    alice.ok("untaint", "null_resource.one")
    assert not is_tainted(alice, "one")
    alice.ok("state", "rm", "null_resource.moved")
    assert alice.resources() == ["null_resource.one"]
    alice.ok("state", "rm", "null_resource.one")
    alice.ok("destroy", "-auto-approve")
    assert alice.resources() == []
    alice.ok("workspace", "new", "blue")
    assert cloud.lock_ids(place, KEY) == set()
    assert_stored_with_kms(cloud, place, {KEY, f"env:/blue/{KEY}"})


@clients()
def test_workspaces_a_lock_left_behind_and_a_move_to_local_and_back(request, developer, gate, version, mode):
    # Before 1.6 the client's SDK sends a customer's key over https only.
    cloud = (
        request.getfixturevalue("cloud") if number(version) >= (1, 6) else request.getfixturevalue("under_tls").cloud
    )
    place = cloud.new_place()
    options = WITH_CUSTOMER_KEY | skipping(version) | {"workspace_key_prefix": "teams/blue"}
    alice = developer("alice", cloud=cloud, version=version).backend(S3Backend(place, KEY, mode, options))
    alice.write("main.tf", outputs(where="default")).init()
    alice.apply()

    alice.ok("workspace", "new", "dev")
    set_output(alice, "dev")
    assert "dev" in alice.ok("output", "where").stdout
    assert alice.workspaces() == ["default", "dev"]
    assert_stored_with_customer_key(cloud, place, {KEY, f"teams/blue/dev/{KEY}"})
    alice.ok("workspace", "select", "default")
    assert "default" in alice.ok("output", "where").stdout
    alice.ok("workspace", "delete", "-force", "dev")
    assert alice.workspaces() == ["default"]
    alice.ok("workspace", "new", "dev")
    assert alice.state().get("outputs", {}) == {}
    alice.ok("workspace", "select", "default")

    alice.write("main.tf", gate.hcl + outputs(where="default"))
    killed = alice.start_apply()
    gate.wait(killed)
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
    assert cloud.lock_ids(place, "moved/terraform.tfstate") == set()
    assert_stored_with_customer_key(cloud, place, {KEY, "moved/terraform.tfstate"})


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(version, marks=() if version in terraform_versions(soak=False) else pytest.mark.soak)
        for version in terraform_versions(soak=True)
    ],
)
def test_two_developers_share_a_state_with_the_other_options_of_the_block(cloud, developer, version):
    place = cloud.new_place()
    # With this flag alone the account is looked for through IAM first.
    options = {"acl": "bucket-owner-full-control", "skip_credentials_validation": True}
    block = S3Backend(place, KEY, lock_modes(version)[-1], options)
    alice = developer("alice", cloud=cloud, version=version).backend(block)
    bob = developer("bob", cloud=cloud, version=version).backend(block)

    alice.write("main.tf", outputs(by="alice")).init()
    alice.apply()
    bob.write("main.tf", outputs(by="alice", also="bob")).init()
    assert "alice" in bob.ok("output").stdout
    assert "Apply complete!" in bob.apply().stdout
    if plans_from_its_state(version):
        assert "bob" in alice.ok("output", "also").stdout
    alice.ok("workspace", "new", "blue")
    assert bob.workspaces() == ["default", "blue"]
    assert cloud.lock_ids(place, KEY) == set()


TLS_CLIENTS = [(NEWEST, {}), (NEWEST, {"skip_s3_checksum": True}), ("1.6.6", {}), ("1.0.3", {})]


@pytest.mark.parametrize(("version", "options"), TLS_CLIENTS, ids=["newest", "newest-no-checksum", "1.6.6", "1.0.3"])
def test_a_state_under_tls_with_a_customers_key(under_tls, developer, version, options):
    cloud = under_tls.cloud
    assert cloud.endpoint.startswith("https://")
    place = cloud.new_place()
    block = S3Backend(place, KEY, lock_modes(version)[-1], WITH_CUSTOMER_KEY | options)
    alice = developer("alice", cloud=cloud, version=version).backend(block)

    alice.write("main.tf", outputs(by="alice")).init()
    alice.apply()
    alice.write("main.tf", outputs(by="alice", text="x" * 3_000_000)).apply()

    assert len(alice.state()["outputs"]["text"]["value"]) == 3_000_000
    assert cloud.lock_ids(place, KEY) == set()
    assert_stored_with_customer_key(cloud, place, {KEY})


def assert_stored_with_kms(cloud: Cloud, place: Place, keys: set[str]) -> None:
    """The place has these states, and each says the key of the block."""
    s3 = cloud.sdk("s3")
    assert stored(cloud, place) == keys
    for key in keys:
        told = s3.head_object(Bucket=place.bucket, Key=key)
        assert (told["ServerSideEncryption"], told["SSEKMSKeyId"]) == ("aws:kms", KMS), key


def assert_stored_with_customer_key(cloud: Cloud, place: Place, keys: set[str]) -> None:
    """The place has these states, and none is told to somebody without the key of the block, or with another."""
    s3 = cloud.sdk("s3")
    assert stored(cloud, place) == keys
    for key in keys:
        right = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": CUSTOMER_KEY}
        assert json.loads(s3.get_object(Bucket=place.bucket, Key=key, **right)["Body"].read())["version"] == 4
        for other, status in ({}, 400), (right | {"SSECustomerKey": CUSTOMER_KEY[::-1]}, 403):
            with pytest.raises(ClientError) as refused:
                s3.head_object(Bucket=place.bucket, Key=key, **other)
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status, key


def stored(cloud: Cloud, place: Place) -> set[str]:
    return {entry["Key"] for entry in cloud.sdk("s3").list_objects_v2(Bucket=place.bucket)["Contents"]}


def is_tainted(terraform: Terraform, name: str) -> bool:
    (found,) = [resource for resource in terraform.state()["resources"] if resource["name"] == name]
    return found["instances"][0].get("status") == "tainted"


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
