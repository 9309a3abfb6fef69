"""Runs of a CI system with their ID tokens: a real issuer process, a real server, boto3 and plain HTTP."""

from __future__ import annotations

import time
from datetime import datetime

import boto3
import httpx
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.e2e.clouds import Lockhouse
from tests.eventually import eventually

ACCOUNT = "123456789012"
AUDIENCE = "https://states.example.com"
RUN = {
    "sub": "repo:acme/app:ref:refs/heads/main",
    "aud": AUDIENCE,
    "repository": "acme/app",
    "repository_id": "1001",
    "repository_owner_id": "55",
    "ref": "refs/heads/main",
    "event_name": "push",
    "run_id": "987654",
    "run_attempt": "2",
}
NEEDED = ("repository_id=1001", "repository_owner_id=55", "ref=refs/heads/main")


@pytest.fixture(scope="module")
def server(tmp_path_factory, issuer):
    settings = {"LOCKHOUSE_LOCK_WAIT": "0", "LOCKHOUSE_CI_ISSUERS": issuer.issuer, "LOCKHOUSE_ACCOUNT_ID": ACCOUNT}
    running = Lockhouse(tmp_path_factory.mktemp("lockhouse"), settings=settings)
    running.command(*created("deploy", running, issuer)).ok()
    running.command(*created("proposals", running, issuer), "--pull-requests").ok()
    yield running
    try:
        running.stop()
    finally:
        running.abandon()


def created(name, server, issuer, *claims, minutes="20"):
    named = [part for claim in claims or NEEDED for part in ("--claim", claim)]
    who = ("--issuer", issuer.issuer, "--audience", AUDIENCE, "--minutes", minutes)
    return ("trust", "create", name, *who, *named, "--role", "writer", "--on", f"{server.namespace}/app/")


def mint(issuer, how="", drop=(), **claims):
    asked = {"claims": RUN | claims, "how": how, "drop": list(drop)}
    return issuer.desk.post("/-/mint", json=asked).raise_for_status().json()


def exchange(server, token, policy="deploy"):
    asked = {"policy": policy, "token": token}
    return httpx.post(f"{server.endpoint}/lockhouse/v1/exchange", json=asked, trust_env=False, timeout=30)


def sts(server):
    return boto3.client(
        "sts",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )


def assume(server, token, policy="deploy", **more):
    arn = f"arn:aws:iam::{ACCOUNT}:role/{policy}"
    return sts(server).assume_role_with_web_identity(
        RoleArn=arn, RoleSessionName="terraform", WebIdentityToken=token, **more
    )


def client(server, service, given):
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_an_id_token_becomes_an_api_token_of_its_run_with_the_rights_of_the_policy(server, issuer):
    answer = exchange(server, mint(issuer))
    assert answer.status_code == 201, answer.text
    auth = {"authorization": f"Bearer {answer.json()['token']}"}
    status = httpx.get(f"{server.endpoint}/lockhouse/v1/status", headers=auth, trust_env=False)
    assert status.status_code == 200
    place = f"{server.endpoint}/http/{server.namespace}"
    body = b'{"version":4,"serial":1,"lineage":"x","terraform_version":"1.15.5","outputs":{},"resources":[]}'
    assert httpx.post(f"{place}/app/one", content=body, headers=auth, trust_env=False).status_code == 200
    assert httpx.post(f"{place}/other", content=body, headers=auth, trust_env=False).status_code == 403


def test_temporary_aws_credentials_name_the_run_and_end_in_time(server, issuer):
    answer = assume(server, mint(issuer), DurationSeconds=900)
    assert answer["AssumedRoleUser"]["Arn"].endswith(":assumed-role/deploy/987654.2")
    assert answer["Provider"] == issuer.issuer
    assert 0 < answer["Credentials"]["Expiration"].timestamp() - time.time() <= 900
    who = client(server, "sts", answer["Credentials"]).get_caller_identity()
    assert who["Arn"] == answer["AssumedRoleUser"]["Arn"]
    s3 = client(server, "s3", answer["Credentials"])
    s3.put_object(Bucket=server.namespace, Key="app/notes.txt", Body=b"of the run")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=server.namespace, Key="other/notes.txt", Body=b"not ours")


def test_the_role_of_a_policy_is_shown(server):
    assert server.json("trust", "show", "deploy")["trust"]["role_arn"] == f"arn:aws:iam::{ACCOUNT}:role/deploy"


