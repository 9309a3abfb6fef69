"""Retention and the trash against a real server, through the command line and S3."""

from __future__ import annotations

import json
from collections.abc import Callable

import botocore.exceptions
import pytest

from tests.e2e.clouds import Lockhouse, Place

KEY = "prod/app.tfstate"


def put(server: Lockhouse, place: Place, *serials: int, key: str = KEY) -> None:
    for serial in serials:
        document = {"version": 4, "terraform_version": "1.15.5", "serial": serial, "lineage": "one", "outputs": {}}
        raw = json.dumps(document | {"resources": []}).encode()
        server.cloud.sdk("s3").put_object(Bucket=place.bucket, Key=key, Body=raw)


def serials(server: Lockhouse, place: Place, key: str = KEY) -> list[int]:
    return [each["serial"] for each in server.json("state", "versions", place.bucket, key)]


def test_rules_are_tried_set_applied_and_undone(start_lockhouse: Callable[..., Lockhouse]):
    server = start_lockhouse(settings={"LOCKHOUSE_RETENTION_FLOOR": "0"})
    place = server.cloud.new_place("kept")
    put(server, place, 1, 2, 3, 4, 5)
    put(server, place, 1, 2, key="other.tfstate")
    oldest = server.json("state", "versions", place.bucket, KEY)[-1]["id"]
    tagged = server.json("state", "tag", place.bucket, KEY, "release=1", "--version", oldest)
    assert tagged["tags"] == {"release": "1"}
    tags = server.cloud.sdk("s3").get_object_tagging(Bucket=place.bucket, Key=KEY, VersionId=oldest)["TagSet"]
    assert tags == [{"Key": "release", "Value": "1"}]

    conditions = ("--prefix", "prod/", "--keep-versions", "2", "--keep-tagged", "release")
    assert [each["serial"] for each in server.json("retention", "preview", place.bucket, *conditions)] == [3, 2]
    assert "2 versions" in server.command("retention", "preview", place.bucket, *conditions).ok().stdout
    assert serials(server, place) == [5, 4, 3, 2, 1]
    server.command("retention", "set", place.bucket, *conditions).ok()
    assert server.json("retention", "show", place.bucket)["rules"][0]["prefix"] == "prod/"
    assert server.command("retention", "set", place.bucket, "--keep-tagged", "x").code == 2
    server.stop()
    server.start()  # which begins a round of chores at once
    server.child.wait_for(r"Did apply retention count=2", seconds=30)
    assert serials(server, place) == [5, 4, 1]
    assert serials(server, place, "other.tfstate") == [2, 1]

    found = server.json("state", "trash", place.bucket, KEY)
    assert [(each["version"]["serial"], each["reason"]) for each in found] == [(3, "retention"), (2, "retention")]
    server.command("state", "purge", place.bucket, KEY, "--version", found[0]["version"]["id"], "--yes").ok()
    server.command("state", "undelete", place.bucket, KEY, "--version", found[1]["version"]["id"]).ok()
    assert serials(server, place) == [5, 4, 2, 1]
    assert server.command("state", "undelete", place.bucket, KEY, "--version", found[0]["version"]["id"]).code == 3
    server.command("retention", "remove", place.bucket, "--prefix", "prod/").ok()
    assert server.json("retention", "show", place.bucket)["rules"] == []


def test_what_s3_deletes_is_gone_for_s3_and_comes_back_through_the_command_line(lockhouse: Lockhouse):
    place = lockhouse.cloud.new_place("deleted")
    put(lockhouse, place, 1, 2)
    s3 = lockhouse.cloud.sdk("s3")
    newest = s3.head_object(Bucket=place.bucket, Key=KEY)["VersionId"]
    s3.delete_object(Bucket=place.bucket, Key=KEY, VersionId=newest)
    with pytest.raises(botocore.exceptions.ClientError, match="404"):
        s3.head_object(Bucket=place.bucket, Key=KEY, VersionId=newest)
    listed = s3.list_object_versions(Bucket=place.bucket)
    assert [each["VersionId"] for each in listed["Versions"]] != [newest]
    lockhouse.command("state", "undelete", place.bucket, KEY, "--version", newest).ok()
    assert s3.head_object(Bucket=place.bucket, Key=KEY)["VersionId"] == newest

    s3.delete_object(Bucket=place.bucket, Key=KEY)
    assert lockhouse.json("state", "list", place.bucket) == []
    assert [each["key"] for each in lockhouse.json("state", "list", place.bucket, "--deleted")] == [KEY]
    assert lockhouse.json("state", "undelete", place.bucket, KEY)["serial"] == 2
    assert s3.get_object(Bucket=place.bucket, Key=KEY)["VersionId"] == newest
    assert lockhouse.command("state", "undelete", place.bucket, KEY).code == 2
    for version in s3.list_object_versions(Bucket=place.bucket)["Versions"]:
        s3.delete_object(Bucket=place.bucket, Key=KEY, VersionId=version["VersionId"])
    s3.delete_bucket(Bucket=place.bucket)
