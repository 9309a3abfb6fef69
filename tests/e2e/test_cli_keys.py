"""The command line against a real server: keys, grants, roles, tokens."""

from __future__ import annotations

import json

import botocore.exceptions
import pytest

from tests.e2e.clouds import Credentials, Lockhouse

BODY = b'{"version": 4, "serial": %d, "lineage": "one", "terraform_version": "1.15.5", "outputs": {}, "resources": []}'


def put(lockhouse: Lockhouse, credentials: Credentials, bucket: str, key: str, serial: int = 1) -> None:
    lockhouse.cloud.sdk("s3", credentials).put_object(Bucket=bucket, Key=key, Body=BODY % serial)


def refused(act) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as problem:
        act()
    return problem.value.response["Error"]["Code"]


def test_a_key_may_do_what_was_granted_below_its_prefix_and_nothing_else(lockhouse: Lockhouse):
    place = lockhouse.cloud.new_place("grants")
    key = lockhouse.new_key("team-key", "read,write,lock", f"{place.bucket}/team/")
    put(lockhouse, key, place.bucket, "team/app.tfstate")
    assert refused(lambda: put(lockhouse, key, place.bucket, "other/app.tfstate")) == "AccessDenied"
    s3 = lockhouse.cloud.sdk("s3", key)
    assert refused(lambda: s3.get_object(Bucket=place.bucket, Key="nowhere.tfstate")) == "AccessDenied"
    assert refused(lambda: s3.delete_bucket(Bucket=place.bucket)) == "AccessDenied"
    dynamodb = lockhouse.cloud.sdk("dynamodb", key)
    item = {"LockID": {"S": f"{place.bucket}/team/app.tfstate"}, "Info": {"S": '{"ID":"one"}'}}
    condition = {"ConditionExpression": "attribute_not_exists(LockID)"}
    dynamodb.put_item(TableName=place.table, Item=item, **condition)
    item["LockID"]["S"] = f"{place.bucket}/other/app.tfstate"
    assert refused(lambda: dynamodb.put_item(TableName=place.table, Item=item, **condition)) == "AccessDeniedException"


def test_a_grant_on_a_name_that_nothing_has_is_given_and_told_beside_the_output(lockhouse: Lockhouse):
    place = lockhouse.cloud.new_place("noted")
    for on, note in (
        (f"{place.bucket}/apps/", ""),
        ("*", ""),
        ("nope/", "note: nope is no namespace yet: this grant waits for one, or is for a lock table\n"),
    ):
        made = lockhouse.command("key", "create", "--name", f"noted{len(on)}", "--role", "reader", "--on", on, "--json")
        assert (made.code, made.stderr) == (0, note)
        assert json.loads(made.stdout)["grants"][0]["namespace"] == on.partition("/")[0]
    missing = ("namespace", "create", place.bucket, "--if-not-exists", "--lock-table", "noted-locks")
    for _ in range(2):
        assert lockhouse.command(*missing).ok().stdout == f"{place.bucket} is there, with the lock table noted-locks\n"


def test_a_revoked_key_stops_at_once(lockhouse: Lockhouse):
    place = lockhouse.cloud.new_place("revoked")
    key = lockhouse.new_key("short-lived", "read,write", place.bucket)
    put(lockhouse, key, place.bucket, "app.tfstate")
    assert lockhouse.command("key", "revoke", "short-lived").ok().stdout == "revoked short-lived\n"
    assert refused(lambda: put(lockhouse, key, place.bucket, "app.tfstate", 2)) == "InvalidAccessKeyId"
    again = lockhouse.command("key", "revoke", "short-lived")
    assert again.code == 3
    assert again.stderr.startswith("error: cannot find a principal named 'short-lived'\nhint: ")
    assert again.stdout == ""


def test_a_key_is_rotated_without_a_gap(lockhouse: Lockhouse):
    place = lockhouse.cloud.new_place("rotated")
    old = lockhouse.new_key("rotating", "write", place.bucket)
    made = lockhouse.json("key", "rotate", "rotating")
    new = Credentials(made["access_key_id"], made["secret_access_key"])
    put(lockhouse, old, place.bucket, "app.tfstate")
    put(lockhouse, new, place.bucket, "app.tfstate", 2)
    told = lockhouse.command("key", "rotate", "rotating").ok().stdout
    assert f"  export AWS_ENDPOINT_URL={lockhouse.cloud.endpoint}\n  export AWS_ACCESS_KEY_ID=LHK" in told
    lockhouse.command("token", "revoke", old.access_key_id).ok()
    assert refused(lambda: put(lockhouse, old, place.bucket, "app.tfstate", 3)) == "InvalidAccessKeyId"
    put(lockhouse, new, place.bucket, "app.tfstate", 3)