def test_a_run_longer_than_the_policy_gives_is_refused(server, issuer):
    with pytest.raises(ClientError, match="ValidationError"):
        assume(server, mint(issuer), DurationSeconds=3600)


STOLEN = {
    "expired": {"iat": 1_600_000_000, "exp": 1_600_000_300},
    "not valid yet": {"nbf": 4_000_000_000},
    "for another audience": {"aud": "sts.amazonaws.com"},
    "of another repository": {"repository_id": "1002"},
    "of a longer id with the same beginning": {"repository_id": "10011"},
    "of another owner": {"repository_owner_id": "56"},
    "of another branch": {"ref": "refs/heads/main-2"},
    "of a pull request": {"event_name": "pull_request"},
    "of a pull request's target": {"event_name": "pull_request_target"},
    "of a merge request": {"pipeline_source": "merge_request_event"},
    "of another issuer": {"iss": "http://127.0.0.1:9"},
    "lasting for a month": {"exp": int(time.time()) + 30 * 86_400},
    "with a list where the policy has a value": {"ref": ["refs/heads/main"]},
}
FORGED = ["none", "none, signed", "hs256", "a key of its own", "a key that nobody published", "too long", "not a token",
          "another payload under the old signature"]  # fmt: skip


@pytest.mark.parametrize("claims", STOLEN.values(), ids=STOLEN)
def test_a_token_that_is_not_this_runs_gives_nothing(server, issuer, claims):
    assert exchange(server, mint(issuer, **claims)).status_code in (401, 403)
    with pytest.raises(ClientError) as caught:
        assume(server, mint(issuer, **claims))
    assert caught.value.response["Error"]["Code"] in ("AccessDenied", "InvalidIdentityToken", "ExpiredTokenException")


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_token_gives_nothing(server, issuer, how):
    assert exchange(server, mint(issuer, how)).status_code in (400, 401)
    with pytest.raises(ClientError) as caught:
        assume(server, mint(issuer, how))
    assert caught.value.response["Error"]["Code"] in ("InvalidIdentityToken", "ValidationError")


@pytest.mark.parametrize("claim", ["aud", "sub", "ref", "repository_id"])
def test_a_token_without_a_needed_claim_gives_nothing(server, issuer, claim):
    assert exchange(server, mint(issuer, drop=[claim])).status_code in (401, 403)


def test_a_token_works_once(server, issuer):
    token = mint(issuer)
    assert exchange(server, token).status_code == 201
    again = exchange(server, token)
    assert (again.status_code, again.json()["error"]["code"]) == (401, "credential.unknown")
    with pytest.raises(ClientError, match="InvalidIdentityToken"):
        assume(server, token)
    assert exchange(server, mint(issuer, jti="the same")).status_code == 201
    assert exchange(server, mint(issuer, jti="the same", run_id="2")).status_code == 401


def test_commands_of_one_run_may_assume_the_role_again_with_one_file_and_get_no_more_time(server, issuer):
    token = mint(issuer)
    first, second = assume(server, token), assume(server, token)
    assert first["Credentials"]["Expiration"] == second["Credentials"]["Expiration"]
    assert first["Credentials"]["AccessKeyId"] != second["Credentials"]["AccessKeyId"]
    assert exchange(server, token).status_code == 401


def test_a_policy_can_believe_pull_requests(server, issuer):
    assert exchange(server, mint(issuer, event_name="pull_request"), "proposals").status_code == 201


def test_a_new_key_of_the_issuer_is_fetched(server, issuer):
    assert exchange(server, mint(issuer)).status_code == 201
    issuer.rotate()
    eventually(lambda: exchange(server, mint(issuer)).status_code == 201, 30, every=1)  # fetched at most every 10 s


def test_a_policy_that_is_deleted_ends_what_it_gave(server, issuer):
    server.command(*created("leaving", server, issuer)).ok()
    token = exchange(server, mint(issuer), "leaving").json()["token"]
    session = assume(server, mint(issuer), "leaving")["Credentials"]
    server.command("trust", "delete", "leaving").ok()
    auth = {"authorization": f"Bearer {token}"}
    assert httpx.get(f"{server.endpoint}/lockhouse/v1/status", headers=auth, trust_env=False).status_code == 401
    with pytest.raises(ClientError):
        client(server, "sts", session).get_caller_identity()
    assert exchange(server, mint(issuer), "leaving").status_code == 401


