"""The whole life of a project on `cloud {}` and `backend "remote"`, with real Terraform."""

from __future__ import annotations

import json
import uuid

import pytest
from tests.e2e.blocks import CloudBlock, RemoteBackend, connect, use
from tests.e2e.scenarios.configurations import resources
from tests.e2e.terraform import NEWEST

VERSIONS = ["1.6.6", "1.10.5", NEWEST]
OUTPUTS = 'output "name" {\n  value = "x"\n}\noutput "secret" {\n  value     = "y"\n  sensitive = true\n}\n'


def named(server, kind: str):
    name = f"{kind}-{uuid.uuid4().hex[:8]}"
    if kind == "remote":
        return RemoteBackend(server.namespace, name)
    return CloudBlock(server.namespace, f'name = "{name}"')


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["cloud", "remote"])
def test_a_project_lives_from_init_to_destroy(lockhouse, developer, kind, version):
    ann = use(connect(developer("ann", version=version), lockhouse), lockhouse, named(lockhouse, kind))
    ann.write("main.tf", resources("one") + OUTPUTS)
    ann.init()
    ann.apply()
    assert ann.ok("output", "-raw", "name").stdout == "x"
    assert ann.ok("output", "-raw", "secret").stdout == "y"
    assert ann.resources() == ["terraform_data.one"]
    ann.ok("state", "mv", "terraform_data.one", "terraform_data.two")
    ann.write("main.tf", resources("two") + OUTPUTS)
    assert "No changes" in ann.ok("plan", "-input=false").text
    pulled = ann.state()
    ann.ok("state", "rm", "terraform_data.two")
    assert ann.resources() == []
    pulled["serial"] += 10
    ann.write("old.tfstate", json.dumps(pulled))
    ann.ok("state", "push", "old.tfstate")
    assert ann.resources() == ["terraform_data.two"]
    ann.ok("destroy", "-auto-approve", "-input=false")
    assert ann.resources() == []