def test_the_list_of_credentials_says_when_each_was_used(lockhouse: Lockhouse):
    place = lockhouse.cloud.new_place("used")
    key = lockhouse.new_key("used", "write", place.bucket)
    assert lockhouse.json("token", "list", "used")[0]["last_used_at"] == ""
    wrong = Credentials(key.access_key_id, "x" * 40)
    assert refused(lambda: put(lockhouse, wrong, place.bucket, "app.tfstate")) == "SignatureDoesNotMatch"
    assert lockhouse.json("token", "list", "used")[0]["last_used_at"] == ""
    put(lockhouse, key, place.bucket, "app.tfstate")
    assert lockhouse.json("token", "list", "used")[0]["last_used_at"] != ""


def test_a_role_is_assumed_by_whom_it_trusts_and_limits_what_they_may(lockhouse: Lockhouse):
    place = lockhouse.cloud.new_place("roles")
    trusted = lockhouse.new_key("trusted-ci", "read", place.bucket)
    stranger = lockhouse.new_key("stranger", "admin", place.bucket)
    arn = lockhouse.json(
        "role", "create", "--name", "deploy", "--rights", "write", "--on", f"{place.bucket}/apps/", "--by", "trusted-ci"
    )["arn"]
    assume = {"RoleArn": arn, "RoleSessionName": "run-1"}
    assert refused(lambda: lockhouse.cloud.sdk("sts", stranger).assume_role(**assume)) == "AccessDenied"
    given = lockhouse.cloud.sdk("sts", trusted).assume_role(**assume)["Credentials"]

    def write(key: str) -> None:
        s3 = lockhouse.cloud.sdk("s3", Credentials(given["AccessKeyId"], given["SecretAccessKey"]))
        s3._request_signer._credentials.token = given["SessionToken"]
        s3.put_object(Bucket=place.bucket, Key=key, Body=BODY % 1)

    write("apps/app.tfstate")
    assert refused(lambda: write("other/app.tfstate")) == "AccessDenied"
    lockhouse.command("role", "trust", "deploy", "--by", "stranger").ok()
    assert refused(lambda: write("apps/app.tfstate")) in ("InvalidAccessKeyId", "InvalidToken", "InvalidClientTokenId")


def test_a_token_serves_the_command_line_until_it_is_revoked(lockhouse: Lockhouse):
    made = lockhouse.json("token", "create", "--days", "1")
    status = lockhouse.command("status", "--token", made["token"], "--json").ok()
    assert '"administrator"' in status.stdout
    lockhouse.command("token", "revoke", made["id"]).ok()
    ended = lockhouse.command("status", "--token", made["token"])
    assert ended.code == 5
    assert made["token"] not in ended.stderr + ended.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("key", "create", "--name", "x", "--rights", "fly", "--on", "acme"), 2, "cannot use the right 'fly'"),
        (("key", "create", "--name", "x", "--rights", "read"), 2, "give --rights or --role, and --on"),
        (("key", "create", "--name", "a b"), 2, "cannot use 'a b' as a name"),
        (("key", "create", "--name", "administrator"), 6, "has this name"),
        (("key", "revoke", "administrator"), 5, "nobody else could administer"),
        (("key", "create"), 2, "--name"),
        (("key", "fly"), 2, "error: no such command 'fly'\nhint: lockhouse key [OPTIONS] COMMAND"),
        (("status", "--endpoint", "http://127.0.0.1:9"), 1, "cannot reach http://127.0.0.1:9"),
        (("status", "--endpoint", "nonsense"), 1, "must be http:// or https://"),
        (("status", "--token", "wrong"), 5, "unknown or revoked"),
    ],
)
def test_wrong_commands_say_so_and_leave_with_their_exit_code(lockhouse: Lockhouse, arguments, code: int, said: str):
    outcome = lockhouse.command(*arguments)
    assert outcome.code == code, outcome.report()
    assert said in outcome.stderr
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr
