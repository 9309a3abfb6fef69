"""What somebody has copied, on two servers of one database: it ends everywhere when it ends at one, and works no second time.

Forged and foreign tokens are in tests/wire/federation and tests/unit/auth/signin, sessions and their end on three servers
in test_signin_replicas.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import botocore.auth
import httpx
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.test_replicas import replicas, state
from tests.postgres import running_cluster
from tests.wire.federation.test_exchange import AUDIENCE, NEEDED, RUN
from tests.wire.signin.providers import ProviderProcess

HOST = "locks.test"
"""How both servers are called: signatures cover the name."""
SPACE = "terraform-state"
API = "/lockhouse/v1"
SECONDS = 3.0
"""Within which the other server knows."""


@pytest.fixture(scope="module")
def two(tmp_path_factory, issuer: ProviderProcess) -> Iterator[list[httpx.Client]]:
    """A client of each server, with the administrator's token."""
    settings = {"LOCKHOUSE_CI_ISSUERS": issuer.issuer, "LOCKHOUSE_LOCK_WAIT": "0"}
    with running_cluster() as cluster, replicas(tmp_path_factory.mktemp("two"), cluster.url, 2, **settings) as clients:
        yield clients


def ended(ask: Callable[[], httpx.Response], refusals: tuple[int, ...]) -> None:
    """Come back when the answer is a refusal."""
    deadline = time.monotonic() + SECONDS
    while (answer := ask()).status_code not in refusals:
        assert answer.status_code < 300
        assert time.monotonic() < deadline, "it still works at the other server"


def new_key(client: httpx.Client, *rights: str) -> dict[str, str]:
    asked = {"name": f"victim-{uuid.uuid4().hex[:8]}", "grants": [{"namespace": SPACE, "rights": list(rights)}]}
    made = client.post(f"{API}/keys", json=asked)
    assert made.status_code == 201, made.text
    return made.json()


def new_token(client: httpx.Client, name: str) -> dict[str, str]:
    made = client.post(f"{API}/tokens", json={"name": name})
    assert made.status_code == 201, made.text
    return made.json()


def as_bearer(client: httpx.Client, method: str, path: str, token: str, **more) -> httpx.Response:
    return client.request(method, path, headers={"authorization": f"Bearer {token}"}, auth=None, **more)


def bare(client: httpx.Client, method: str, path: str, **more) -> httpx.Response:
    """Without any credential but what `more` holds."""
    with httpx.Client(base_url=client.base_url, timeout=30, trust_env=False) as stranger:
        return stranger.request(method, path, **more)


def presigned(key: dict[str, str], target: str, expires: int = 600) -> str:
    """Path and query of a presigned read."""
    request = AWSRequest("GET", f"http://{HOST}{target}")
    who = Credentials(key["access_key_id"], key["secret_access_key"])
    botocore.auth.S3SigV4QueryAuth(who, "s3", "us-east-1", expires=expires).add_auth(request)
    return request.url.removeprefix(f"http://{HOST}")


def get(client: httpx.Client, target: str, method: str = "GET", content: bytes = b"") -> httpx.Response:
    return bare(client, method, target, headers={"host": HOST}, content=content)


def test_a_copied_token_ends_at_both_when_it_is_revoked_at_one(two: list[httpx.Client]):
    one, other = two
    name = new_key(one, "read")["name"]
    for end in (
        lambda made: one.delete(f"{API}/credentials/{made['id']}"),
        lambda made: one.post(f"{API}/credentials/{made['id']}/rotate", json={"grace": 0}),
        lambda _: one.delete(f"{API}/keys/{name}"),
    ):
        made = new_token(one, name)
        for client in two:
            assert as_bearer(client, "GET", f"{API}/status", made["token"]).status_code == 200
        assert end(made).status_code in (200, 201, 204)
        ended(lambda made=made: as_bearer(other, "GET", f"{API}/status", made["token"]), (401,))
        assert as_bearer(one, "GET", f"{API}/status", made["token"]).status_code == 401


def test_a_copied_presigned_address_reads_and_only_reads_until_its_key_is_revoked(two: list[httpx.Client]):
    one, other = two
    assert one.post(f"/http/{SPACE}/presigned.tfstate", content=state(1)).status_code == 200
    key = new_key(one, "read", "write", "lock")
    address = presigned(key, f"/{SPACE}/presigned.tfstate")
    for client in (one, other, one, other):
        assert get(client, address).content == state(1)
    assert get(other, address.replace("presigned.tfstate", "other.tfstate")).status_code == 403
    for method in ("PUT", "POST", "DELETE"):
        assert get(other, address, method, state(2)).status_code == 403
    assert one.get(f"/http/{SPACE}/presigned.tfstate").content == state(1)
    assert one.delete(f"{API}/keys/{key['name']}").status_code == 204
    ended(lambda: get(other, address), (403,))
    assert get(one, address).status_code == 403


def test_a_presigned_address_that_is_over_is_over_at_both(two: list[httpx.Client], monkeypatch: pytest.MonkeyPatch):
    key = new_key(two[0], "read")
    assert two[0].post(f"/http/{SPACE}/over.tfstate", content=state(1)).status_code == 200
    real = botocore.auth.get_current_datetime()
    earlier = real.fromtimestamp(real.timestamp() - 700, real.tzinfo)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: earlier)
    old, living = presigned(key, f"/{SPACE}/over.tfstate"), presigned(key, f"/{SPACE}/over.tfstate", 900)
    for client in two:
        assert get(client, living).status_code == 200
        assert get(client, old).status_code == 403


