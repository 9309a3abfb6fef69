"""Show 11, the part that real clients can play: what they get wrong is refused in their own words, and nothing is stored.

Malformed requests on the wire are tested in the rooms of the protocols.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.clouds import Credentials
from tests.e2e.scenarios.configurations import outputs
from tests.e2e.terraform import NEWEST, LockMode, S3Backend
from tests.e2e.toolchain.clients import terraform_versions

KEY = "app/terraform.tfstate"
VERSIONS = [version for version in ("1.0.3", NEWEST) if version in terraform_versions(soak=False)]


@pytest.fixture
def kept(cloud, developer):
    """A place with one state, and its bytes."""
    place = cloud.new_place()
    alice = developer("owner", cloud=cloud).backend(S3Backend(place, KEY, LockMode.TABLE))
    alice.write("main.tf", outputs(by="owner")).init()
    alice.apply()
    return place, cloud.state_bytes(place, KEY)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrong_secret_and_an_unknown_key_are_told_apart_and_change_nothing(lockhouse, developer, kept, version):
    cloud, (place, before) = lockhouse.cloud, kept
    wrong = Credentials(cloud.credentials.access_key_id, cloud.credentials.secret_access_key[::-1])
    unknown = Credentials("AKIANOBODYKNOWSTHIS0", "x" * 40)
    for name, credentials, said in (
        ("wrong", wrong, "SignatureDoesNotMatch"),
        ("unknown", unknown, "InvalidClientTokenId|InvalidAccessKeyId|UnrecognizedClientException"),
    ):
        mallory = developer(name, cloud=cloud, version=version, credentials=credentials)
        skipping = {"skip_credentials_validation": True} | (
            {"skip_requesting_account_id": True} if version == NEWEST else {}
        )
        for options in ({}, skipping):
            mallory.backend(S3Backend(place, KEY, LockMode.TABLE, options)).write("main.tf", outputs(by="mallory"))
            ended = mallory.run("init", "-input=false", "-reconfigure")
            assert ended.code == 1, ended.report()
            assert any(code in ended.text for code in said.split("|")), ended.report()
            assert cloud.credentials.secret_access_key not in ended.text
    assert cloud.state_bytes(place, KEY) == before
    assert cloud.lock_ids(place, KEY) == set()


def test_a_key_without_grants_reads_nothing_and_never_starts_from_an_empty_state(lockhouse, developer, kept):
    cloud, (place, before) = lockhouse.cloud, kept
    stranger = lockhouse.new_key(f"stranger-{place.bucket}", "read,write,lock", cloud.new_place("elsewhere").bucket)
    mallory = developer("mallory", cloud=cloud, credentials=stranger)
    mallory.backend(S3Backend(place, KEY, LockMode.BOTH)).write("main.tf", outputs(by="mallory"))

    ended = mallory.run("init", "-input=false")
    applied = mallory.run("apply", "-auto-approve", "-input=false")

    assert ended.code == 1, ended.report()
    assert "AccessDenied" in ended.text or "Forbidden" in ended.text, ended.report()
    assert applied.code == 1, applied.report()
    assert cloud.state_bytes(place, KEY) == before


def test_a_read_only_key_plans_without_a_lock_but_cannot_lock_or_write(lockhouse, developer, kept):
    cloud, (place, before) = lockhouse.cloud, kept
    reader = lockhouse.new_key(f"reader-{place.bucket}", "read", place.bucket)
    auditor = developer("auditor", cloud=cloud, credentials=reader)
    auditor.backend(S3Backend(place, KEY, LockMode.BOTH)).write("main.tf", outputs(by="auditor")).init()

    assert "owner" in auditor.ok("output").stdout
    auditor.ok("plan", "-input=false", "-lock=false")
    locked = auditor.run("plan", "-input=false")
    written = auditor.run("apply", "-auto-approve", "-input=false", "-lock=false")

    assert locked.code == 1, locked.report()
    assert "AccessDenied" in locked.text, locked.report()
    assert written.code == 1, written.report()
    assert "AccessDenied" in written.text, written.report()
    assert cloud.state_bytes(place, KEY) == before


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("empty", lambda body: b""),
        ("truncated", lambda body: body[: len(body) // 2]),
        ("not-json", lambda body: b"<html>502 Bad Gateway</html>"),
        ("no-state", lambda body: b'{"hello": "world"}'),
        ("older", lambda body: body.replace(b'"serial": 1', b'"serial": 0')),
        (
            "other-lineage",
            lambda body: json.dumps(json.loads(body) | {"lineage": "someone-else", "serial": 99}).encode(),
        ),
        ("same-serial-other-body", lambda body: body.replace(b"owner", b"robot")),
    ],
)
def test_a_bad_body_copied_over_a_state_is_refused_and_the_state_stays(lockhouse, kept, tmp_path, name, damage):
    cloud, (place, before) = lockhouse.cloud, kept
    body = damage(before)
    assert body != before
    (tmp_path / name).write_bytes(body)

    copied = cloud.aws("s3api", "put-object", "--bucket", place.bucket, "--key", KEY, "--body", str(tmp_path / name))

    assert copied.code != 0, copied.report()
    assert "An error occurred" in copied.stderr
    assert cloud.state_bytes(place, KEY) == before


@pytest.mark.parametrize(
    "key",
    [
        "../../../etc/passwd.tfstate",
        "a/./b/../c/terraform.tfstate",
        "/leading//double/terraform.tfstate",
        "Größe & Co/état + ünïcode/terraform.tfstate",
        "UPPER/Case.tfstate",
        "100%/what?/x=y&z/#1/terraform.tfstate",
        "env:/looks/like/a/workspace.tfstate",
    ],
)
def test_a_strange_key_is_a_name_and_nothing_else(lockhouse, cloud, tmp_path, key):
    place = cloud.new_place()
    s3 = cloud.sdk("s3")
    body = json.dumps({"version": 4, "serial": 1, "lineage": key, "outputs": {}, "resources": []}).encode()
    before = {path for path in Path(lockhouse.directory).rglob("*") if "data" not in path.parts}

    s3.put_object(Bucket=place.bucket, Key=key, Body=body)

    assert cloud.state_bytes(place, key) == body
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=place.bucket)["Contents"]] == [key]
    neighbours = {path for path in Path(lockhouse.directory).rglob("*") if "data" not in path.parts}
    assert neighbours == before
    names = [path.name for path in lockhouse.data.rglob("*")]
    assert not any(part and part in name for name in names for part in ("passwd", "UPPER", "looks"))


@pytest.mark.parametrize("key", ["deep/../terraform.tfstate", "ünï/terraform.tfstate", "a b/terraform.tfstate"])
def test_terraform_works_with_a_strange_key(cloud, developer, key):
    place = cloud.new_place()
    alice = developer("alice", cloud=cloud).backend(S3Backend(place, key, LockMode.BOTH))
    alice.write("main.tf", outputs(key="strange")).init()
    alice.apply()

    assert alice.ok("output", "-raw", "key").stdout == "strange"
    assert cloud.lock_ids(place, key) == set()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("s3api", "get-bucket-versioning", "--bucket", "nobody-made-this"), "NoSuchBucket"),
        (("s3api", "restore-object", "--bucket", "{bucket}", "--key", KEY, "--restore-request", "Days=1"), ""),
        (
            (
                "s3api",
                "put-bucket-versioning",
                "--bucket",
                "{bucket}",
                "--versioning-configuration",
                "Status=Suspended",
            ),
            "",
        ),
        (
            (
                "s3api",
                "select-object-content",
                "--bucket",
                "{bucket}",
                "--key",
                KEY,
                "--expression",
                "select 1",
                "--expression-type",
                "SQL",
                "--input-serialization",
                "{{}}",
                "--output-serialization",
                "{{}}",
                "/dev/null",
            ),
            "",
        ),
        (
            (
                "dynamodb",
                "create-global-table",
                "--global-table-name",
                "x-y-z",
                "--replication-group",
                "RegionName=eu-west-1",
            ),
            "",
        ),
        (("dynamodb", "execute-statement", "--statement", "select * from x"), ""),
        (
            ("dynamodb", "put-item", "--table-name", "nobody-made-this", "--item", '{{"LockID":{{"S":"x"}}}}'),
            "ResourceNotFoundException",
        ),
        (
            ("dynamodb", "put-item", "--table-name", "{table}", "--item", '{{"Wrong":{{"S":"x"}}}}'),
            "ValidationException",
        ),
        (("sts", "decode-authorization-message", "--encoded-message", "x"), ""),
        (("iam", "create-user", "--user-name", "mallory"), ""),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, tuple) else None,
)
def test_what_is_not_served_is_refused_as_a_clients_mistake(lockhouse, kept, arguments, code):
    cloud, (place, before) = lockhouse.cloud, kept
    done = cloud.aws(*(part.format(bucket=place.bucket, table=place.table) for part in arguments))

    assert done.code != 0, done.report()
    assert code in done.stderr
    assert "InternalError" not in done.stderr
    assert "InternalFailure" not in done.stderr
    assert "(5" not in done.stderr
    assert cloud.state_bytes(place, KEY) == before
