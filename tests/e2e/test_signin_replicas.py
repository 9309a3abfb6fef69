"""Three servers on one PostgreSQL database share sessions and their end, kept in the database or in a real Redis."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.clouds import client_environment, lockhouse_program
from tests.e2e.processes import Child
from tests.e2e.test_signin import oidc
from tests.postgres import free_port, running_cluster
from tests.redis_server import RedisServer
from tests.wire.signin.providers import ProviderProcess

_SECONDS = 60
_PUBLIC = "http://locks.test:7373"


class Replica:
    """One `lockhouse serve` process with a data directory of its own."""

    def __init__(self, directory: Path, settings: dict[str, str]) -> None:
        directory.mkdir()
        self.data = directory / "data"
        port = free_port()
        self.child = Child(
            [lockhouse_program(), "serve", "--data", str(self.data), "--listen", f"127.0.0.1:{port}"],
            environment=client_environment() | settings,
            directory=directory,
            log=directory / "log",
        )
        self.child.wait_for(r"Lockhouse is ready at (\S+)", seconds=_SECONDS)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)

    def get(self, path: str, cookie: str = "") -> httpx.Response:
        self.http.cookies.clear()
        return self.http.get(path, headers={"cookie": f"lockhouse={cookie}"} if cookie else {})

    def post(self, path: str, cookie: str, **form: str) -> httpx.Response:
        self.http.cookies.clear()
        return self.http.post(path, data=form, headers={"cookie": f"lockhouse={cookie}", "origin": _PUBLIC})

    def is_in(self, cookie: str) -> bool:
        """Whether this cookie is signed in here."""
        status = self.get("/console/reviews", cookie).status_code
        assert status in (200, 303)
        return status == 200

    def form_token(self, path: str, cookie: str = "") -> tuple[str, str]:
        """(the token of the form on a page, the cookie that came with it)."""
        page = self.get(path, cookie)
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', page.text)
        assert found is not None, page.text
        return found[1], page.cookies.get("lockhouse", cookie)


@pytest.fixture(scope="module")
def provider(provider: ProviderProcess) -> ProviderProcess:
    provider.put("client", [f"{_PUBLIC}/console/sign-in/callback"])
    provider.user("dora-1", email="dora@example.com", email_verified=True)
    return provider


@pytest.mark.parametrize("where", ["database", "redis"])
def test_three_replicas_share_sessions_and_their_end(where: str, provider: ProviderProcess, tmp_path: Path):
    key = tmp_path / "master.key"
    key.write_bytes(secrets.token_bytes(32))
    key.chmod(0o600)
    with contextlib.ExitStack() as ending:
        cluster = ending.enter_context(running_cluster())
        settings = oidc(provider, tmp_path, LOCKHOUSE_PUBLIC_URL=_PUBLIC, LOCKHOUSE_DATABASE_URL=cluster.url)
        settings |= {"LOCKHOUSE_MASTER_KEY_FILE": str(key), "LOCKHOUSE_ENCRYPTION_KEY": "off"}
        redis = RedisServer(tmp_path / "redis") if where == "redis" else None
        if redis is not None:
            ending.callback(redis.kill)
            settings["LOCKHOUSE_SESSIONS_URL"] = redis.url
        replicas = []
        for number in range(3):
            replicas.append(Replica(tmp_path / f"replica-{number}", settings))
            ending.callback(replicas[-1].child.end)
        play(replicas, provider, redis)


def administrator(replicas: list[Replica]) -> dict[str, str]:
    (file,) = [path for each in replicas if (path := each.data / "credentials.json").exists()]
    return json.loads(file.read_text())


def sign_in(replica: Replica, token: str) -> str:
    """With a token; the cookie."""
    form, cookie = replica.form_token("/console/sign-in")
    answer = replica.post("/console/sign-in", cookie, form_token=form, token=token)
    assert answer.status_code == 303, answer.text
    return answer.cookies["lockhouse"]


def through_provider(begin: Replica, end: Replica, sub: str) -> str:
    """Begun on one replica and finished on another; the cookie."""
    there = begin.get("/console/sign-in/start")
    visitor = there.cookies["lockhouse"]
    with httpx.Client(timeout=30, trust_env=False) as browser:
        address = there.headers["location"]
        browser.get(address).raise_for_status()
        back = urlsplit(browser.post(address, data={"sub": sub}).headers["location"])
    answer = end.get(f"{back.path}?{back.query}", visitor)
    assert answer.status_code == 303, answer.text
    again = begin.get(f"{back.path}?{back.query}", visitor)
    assert again.status_code == 403
    return answer.cookies["lockhouse"]


def play(replicas: list[Replica], provider: ProviderProcess, redis: RedisServer | None) -> None:
    one, two, three = replicas
    token = administrator(replicas)["token"]
    bearer = {"authorization": f"Bearer {token}"}
    first = sign_in(one, token)
    second = sign_in(two, token)
    dora = through_provider(one, two, "dora-1")
    for replica in replicas:
        assert all(replica.is_in(each) for each in (first, second, dora))

    listed = three.http.get("/lockhouse/v1/sessions?user=dora@example.com", headers=bearer).json()["sessions"]
    assert [each["method"] for each in listed] == ["oidc"]
    three.http.delete(f"/lockhouse/v1/sessions/{listed[0]['id']}", headers=bearer).raise_for_status()
    assert not any(replica.is_in(dora) for replica in replicas)

    form, _ = two.form_token("/console/reviews", first)
    assert two.post("/console/sign-out", first, form_token=form).status_code == 303
    assert not any(replica.is_in(first) for replica in replicas)
    assert all(replica.is_in(second) for replica in replicas)

    dora = through_provider(three, one, "dora-1")
    assert all(replica.is_in(dora) for replica in replicas)
    two.http.delete("/lockhouse/v1/keys/dora@example.com", headers=bearer).raise_for_status()
    assert not any(replica.is_in(dora) for replica in replicas)

    made = one.http.post("/lockhouse/v1/tokens", json={"name": "administrator"}, headers=bearer).json()
    third = sign_in(one, made["token"])
    assert all(replica.is_in(third) for replica in replicas)
    three.http.delete(f"/lockhouse/v1/credentials/{made['id']}", headers=bearer).raise_for_status()
    deadline = time.monotonic() + 3
    while any(replica.is_in(third) for replica in replicas):
        assert time.monotonic() < deadline, "a revoked token still keeps its session"

    if redis is not None:
        redis.restart()
        assert not any(replica.is_in(second) for replica in replicas)
        fresh = sign_in(three, token)
        assert all(replica.is_in(fresh) for replica in replicas)
