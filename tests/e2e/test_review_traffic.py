"""`lockhouse review --traffic` against a real server: which clients of this repository still lock through the table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1] / "review_fixtures" / "origin-shape" / "repo"
KEY = "infrastructure/terraform.tfstate"


@pytest.fixture
def place(lockhouse):
    return lockhouse.cloud.new_place("traffic")


@pytest.fixture
def repository(tmp_path, place):
    copy = tmp_path / "repo"
    shutil.copytree(REPO, copy)
    for file in copy.rglob("*"):
        if file.is_file():
            text = file.read_text()
            file.write_text(text.replace("classla-terraform-state", place.bucket))
    return copy


def lock_and_unlock(lockhouse, place, key, through):
    name = f"{place.bucket}-{through}"
    client = lockhouse.new_key(name, "lock", place.bucket)
    document = json.dumps({"ID": f"id-{through}", "Operation": "plan", "Who": "a@b"})
    if through == "table":
        table = lockhouse.cloud.sdk("dynamodb", credentials=client)
        item = {"LockID": {"S": f"{place.bucket}/{key}"}, "Info": {"S": document}}
        table.put_item(TableName=place.table, Item=item, ConditionExpression="attribute_not_exists(LockID)")
        table.delete_item(TableName=place.table, Key={"LockID": item["LockID"]})
    else:
        objects = lockhouse.cloud.sdk("s3", credentials=client)
        objects.put_object(Bucket=place.bucket, Key=f"{key}.tflock", Body=document.encode(), IfNoneMatch="*")
        objects.delete_object(Bucket=place.bucket, Key=f"{key}.tflock")
    return name


def test_who_still_locks_through_the_table_stands_in_the_document_and_in_the_json(lockhouse, place, repository):
    old = lock_and_unlock(lockhouse, place, KEY, "table")
    new = lock_and_unlock(lockhouse, place, KEY, "lockfile")
    asked = ("review", str(repository), "--ask", "dynamodb", "--traffic")
    done = lockhouse.command(*asked).ok()
    assert f"Still lock through the table: {old}." in done.stdout
    document = json.loads(lockhouse.command(*asked, "--json").ok().stdout)
    assert document["traffic"]["still_through_the_table"] == [old]
    assert new in json.dumps(document["traffic"])


def test_a_server_that_refuses_is_an_error_that_does_not_show_the_token(lockhouse, repository):
    token = "lkh_AAAAAAAAAAAAAAAA_" + "x" * 43
    done = lockhouse.command("review", str(repository), "--traffic", "--token", token)
    assert done.code == 2
    assert f"cannot ask {lockhouse.endpoint}: it answered 401" in done.stderr
    assert token not in done.stdout + done.stderr