@pytest.mark.parametrize("how", ["", *FORGED])
def test_who_has_no_token_for_a_policy_cannot_tell_whether_there_is_one(server, issuer, how):
    """A stranger's own token, of a listed issuer or forged in every way: the same words for every name."""
    claims = {} if how else {"aud": "https://elsewhere.example.com"}
    token = mint(issuer, how, **claims)
    answers = [exchange(server, token, policy) for policy in ("deploy", "no-such-policy", "administrator")]
    assert len({(each.status_code, without_id(each)) for each in answers}) == 1
    refusals = []
    for policy in ("deploy", "no-such-policy", "administrator"):
        with pytest.raises(ClientError) as caught:
            assume(server, token, policy)
        refusals.append(caught.value.response["Error"])
    assert refusals[0] == refusals[1] == refusals[2]


def without_id(answer):
    error = answer.json()["error"]
    return tuple(str(error[name]) for name in ("code", "message", "hint", "details"))


def test_a_policy_without_the_claims_that_nobody_can_take_over_is_refused(server, issuer):
    for claims in (("repository_id=1001", "ref=refs/heads/main"), ("repository_id=1", "repository_owner_id=2"),
                   ("project_id=5",), ("sub=repo:acme/*",)):  # fmt: skip
        assert server.command(*created("loose", server, issuer, *claims)).code != 0
    other = [*created("strange", server, issuer)]
    other[other.index("--issuer") + 1] = "https://elsewhere.example.com"
    assert "ci_issuers" in server.command(*other).text


def test_the_audit_log_tells_the_run_and_its_job(server, issuer):
    exchange(server, mint(issuer, run_id="424242"))
    told = server.command("audit", "list", "--json").ok().stdout
    assert "credential.exchange" in told
    assert "deploy/424242.2" in told


def test_other_unsigned_forms_are_still_refused(server):
    for body in (b"Action=GetCallerIdentity&Version=2011-06-15", b"nonsense", b"Action=AssumeRole"):
        form = {"content-type": "application/x-www-form-urlencoded"}
        answer = httpx.post(server.endpoint + "/", content=body, headers=form, trust_env=False)
        assert answer.status_code == 403
        assert "MissingAuthenticationToken" in answer.text


def test_a_lock_of_a_run_shows_its_job_to_everybody_who_meets_it(server, issuer):
    token = exchange(server, mint(issuer, run_id="515151")).json()["token"]
    auth = {"authorization": f"Bearer {token}", "user-agent": "Terraform/1.15.5"}
    place = f"{server.endpoint}/http/{server.namespace}/app/held"
    document = b'{"ID":"held-1","Operation":"OperationTypeApply","Who":"runner@ci"}'
    began = time.time()
    assert httpx.request("LOCK", place, content=document, headers=auth, trust_env=False).status_code == 200
    job = f"{issuer.issuer}/acme/app/actions/runs/515151/attempts/2"
    (held,) = [each for each in server.json("lock", "list") if each["key"] == "app/held"]
    assert (held["name"], held["kind"], held["job"], held["peer"]) == ("deploy/515151.2", "ci-job", job, "127.0.0.1")
    assert held["agent"] == "Terraform/1.15.5"
    assert abs(datetime.fromisoformat(held["last_seen"]).timestamp() - began) < 20
    assert held["stale"] is None
    shown = server.command("lock", "show", server.namespace, "app/held").ok().stdout
    assert job in shown
    assert "last seen" in shown
    assert server.json("lock", "list", "--stale") == []
    other = server.cloud.sdk("s3")
    with pytest.raises(ClientError, match=job):
        other.put_object(Bucket=server.namespace, Key="app/held.tflock", Body=b'{"ID":"x"}', IfNoneMatch="*")
    met = httpx.request("LOCK", place, content=b'{"ID":"x"}', auth=("any", server.token), trust_env=False)
    assert (met.status_code, met.json()["ID"]) == (423, "held-1")
    told = server.json("audit", "list", "--action", "lock.taken")
    assert any(each["detail"] == job and each["key"] == "app/held" for each in told)
    released = server.command("lock", "release", "--stale", server.namespace, "app/held")
    assert released.code == 6
    assert "nothing says that its holder is gone" in released.text
    assert server.json("lock", "policy", "set", server.namespace, "ask", "--prefix", "app/")["rules"] == [
        {"prefix": "app/", "act": "ask"}
    ]
    assert server.json("lock", "policy", "show", server.namespace)["rules"][0]["act"] == "ask"
    assert server.json("lock", "policy", "remove", server.namespace, "--prefix", "app/")["rules"] == []
    assert httpx.request("UNLOCK", place, content=document, headers=auth, trust_env=False).status_code == 200
