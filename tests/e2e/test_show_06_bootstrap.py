"""Show 6: a bootstrap script of the AWS CLI, its second run, a Terraform run on what it made, and the tear-down."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.e2e.clouds import Place
from tests.e2e.scenarios.configurations import resources
from tests.e2e.terraform import LockMode, S3Backend

SCRIPTS = Path(__file__).resolve().parent / "scenarios"


@pytest.fixture
def place() -> Place:
    """Names that nobody has made yet."""
    name = f"team-state-{uuid.uuid4().hex[:8]}"
    return Place(bucket=name, table=f"{name}-locks")


def test_the_bootstrap_script_works_twice_and_terraform_works_on_what_it_made(cloud, developer, place):
    first = cloud.shell(SCRIPTS / "bootstrap.sh", place.bucket, place.table).ok()
    second = cloud.shell(SCRIPTS / "bootstrap.sh", place.bucket, place.table).ok()

    facts = ["versioning Enabled", "encryption AES256", "public access blocked True", "table status ACTIVE"]
    account, caller = first.stdout.splitlines()[0].removeprefix("account ").split(", as ")
    assert len(account) == 12
    assert account.isdigit()
    assert caller.startswith("arn:aws:")
    assert f":{account}:" in caller
    assert [f"bucket {place.bucket} created", f"table {place.table} created", *facts] == first.stdout.splitlines()[1:]
    assert [f"bucket {place.bucket} exists", f"table {place.table} exists", *facts] == second.stdout.splitlines()[1:]
    alice = developer("alice", cloud=cloud).backend(
        S3Backend(place, "infrastructure/terraform.tfstate", LockMode.TABLE, {"encrypt": True})
    )
    alice.write("main.tf", resources("one")).init()
    alice.apply()
    assert alice.resources() == ["terraform_data.one"]


def test_a_bucket_with_old_versions_is_not_removed_by_force_but_by_deleting_them(cloud, developer):
    place = cloud.new_place()
    alice = developer("alice", cloud=cloud).backend(S3Backend(place, "app/terraform.tfstate", LockMode.BOTH))
    alice.write("main.tf", resources("one")).init()
    alice.apply()
    alice.write("main.tf", resources("one", "two")).apply()

    by_force = cloud.aws("s3", "rb", f"s3://{place.bucket}", "--force")
    torn_down = cloud.shell(SCRIPTS / "teardown.sh", place.bucket, place.table)

    assert by_force.code == 1
    assert "BucketNotEmpty" in by_force.text
    torn_down.ok()
    assert "NoSuchBucket" in cloud.aws("s3", "ls", f"s3://{place.bucket}").text
    assert "ResourceNotFoundException" in cloud.aws("dynamodb", "describe-table", "--table-name", place.table).text


def test_everyday_commands_of_the_operations_manual_work(cloud, developer):
    place = cloud.new_place()
    key = "infrastructure/terraform.tfstate"
    alice = developer("alice", cloud=cloud).backend(S3Backend(place, key, LockMode.TABLE))
    alice.write("main.tf", resources("one")).init()
    alice.apply()
    alice.write("main.tf", resources("one", "two")).apply()

    assert place.bucket in cloud.aws("s3", "ls").ok().stdout
    assert "terraform.tfstate" in cloud.aws("s3", "ls", f"s3://{place.bucket}/infrastructure/").ok().stdout
    versions = cloud.aws(
        "s3api", "list-object-versions", "--bucket", place.bucket, "--prefix", key, "--query", "length(Versions)"
    )
    assert int(versions.ok().stdout) >= 2
    copy = alice.directory / "copy.tfstate"
    cloud.aws("s3", "cp", f"s3://{place.bucket}/{key}", str(copy)).ok()
    assert copy.read_bytes() == cloud.state_bytes(place, key)
    held = f"Items[?starts_with(LockID.S, `{place.bucket}/`)].LockID.S"
    items = cloud.aws("dynamodb", "scan", "--table-name", place.table, "--output", "text", "--query", held).ok()
    assert set(items.stdout.split()) <= {f"{place.bucket}/{key}-md5"}
