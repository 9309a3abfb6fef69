"""Several servers on one PostgreSQL database, with nothing that keeps a client on one of them."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.clouds import client_environment, lockhouse_program
from tests.e2e.processes import Child
from tests.eventually import eventually
from tests.postgres import Cluster, running_cluster

SPACE = "/http/terraform-state"


class Replica:
    """One server; `data` is its own."""

    def __init__(self, data: Path, settings: dict[str, str]) -> None:
        self.data = data
        data.parent.mkdir(parents=True, exist_ok=True)
        self.child = Child(
            [lockhouse_program(), "serve", "--data", str(data), "--listen", "127.0.0.1:0"],
            environment=client_environment() | settings,
            directory=data.parent,
            log=data.parent / f"{data.name}.log",
        )

    def wait(self) -> str:
        return self.child.wait_for(r"Lockhouse is ready at (\S+)", seconds=60)[1].rstrip("/")


@contextmanager
def replicas(directory: Path, url: str, count: int, **settings: str) -> Iterator[list[httpx.Client]]:
    """So many, started at once, and a client of each with the administrator's token."""
    directory.mkdir(exist_ok=True)
    key = directory / "master.key"
    if not key.exists():
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
    chosen = {
        "LOCKHOUSE_DATABASE_URL": url,
        "LOCKHOUSE_MASTER_KEY_FILE": str(key),
        "LOCKHOUSE_ENCRYPTION_KEY": "off",
        "LOCKHOUSE_LOCK_WAIT": "15",
    } | settings
    with ExitStack() as ending:
        started = [Replica(directory / f"replica-{number}", chosen) for number in range(count)]
        for each in started:
            ending.callback(each.child.end)
        endpoints = [each.wait() for each in started]
        written = [each.data / "credentials.json" for each in started if (each.data / "credentials.json").exists()]
        assert len(written) == 1, written
        token = json.loads(written[0].read_text())["token"]
        clients = [
            ending.enter_context(httpx.Client(base_url=each, auth=("x", token), timeout=30, trust_env=False))
            for each in endpoints
        ]
        for client, each in zip(clients, started, strict=True):
            client.headers["x-replica-log"] = str(each.data)
        yield clients


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def three(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[httpx.Client]]:
    with replicas(tmp_path_factory.mktemp("three"), cluster.url, 3) as clients:
        yield clients


def lock(client: httpx.Client, key: str, lock_id: str) -> int:
    info = {"ID": lock_id, "Operation": "OperationTypeApply", "Who": "me", "Path": ""}
    return client.request("LOCK", f"{SPACE}/{key}", content=json.dumps(info)).status_code


def unlock(client: httpx.Client, key: str, lock_id: str) -> int:
    return client.request("UNLOCK", f"{SPACE}/{key}", content=json.dumps({"ID": lock_id})).status_code


def state(serial: int) -> bytes:
    return json.dumps({"version": 4, "serial": serial, "lineage": "l", "outputs": {}, "resources": []}).encode()


def test_three_that_start_at_once_make_one_administrator(cluster: Cluster, three: list[httpx.Client]):
    del three
    assert cluster.psql("SELECT count(*) FROM principals WHERE name = 'administrator'", "lockhouse") == [(1,)]


def test_a_lock_taken_at_one_is_known_and_released_at_another(three: list[httpx.Client]):
    first, second, third = three
    assert lock(first, "life", "L1") == 200
    refusals: list[int] = []
    asking = threading.Thread(target=lambda: refusals.append(lock(second, "life", "L1")))
    asking.start()
    asking.join(30)
    assert refusals == [200]  # the same lock id is the same lock, wherever it is asked
    assert second.post(f"{SPACE}/life?ID=L1", content=state(1)).status_code == 200
    assert third.get(f"{SPACE}/life").content == state(1)
    assert third.post(f"{SPACE}/life?ID=other", content=state(2)).status_code == 423
    assert unlock(third, "life", "L1") == 200
    assert lock(first, "life", "L2") == 200
    assert unlock(second, "life", "L2") == 200


