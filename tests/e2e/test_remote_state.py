"""`terraform_remote_state` over s3, http and remote, with a grant that covers outputs and nothing else."""

from __future__ import annotations

import json
import uuid

import pytest

from tests.e2e.blocks import HOST, HttpBackend, connect, use
from tests.e2e.clouds import Place
from tests.e2e.scenarios.life import resource
from tests.e2e.terraform import NEWEST, LockMode, S3Backend

VERSIONS = ["1.6.6", "1.10.5", NEWEST]


def source(backend: str, config: dict[str, object]) -> str:
    arguments = "".join(f"    {name} = {json.dumps(value)}\n" for name, value in config.items())
    return (
        f'data "terraform_remote_state" "{backend}" {{\n  backend = "{backend}"\n  config = {{\n{arguments}  }}\n}}\n'
        f'output "from_{backend}" {{\n  value = data.terraform_remote_state.{backend}.outputs.vpc\n}}\n'
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_outputs_are_read_over_every_block_with_an_outputs_only_grant(lockhouse, developer, version):
    name = f"network-{uuid.uuid4().hex[:8]}"
    key = f"{name}.tfstate"
    owner = use(
        connect(developer("owner", version=version), lockhouse), lockhouse, HttpBackend(lockhouse.namespace, key)
    )
    owner.write("main.tf", resource("secret") + 'output "vpc" {\n  value = "vpc-1"\n}\n').init()
    owner.apply()

    reader = f"reader-{uuid.uuid4().hex[:8]}"
    credentials = lockhouse.new_key(reader, "read-outputs", f"{lockhouse.namespace}/{key}")
    if version == "1.6.6":  # it gives up when it may not list workspaces; every other version goes on
        lockhouse.command(
            "key", "grant", reader, "--rights", "read-outputs", "--on", f"{lockhouse.namespace}/env:/"
        ).ok()
    token = lockhouse.json("token", "create", "--name", reader)["token"]
    bob = connect(developer("bob", version=version, cloud=lockhouse.cloud, credentials=credentials), lockhouse, token)
    s3 = {
        "bucket": lockhouse.namespace,
        "key": key,
        "region": "us-east-1",
        "dynamodb_table": "terraform-locks",
    }
    http = {
        "address": HttpBackend(lockhouse.namespace, key).address(lockhouse.endpoint),
        "username": "any",
        "password": token,
    }
    remote = {"hostname": HOST, "organization": lockhouse.namespace, "workspaces": {"name": name}}
    bob.write("main.tf", source("s3", s3) + source("http", http) + source("remote", remote))
    bob.ok("init", "-input=false")
    bob.apply()
    for backend in ("s3", "http", "remote"):
        assert bob.ok("output", "-raw", f"from_{backend}").stdout == "vpc-1"

    spy = use(
        connect(developer("spy", version=version, cloud=lockhouse.cloud, credentials=credentials), lockhouse, token),
        lockhouse,
        S3Backend(Place(lockhouse.namespace, "terraform-locks"), key, LockMode.TABLE),
    )
    spy.run("init", "-input=false", "-reconfigure")
    assert "terraform_data" not in spy.run("state", "list").stdout
    assert spy.run("apply", "-auto-approve", "-input=false").code == 1


def test_a_remote_state_that_is_not_there_is_not_created_by_a_reader(lockhouse, developer):
    reader = f"reader-{uuid.uuid4().hex[:8]}"
    lockhouse.new_key(reader, "read-outputs", lockhouse.namespace)
    token = lockhouse.json("token", "create", "--name", reader)["token"]
    bob = connect(developer("bob"), lockhouse, token)
    name = f"nothing-{uuid.uuid4().hex[:8]}"
    remote = {"hostname": HOST, "organization": lockhouse.namespace, "workspaces": {"name": name}}
    bob.write("main.tf", source("remote", remote)).ok("init", "-input=false")
    assert bob.run("plan", "-input=false").code == 1
    assert name not in lockhouse.command("state", "list", lockhouse.namespace).stdout
