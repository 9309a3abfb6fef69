"""STS and IAM through boto3 against the real process: who am I, sessions and roles."""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime

import boto3
import botocore.crt.auth
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.e2e.clouds import Lockhouse

ROLE = "arn:aws:iam::123456789012:role/"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    settings = {"LOCKHOUSE_LOCK_WAIT": "0", "LOCKHOUSE_ACCOUNT_ID": "123456789012"}
    running = Lockhouse(tmp_path_factory.mktemp("lockhouse"), settings=settings)
    yield running
    try:
        running.stop()
    finally:
        running.abandon()


def client(server, service, credentials):
    """A client with what STS gives, or with a key of ours."""
    given = (
        credentials
        if isinstance(credentials, dict)
        else {"AccessKeyId": credentials.access_key_id, "SecretAccessKey": credentials.secret_access_key}
    )
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given.get("SessionToken"),
        config=Config(retries={"total_max_attempts": 1}),
    )


def code(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def test_everybody_may_know_who_they_are(server):
    who = client(server, "sts", server.cloud.credentials).get_caller_identity()
    assert who["Account"] == "123456789012"
    assert who["Arn"] == "arn:aws:iam::123456789012:user/administrator"
    user = client(server, "iam", server.cloud.credentials).get_user()["User"]
    assert (user["UserName"], user["Arn"]) == ("administrator", who["Arn"])


def test_a_session_has_the_rights_of_its_key_and_needs_its_token(server):
    issued = client(server, "sts", server.cloud.credentials).get_session_token(DurationSeconds=900)["Credentials"]
    assert client(server, "s3", issued).list_buckets()["Buckets"]
    assert client(server, "sts", issued).get_caller_identity()["Arn"].endswith("user/administrator")
    assert code(client(server, "s3", issued | {"SessionToken": None}).list_buckets) == "InvalidAccessKeyId"
    assert (
        code(client(server, "s3", issued | {"SessionToken": issued["SessionToken"][:-2] + "AA"}).list_buckets)
        == "InvalidAccessKeyId"
    )
    assert code(client(server, "sts", issued).get_session_token) == "AccessDenied"


def test_a_role_gives_its_own_rights_to_whom_it_trusts(server):
    ci = server.new_key("ci", "read", "elsewhere")
    outsider = server.new_key("outsider", "read", "elsewhere")
    server.json("role", "create", "--name", "deploy", "--rights", "read,write", "--on", server.namespace, "--by", "ci")
    sts = client(server, "sts", ci)
    assert code(client(server, "s3", ci).put_object, Bucket=server.namespace, Key="o", Body=b"x") == "AccessDenied"
    assumed = sts.assume_role(RoleArn=ROLE + "deploy", RoleSessionName="run-1", DurationSeconds=900)
    assert assumed["AssumedRoleUser"]["Arn"] == "arn:aws:sts::123456789012:assumed-role/deploy/run-1"
    given = assumed["Credentials"]
    client(server, "s3", given).put_object(Bucket=server.namespace, Key="o", Body=b"x")
    assert client(server, "sts", given).get_caller_identity()["Arn"] == assumed["AssumedRoleUser"]["Arn"]
    assert code(client(server, "s3", given).delete_bucket, Bucket=server.namespace) == "AccessDenied"
    listed = client(server, "iam", ci).list_roles()["Roles"]
    assert [(role["RoleName"], role["Arn"]) for role in listed] == [("deploy", ROLE + "deploy")]
    assert client(server, "iam", outsider).list_roles()["Roles"] == []
    stranger = client(server, "sts", outsider)
    for role in ("deploy", "no-such-role"):
        assert code(stranger.assume_role, RoleArn=ROLE + role, RoleSessionName="run-1") == "AccessDenied"
    assert code(sts.assume_role, RoleArn=ROLE + "deploy", RoleSessionName="run-1", Policy="{}") == "ValidationError"
    assert code(sts.assume_role, RoleArn="arn:aws:iam::000000000001:role/deploy", RoleSessionName="run-1") in {
        "AccessDenied",
        "ValidationError",
    }


def test_a_code_of_a_second_factor_is_refused_since_nobody_checks_it(server):
    key = server.new_key("with-a-token", "read", server.namespace)
    factor = {"SerialNumber": "arn:aws:iam::123456789012:mfa/ann", "TokenCode": "123456"}
    sts = client(server, "sts", key)
    assert code(sts.get_session_token, **factor) == "AccessDenied"
    assert code(sts.assume_role, RoleArn=ROLE + "any", RoleSessionName="run-1", **factor) == "AccessDenied"


def test_what_is_not_offered_is_an_invalid_action(server):
    iam = client(server, "iam", server.cloud.credentials)
    assert code(iam.create_user, UserName="x") == "InvalidAction"
    assert code(client(server, "sts", server.cloud.credentials).get_federation_token, Name="xx") == "InvalidAction"


def test_a_wrong_secret_is_refused_in_the_words_of_sts(server):
    wrong = {"AccessKeyId": server.cloud.credentials.access_key_id, "SecretAccessKey": "x" * 40}
    assert code(client(server, "sts", wrong).get_caller_identity) == "SignatureDoesNotMatch"
    unknown = {"AccessKeyId": "LHKNOBODY00000000000", "SecretAccessKey": "x" * 40}
    assert code(client(server, "sts", unknown).get_caller_identity) == "InvalidClientTokenId"


@pytest.mark.parametrize("minutes", [-20, 20])
@pytest.mark.parametrize(
    ("service", "operation", "said"),
    [
        ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
        ("iam", "get_user", "SignatureDoesNotMatch"),
        ("dynamodb", "list_tables", "InvalidSignatureException"),
    ],
)
def test_a_clock_that_is_wrong_is_told_the_right_time(server, monkeypatch, minutes, service, operation, said):
    """By these codes and the Date beside them, the SDK of Terraform corrects its clock and tries once more."""
    now = dt.datetime.now(dt.UTC)
    wrong = now + dt.timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.crt.auth, "get_current_datetime", lambda *_, **__: wrong)
    with pytest.raises(ClientError) as caught:
        getattr(client(server, service, server.cloud.credentials), operation)()
    answer = caught.value.response
    assert answer["Error"]["Code"] == said
    assert "15 minutes" in answer["Error"]["Message"]
    told = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    assert abs(told - now) < dt.timedelta(minutes=1)
