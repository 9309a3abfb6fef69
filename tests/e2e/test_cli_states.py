"""The command line against a real server: states, versions, parked writes, locks."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import botocore.exceptions
import pytest

from tests.e2e.clouds import Credentials, Lockhouse, Place

KEY = "env:/dev/team one/ä+b.tfstate"


def body(serial: int, resources: int = 0) -> bytes:
    blocks = [{"mode": "managed", "type": "t", "name": f"r{number}", "instances": [{}]} for number in range(resources)]
    document = {"version": 4, "terraform_version": "1.15.5", "serial": serial, "lineage": "one", "outputs": {}}
    return json.dumps(document | {"resources": blocks}).encode()


@pytest.fixture
def place(lockhouse: Lockhouse) -> Place:
    return lockhouse.cloud.new_place("states")


def put(lockhouse: Lockhouse, place: Place, raw: bytes, credentials: Credentials | None = None) -> None:
    lockhouse.cloud.sdk("s3", credentials).put_object(Bucket=place.bucket, Key=KEY, Body=raw)


def lock(lockhouse: Lockhouse, place: Place, lock_id: str, credentials: Credentials | None = None) -> None:
    info = json.dumps({"ID": lock_id, "Operation": "OperationTypeApply", "Who": "alice@laptop", "Path": "x"})
    lockhouse.cloud.sdk("dynamodb", credentials).put_item(
        TableName=place.table,
        Item={"LockID": {"S": f"{place.bucket}/{KEY}"}, "Info": {"S": info}},
        ConditionExpression="attribute_not_exists(LockID)",
    )


def test_a_state_is_listed_shown_downloaded_restored_and_deleted(lockhouse: Lockhouse, place: Place, tmp_path: Path):
    put(lockhouse, place, body(1, resources=2))
    put(lockhouse, place, body(2))
    (line,) = lockhouse.json("state", "list", place.bucket)
    assert (line["key"], line["serial"], line["versions"]) == (KEY, 2, 2)
    assert KEY in lockhouse.command("state", "list", place.bucket, "--prefix", "env:/").ok().stdout
    assert lockhouse.json("state", "show", place.bucket, KEY)["current"]["serial"] == 2
    newest, oldest = lockhouse.json("state", "versions", place.bucket, KEY)
    assert (newest["current"], oldest["resources"]) == (True, 2)

    target = tmp_path / "old.tfstate"
    download = ("state", "download", place.bucket, KEY, "--version", oldest["id"])
    lockhouse.command(*download, "-o", str(target)).ok()
    assert target.read_bytes() == body(1, resources=2)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert lockhouse.command(*download).ok().stdout.encode() == body(1, resources=2)

    differing = lockhouse.json("state", "diff", place.bucket, KEY, "--version", oldest["id"])
    assert (len(differing["added"]), differing["removed"]) == (2, [])
    back = ("state", "diff", place.bucket, KEY, "--version", newest["id"], "--from", oldest["id"])
    assert "0 more, 2 fewer, 0 other" in lockhouse.command(*back).ok().stdout

    number = oldest["id"].partition(".")[0]
    assert lockhouse.json("state", "diff", place.bucket, KEY, "--version", number) == differing
    for nothing in ("0", "77", "9" * 40, "1x"):
        assert lockhouse.command("state", "restore", place.bucket, KEY, "--version", nothing).code == 3
    restored = lockhouse.json("state", "restore", place.bucket, KEY, "--version", number)
    assert (restored["serial"], restored["mark"]) == (3, "rollback")
    refused = lockhouse.command("state", "delete", place.bucket, KEY)
    assert refused.code == 5
    assert "it still describes 2 resources" in refused.stderr
    lockhouse.command("state", "delete", place.bucket, KEY, "--force").ok()
    assert lockhouse.json("state", "list", place.bucket) == []
    assert len(lockhouse.json("state", "versions", place.bucket, KEY)) == 4


def test_a_parked_write_is_shown_and_accepted_or_dropped(lockhouse: Lockhouse, place: Place):
    put(lockhouse, place, body(5))
    for raw in (body(5, resources=1), body(4, resources=3)):
        with pytest.raises(botocore.exceptions.ClientError):
            put(lockhouse, place, raw)
    found = lockhouse.json("state", "parked", "list", place.bucket, KEY)
    assert [each["reason"] for each in found] == ["write.serial"] * 2
    wanted, other = sorted(found, key=lambda each: -each["serial"])
    shown = lockhouse.command("state", "parked", "show", wanted["id"]).ok().stdout
    assert f"lockhouse state parked accept {wanted['id']}" in shown
    assert "1 more, 0 fewer, 0 other" in shown
    assert wanted["id"] in lockhouse.command("state", "parked", "list", place.bucket).ok().stdout
    nowhere = lockhouse.command("state", "parked", "list", "nowhere-at-all")
    assert (nowhere.code, "cannot find a namespace named nowhere-at-all" in nowhere.stderr) == (3, True)
    downloaded = lockhouse.command("state", "parked", "download", wanted["id"]).ok().stdout
    assert downloaded.encode() == body(5, resources=1)
    assert lockhouse.json("state", "parked", "accept", wanted["id"])["mark"] == "accepted"
    assert lockhouse.cloud.sdk("s3").get_object(Bucket=place.bucket, Key=KEY)["Body"].read() == body(5, resources=1)
    unasked = lockhouse.command("state", "parked", "drop", other["id"])
    assert unasked.code == 2
    lockhouse.command("state", "parked", "drop", other["id"], "--yes").ok()
    assert lockhouse.command("state", "parked", "show", other["id"]).code == 3


def test_a_lock_is_found_and_taken_away_and_its_holder_is_fenced(lockhouse: Lockhouse, place: Place):
    runner = lockhouse.new_key(f"runner-{place.bucket}", "read,write,lock", place.bucket)
    put(lockhouse, place, body(1))
    lock(lockhouse, place, "lock-1", runner)
    (held,) = lockhouse.json("lock", "list", place.bucket)
    assert (held["key"], held["who"], held["id"]) == (KEY, "alice@laptop", "lock-1")
    shown = lockhouse.command("lock", "show", place.bucket, KEY).ok().stdout
    assert "alice@laptop" in shown
    assert "--reason TEXT" in shown
    assert "alice@laptop" in lockhouse.command("lock", "show", f"{place.bucket}/{KEY}").ok().stdout
    alone = lockhouse.command("lock", "show", place.bucket)
    assert (alone.code, "say which state" in alone.stderr) == (2, True)
    assert lockhouse.command("lock", "force-unlock", place.bucket, KEY).code == 2
    wrong = lockhouse.command("lock", "force-unlock", place.bucket, KEY, "--reason", "x", "--id", "lock-2")
    assert wrong.code == 6
    lockhouse.command("lock", "force-unlock", place.bucket, KEY, "--reason", "runner was destroyed").ok()
    assert lockhouse.json("lock", "list", place.bucket) == []
    assert "runner was destroyed" in lockhouse.command("lock", "show", place.bucket, KEY).ok().stdout
    put(lockhouse, place, body(2))
    with pytest.raises(botocore.exceptions.ClientError, match="taken away"):
        put(lockhouse, place, body(3), runner)
    assert lockhouse.json("state", "parked", "list", place.bucket, KEY)[0]["reason"] == "write.fenced"


def test_a_locked_state_is_not_restored_and_the_exit_code_says_locked(lockhouse: Lockhouse, place: Place):
    put(lockhouse, place, body(1))
    version = lockhouse.json("state", "versions", place.bucket, KEY)[0]["id"]
    lock(lockhouse, place, "lock-1")
    outcome = lockhouse.command("state", "restore", place.bucket, KEY, "--version", version)
    assert outcome.code == 4, outcome.report()


def test_a_namespace_that_needs_locks_refuses_a_write_without_one(lockhouse: Lockhouse, place: Place):
    lockhouse.command("namespace", "require-lock", place.bucket).ok()
    with pytest.raises(botocore.exceptions.ClientError, match="under a lock"):
        put(lockhouse, place, body(1))
    lock(lockhouse, place, "lock-1")
    put(lockhouse, place, body(1))
    assert lockhouse.command("namespace", "delete", place.bucket).code == 6
