"""Show 7: resources of the real AWS provider 3.39, made on a peer, with the state in Lockhouse.

The backend finds its server through `AWS_ENDPOINT_URL` (or, before 1.6, through the block), the provider finds the peer
through its own `endpoints`: two servers in one run, as with a real account beside Lockhouse.
"""

from __future__ import annotations

import pytest

from tests.e2e.scenarios.configurations import aws_provider
from tests.e2e.terraform import NEWEST, LockMode, S3Backend, number
from tests.e2e.toolchain.clients import terraform_versions

KEY = "infrastructure/terraform.tfstate"
VERSIONS = [version for version in ("1.0.3", NEWEST) if version in terraform_versions(soak=False)]


def parameter(name: str, value: str) -> str:
    return (
        f'resource "aws_ssm_parameter" "port" {{\n  name  = "/{name}/port"\n  type  = "String"\n  value = "{value}"\n}}\n'
        f'resource "aws_sns_topic" "alarms" {{\n  name = "{name}-alarms"\n}}\n'
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_real_resources_are_made_changed_and_removed_with_their_state_kept_here(cloud, moto, developer, version):
    place = cloud.new_place()
    mode = LockMode.BOTH if number(version) >= (1, 10) else LockMode.TABLE
    provider = aws_provider(moto, "ssm", "sns", "sts")
    alice = developer("alice", cloud=cloud, version=version).backend(S3Backend(place, KEY, mode, {"encrypt": True}))
    ssm = moto.sdk("ssm")

    alice.write("main.tf", provider + parameter(place.bucket, "8080")).init()
    alice.apply()
    assert ssm.get_parameter(Name=f"/{place.bucket}/port")["Parameter"]["Value"] == "8080"
    assert alice.resources() == ["aws_sns_topic.alarms", "aws_ssm_parameter.port"]
    assert alice.run("plan", "-input=false", "-detailed-exitcode").code == 0

    alice.ok("taint", "aws_sns_topic.alarms")
    changed = alice.write("main.tf", provider + parameter(place.bucket, "9090")).apply()
    assert "1 added, 1 changed, 1 destroyed" in changed.stdout
    assert ssm.get_parameter(Name=f"/{place.bucket}/port")["Parameter"]["Value"] == "9090"

    alice.ok("destroy", "-auto-approve")
    assert alice.resources() == []
    assert ssm.describe_parameters(Filters=[{"Key": "Name", "Values": [f"/{place.bucket}/port"]}])["Parameters"] == []
    assert cloud.lock_ids(place, KEY) == set()
