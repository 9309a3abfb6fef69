"""What lets somebody in without a signature of AWS: every byte of it counts, on every way in.

Tokens, cookies, forms, codes, upload addresses and the ID tokens of a real issuer. A mutant lets nobody in, shows nothing
and writes nothing; afterwards what it was made of still works, so that nobody can use up another's proof by guessing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from lockhouse.core.federation import Trust
from lockhouse.core.locks import Facet
from lockhouse.core.principals import Grant, Kind, Principal, Right
from lockhouse.protocols import visitors
from lockhouse.service import locks
from lockhouse.service.callers import Caller
from lockhouse.service.locks import TakeLock
from tests.wire.access.world import KEY, NAMESPACE, NOW, WORKSPACE, Address, Answer, Sent, World
from tests.wire.federation.test_exchange import AUDIENCE, NEEDED, RUN
from tests.wire.gate.test_mutants import MARK
from tests.wire.rig import state
from tests.wire.signin.providers import ProviderProcess

ALPHABET = string.ascii_letters + string.digits + "-_."
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
BACK = "http%3A%2F%2Flocalhost%3A10000%2Flogin"
STATE = state(3)
FORM = ("content-type", visitors.FORM_TYPE)


@pytest.fixture(scope="module")
def world(tmp_path_factory, issuer) -> Iterator[World]:
    """With a CI job, and with the lock of its state held by the administrator over cloud."""
    made = World(tmp_path_factory.mktemp("entrances"), (issuer.issuer,))
    trust = Trust(issuer.issuer, AUDIENCE, dict(each.split("=") for each in NEEDED))
    job = Principal("P-deploy", "deploy", (Grant(NAMESPACE, "", (Right.READ,)),), NOW, Kind.CI_JOB, trust=trust)
    admin = made.people[Right.ADMIN]
    who = made.authenticator.token(admin.token)
    assert who is not None
    holder = Caller(who, NOW, "cloud")

    def command(tx) -> None:
        tx.save_principal(job)
        locks.take(tx, holder, TakeLock(Address(NAMESPACE, KEY), Facet.WORKSPACE, b'{"ID":"held"}'))

    made.store.write(command)
    made._everything = made.store._maps
    yield made
    made.close()


@dataclass(frozen=True)
class Way:
    """One way in: what is presented, and the request that presents it."""

    name: str
    proof: str
    sent: Callable[[str], Sent]
    granted: int = 200


def request(method: str, target: str, *headers: tuple[str, str], body: bytes = b"") -> Sent:
    path, _, query = target.partition("?")
    fields = {"host": "lock.test", "content-length": str(len(body))} | dict(headers)
    raw = tuple((name.encode(), value.encode()) for name, value in fields.items())
    return Sent(method, path.encode(), query.encode(), raw, body)


def bearer(target: str) -> Callable[[str], Sent]:
    return lambda proof: request("GET", target, ("authorization", f"Bearer {proof}"))


def basic(user: str) -> Callable[[str], Sent]:
    def sent(proof: str) -> Sent:
        pair = base64.b64encode(f"{user}:{proof}".encode()).decode()
        return request("GET", f"/http/{NAMESPACE}/{KEY}", ("authorization", f"Basic {pair}"))

    return sent


def cookie(target: str) -> Callable[[str], Sent]:
    return lambda proof: request("GET", target, ("cookie", f"{visitors.SECURE_COOKIE}={proof}"))


def ways(world: World, issuer: ProviderProcess) -> Iterator[Way]:
    admin = world.people[Right.ADMIN]
    yield Way("token, API", admin.token, bearer("/lockhouse/v1/status"))
    yield Way("token, cloud", admin.token, bearer("/api/v2/organizations"))
    yield Way("token, http", admin.token, bearer(f"/http/{NAMESPACE}/{KEY}"))
    yield Way("token as a password", admin.token, basic("anybody"))
    yield Way("secret as a password", admin.secret, basic(admin.key))
    yield Way("cookie, console", admin.visitor, cookie("/console/reviews"))
    asked = (
        f"/oauth/authorization?client_id=terraform-cli&code_challenge={CHALLENGE}&code_challenge_method=S256"
        f"&redirect_uri={BACK}&response_type=code"
    )
    yield Way("cookie, consent", admin.visitor, cookie(asked))
    own = (("cookie", f"{visitors.SECURE_COOKIE}={admin.visitor}"), ("origin", "https://lock.test"), FORM)
    form = world.entrance.form_token(admin.visitor)
    yield Way(
        "form", form, lambda proof: request("POST", "/console/sign-out", *own, body=f"form_token={proof}".encode()), 303
    )
    agreed = world.send(
        request("POST", "/oauth/authorization", *own, body=f"{asked.partition('?')[2]}&form_token={form}".encode())
    )
    code = parse_qs(urlsplit(agreed.location).query)["code"][0]

    def redeem(code: str, verifier: str) -> Sent:
        fields = f"grant_type=authorization_code&client_id=terraform-cli&redirect_uri={BACK}"
        return request("POST", "/oauth/token", FORM, body=f"{fields}&code={code}&code_verifier={verifier}".encode())

    yield Way("code", code, lambda proof: redeem(proof, VERIFIER))
    yield Way("verifier of a code", VERIFIER, lambda proof: redeem(code, proof))
    yield Way(
        "upload address", announced(world), lambda proof: request("PUT", f"/api/v2/state-uploads/{proof}", body=STATE)
    )
    token = issuer.desk.post("/-/mint", json={"claims": RUN}).raise_for_status().json()

    def exchanged(policy: str, proof: str) -> Sent:
        kind = ("content-type", "application/json")
        body = json.dumps({"policy": policy, "token": proof}).encode()
        return request("POST", "/lockhouse/v1/exchange", kind, body=body)

    def assumed(role: str, proof: str) -> Sent:
        arn = f"arn%3Aaws%3Aiam%3A%3A{ACCOUNT}%3Arole%2F{role}"
        fields = f"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=run&RoleArn={arn}"
        return request("POST", "/", FORM, body=f"{fields}&WebIdentityToken={proof}".encode())

    yield Way("ID token, exchange", token, lambda proof: exchanged("deploy", proof), 201)
    yield Way("ID token, its policy", "deploy", lambda proof: exchanged(proof, token), 201)
    yield Way("ID token, AWS", token, lambda proof: assumed("deploy", proof))
    yield Way("ID token, its role", "deploy", lambda proof: assumed(proof, token))


ACCOUNT = "000000000000"
NAMES = (
    "token, API", "token, cloud", "token, http", "token as a password", "secret as a password", "cookie, console",
    "cookie, consent", "form", "code", "verifier of a code", "upload address", "ID token, exchange",
    "ID token, its policy", "ID token, AWS", "ID token, its role",
)  # fmt: skip


def announced(world: World) -> str:
    """The pass of an upload address, for the holder of the lock; the announcement becomes part of the world."""
    document = {"serial": 3, "lineage": "lin", "md5": hashlib.md5(STATE).hexdigest()}
    body = json.dumps({"data": {"type": "state-versions", "attributes": document}}).encode()
    auth = ("authorization", f"Bearer {world.people[Right.ADMIN].token}")
    made = world.send(request("POST", f"/api/v2/workspaces/{WORKSPACE}/state-versions", auth, body=body))
    assert made.status == 201, made
    world._everything = world.store._maps
    url = msgspec.json.decode(made.body)["data"]["attributes"]["hosted-state-upload-url"]
    return url.rpartition("/")[2]


@pytest.fixture(scope="module")
def known(world: World, issuer: ProviderProcess) -> dict[str, Way]:
    return {each.name: each for each in ways(world, issuer)}


def test_every_way_in_is_tried(known: dict[str, Way]):
    assert tuple(known) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_no_proof_with_one_other_byte_lets_anybody_in(world: World, known: dict[str, Way], name: str):
    way = known[name]
    dice = random.Random(name)
    for at in range(len(way.proof)):
        for byte in dice.sample(ALPHABET.replace(way.proof[at], ""), 2):
            wrong = way.proof[:at] + byte + way.proof[at + 1 :]
            if is_the_same(wrong, way.proof):
                continue
            answer = world.send(way.sent(wrong))
            assert is_refused(answer), (at, byte, answer)
            assert world.untouched, (at, byte)
            assert MARK not in answer.body, (at, byte)
    answer = world.send(way.sent(way.proof))
    assert answer.status == way.granted, answer
    assert not answer.location.startswith("/console/sign-in") or name == "form"


def is_refused(answer: Answer) -> bool:
    sent_away = answer.status == 303 and answer.location.startswith("/console/sign-in")
    return answer.status in (400, 401, 403, 404) or sent_away


def is_the_same(wrong: str, proof: str) -> bool:
    """Whether only bits differ that stand for nothing: the last ones of a part in base64."""
    return "." in proof and [opened(each) for each in wrong.split(".")] == [opened(each) for each in proof.split(".")]


def opened(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) if len(part) % 4 != 1 else part.encode()