def test_a_copied_upload_address_takes_its_bytes_alone_and_none_after_its_lock_was_forced(two: list[httpx.Client]):
    one, other = two
    key = new_key(one, "read", "write", "lock")
    token = new_token(one, key["name"])["token"]
    asked = {"data": {"type": "workspaces", "attributes": {"name": f"w-{uuid.uuid4().hex[:8]}"}}}
    made = as_bearer(one, "POST", f"/api/v2/organizations/{SPACE}/workspaces", token, json=asked)
    assert made.status_code == 201, made.text
    workspace = f"/api/v2/workspaces/{made.json()['data']['id']}"

    def announced(serial: int) -> str:
        facts = {"serial": serial, "lineage": "l", "md5": hashlib.md5(state(serial)).hexdigest()}
        document = {"data": {"type": "state-versions", "attributes": facts}}
        answer = as_bearer(one, "POST", f"{workspace}/state-versions", token, json=document)
        assert answer.status_code == 201, answer.text
        return urlsplit(answer.json()["data"]["attributes"]["hosted-state-upload-url"]).path

    def current() -> bytes:
        shown = as_bearer(other, "GET", f"{workspace}/current-state-version", token).json()
        address = urlsplit(shown["data"]["attributes"]["hosted-state-download-url"]).path
        assert bare(one, "GET", address).status_code == 401
        return as_bearer(other, "GET", address, token).content

    assert as_bearer(one, "POST", f"{workspace}/actions/lock", token, json={}).status_code == 200
    first = announced(1)
    assert bare(other, "PUT", first, content=state(7)).status_code in (409, 422)
    for client in (other, one):
        assert bare(client, "PUT", first, content=state(1)).status_code == 200  # the same bytes again are a success
    second = announced(2)
    where = {"key": made.json()["data"]["attributes"]["name"], "reason": "stolen"}
    forced = other.post(f"{API}/namespaces/{SPACE}/force-unlock", json=where)
    assert forced.status_code == 200, forced.text
    for client in two:
        assert bare(client, "PUT", second, content=state(2)).status_code in (403, 404, 409, 422)
        assert current() == state(1)
    assert as_bearer(one, "POST", f"{workspace}/actions/lock", token, json={}).status_code == 200
    assert bare(other, "PUT", second, content=state(2)).status_code in (403, 404, 409, 422)  # of another lock
    third = announced(2)
    assert one.delete(f"{API}/keys/{key['name']}").status_code == 204
    ended(lambda: bare(other, "PUT", third, content=state(2)), (401, 403, 404))


def test_an_id_token_gives_one_credential_at_whichever_server_it_is_shown_first(two: list[httpx.Client], issuer):
    one, other = two
    claims = dict(each.split("=") for each in NEEDED)
    job = {"name": "deploy", "kind": "ci-job", "grants": [{"namespace": SPACE, "rights": ["read"]}]}
    trust = {"issuer": issuer.issuer, "audience": AUDIENCE, "claims": claims}
    made = one.post(f"{API}/principals", json=job | {"trust": trust})
    assert made.status_code == 201, made.text

    def mint(how: str = "", **changed: object) -> str:
        asked = {"claims": RUN | changed, "how": how}
        return issuer.desk.post("/-/mint", json=asked).raise_for_status().json()

    def exchange(client: httpx.Client, token: str) -> int:
        return bare(client, "POST", f"{API}/exchange", json={"policy": "deploy", "token": token}).status_code

    token = mint()
    assert exchange(one, token) == 201
    assert exchange(other, token) == 401
    for client in two:
        for how in ("none", "hs256", "a key of its own"):
            assert exchange(client, mint(how)) in (400, 401)
        assert exchange(client, mint(aud="https://elsewhere.example.com")) == 401
        assert exchange(client, mint(iat=1_600_000_000, exp=1_600_000_300)) == 401


VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


def test_a_copied_code_or_cookie_is_worth_nothing_at_the_other_server_afterwards(two: list[httpx.Client]):
    one, other = two
    key = new_key(one, "read")
    token = new_token(one, key["name"])["token"]
    page = bare(one, "GET", "/console/sign-in")
    own = {"cookie": f"lockhouse={page.cookies['lockhouse']}", "origin": str(one.base_url).rstrip("/")}
    signed = bare(one, "POST", "/console/sign-in", headers=own, data={"form_token": form_token(page), "token": token})
    assert signed.status_code == 303, signed.text
    cookie = {"cookie": f"lockhouse={signed.cookies['lockhouse']}"}
    asked = {
        "client_id": "terraform-cli",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "redirect_uri": "http://localhost:10000/login",
        "response_type": "code",
    }
    consent = bare(other, "GET", "/oauth/authorization", params=asked, headers=cookie)
    origin = {"origin": str(other.base_url).rstrip("/")}
    agreed = bare(
        other, "POST", "/oauth/authorization", headers=cookie | origin, data=asked | {"form_token": form_token(consent)}
    )
    code = parse_qs(urlsplit(agreed.headers["location"]).query)["code"][0]
    form = {name: asked[name] for name in ("client_id", "redirect_uri")}
    form |= {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    given = [bare(client, "POST", "/oauth/token", data=form) for client in (one, other, one)]
    assert [each.status_code for each in given] == [200, 400, 400]
    home = bare(one, "GET", "/console/sessions", headers=cookie)
    origin = {"origin": str(one.base_url).rstrip("/")}
    left = bare(one, "POST", "/console/sign-out", headers=cookie | origin, data={"form_token": form_token(home)})
    assert left.status_code == 303
    for client in two:
        assert (
            bare(client, "GET", "/console/reviews", headers=cookie).headers["location"].startswith("/console/sign-in")
        )


def form_token(page: httpx.Response) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', page.text)
    assert found is not None, page.text
    return found[1]