def test_who_waits_at_one_is_served_when_the_holder_releases_at_another(three: list[httpx.Client]):
    first, second, third = three
    assert lock(first, "queue", "holder") == 200
    served: list[tuple[str, float]] = []
    guard = threading.Lock()

    def wait(client: httpx.Client, name: str) -> None:
        assert lock(client, "queue", name) == 200
        with guard:
            served.append((name, time.monotonic()))
        assert unlock(client, "queue", name) == 200

    waiters = []
    for number, client in enumerate([second, third, first, second]):
        waiters.append(threading.Thread(target=wait, args=(client, f"waiter-{number}")))
        waiters[-1].start()
        wait_until_waiting(first, "queue", number + 1)
    released = time.monotonic()
    assert unlock(second, "queue", "holder") == 200
    for waiter in waiters:
        waiter.join(30)
    assert [name for name, _ in served] == [f"waiter-{number}" for number in range(4)]
    assert served[0][1] - released < 3


def wait_until_waiting(client: httpx.Client, key: str, count: int) -> None:
    where = "/lockhouse/v1/namespaces/terraform-state/lock"
    eventually(lambda: len(client.get(where, params={"key": key}).json()["waiters"]) >= count, 20)


def test_a_revoked_token_is_refused_everywhere_within_a_second(three: list[httpx.Client]):
    made = three[0].post(
        "/lockhouse/v1/keys", json={"name": "leaver", "grants": [{"rights": ["read"], "namespace": "*"}]}
    )
    assert made.status_code == 201, made.text
    pair = made.json()
    auth = (pair["access_key_id"], pair["secret_access_key"])
    for client in three:
        assert client.get("/lockhouse/v1/status", auth=auth).status_code == 200
    assert three[1].delete("/lockhouse/v1/keys/leaver").status_code in (200, 204)
    revoked = time.monotonic()
    for client in three:
        while client.get("/lockhouse/v1/status", auth=auth).status_code != 401:
            assert time.monotonic() - revoked < 3


def test_a_large_state_written_at_one_is_read_at_another(three: list[httpx.Client]):
    filling = base64.b64encode(os.urandom(1_000_000)).decode()
    body = json.dumps(
        {"version": 4, "serial": 1, "lineage": "l", "outputs": {}, "resources": [], "x": filling}
    ).encode()
    assert three[0].post(f"{SPACE}/large", content=body).status_code == 200
    assert three[2].get(f"{SPACE}/large").content == body


def test_a_server_with_another_master_key_does_not_start(cluster: Cluster, three: list[httpx.Client], tmp_path: Path):
    del three
    settings = {"LOCKHOUSE_DATABASE_URL": cluster.url, "LOCKHOUSE_ENCRYPTION_KEY": "off"}
    nobody = Replica(tmp_path / "empty", settings).child.wait(seconds=60)
    assert not (tmp_path / "empty" / "master.key").exists()
    (tmp_path / "data").mkdir()
    (key := tmp_path / "data" / "master.key").write_bytes(b"k" * 32)
    key.chmod(0o600)
    stranger = Replica(tmp_path / "data", settings).child.wait(seconds=60)
    for outcome, said in ((nobody, "the master key is missing"), (stranger, "another master key")):
        assert outcome.code == 1
        assert said in outcome.stderr
        assert "--master-key-file" in outcome.stderr


def test_a_database_that_is_away_is_told_with_when_to_try_again_and_is_found_again(tmp_path: Path):
    with running_cluster() as own, replicas(tmp_path / "one", own.url, 1) as (client,):
        assert lock(client, "life", "L1") == 200
        own.stop("immediate")
        for act in (
            lambda: client.get(f"{SPACE}/life"),
            lambda: client.get("/terraform-state/life", headers={"authorization": ""}),
            lambda: client.request("LOCK", f"{SPACE}/life", content=b'{"ID":"L1"}'),
            lambda: client.get("/readyz"),
        ):
            began = time.monotonic()
            answer = act()
            assert time.monotonic() - began < 6
            if answer.status_code != 403:
                assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1")
        own.start()
        end = time.monotonic() + 10
        while lock(client, "life", "L1") != 200:
            assert time.monotonic() < end


def test_no_password_is_said(three: list[httpx.Client], cluster: Cluster):
    for client in three:
        log = Path(client.headers["x-replica-log"]).with_suffix(".log")
        assert cluster.password not in log.read_text()
