"""The model of all protocols (`tests/model`) against three replicas: each request goes to the next one.

The rules and what they expect are the same. Only what needs the inside of a server is asked of its API here, and time
does not jump.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from lockhouse.core.locks import Facet
from tests.e2e.clouds import Lockhouse
from tests.fleet.client import LockClient, Protocol
from tests.fleet.replicas import fleet
from tests.model.clients import Client
from tests.model.test_protocols import WHO, Protocols
from tests.postgres import running_cluster
from tests.torture.client import Refused
from tests.wire.rig import state

KEY = "prod"
PLAIN = ("read", "write", "lock")


class Replicas:
    """The servers, and the administrator's way to each in turn."""

    def __init__(self, servers: Sequence[Lockhouse]) -> None:
        self.servers = servers
        self._turns = itertools.cycle(servers)
        self._http = httpx.Client(timeout=30, trust_env=False)

    def next(self) -> Lockhouse:
        return next(self._turns)

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> httpx.Response:
        server = self.next()
        given = {"Authorization": f"Bearer {server.token}"} if headers is None else headers
        return self._http.request(method, f"{server.endpoint}{path}", content=body, headers=given)

    def done(self, method: str, path: str, asked: object = None) -> dict:
        answer = self.ask(method, path, b"" if asked is None else json.dumps(asked).encode())
        assert answer.status_code < 300, answer.text
        return answer.json()

    def new_user(self, name: str) -> dict[str, str]:
        """An access key of a new principal that may read, write and lock everything."""
        grants = [{"namespace": "*", "prefix": "", "rights": list(PLAIN)}]
        return self.done("POST", "/lockhouse/v1/keys", {"name": name, "grants": grants})


class Remote(Client):
    """What all share: a user, and a namespace that is new in each example."""

    def __init__(self, replicas: Replicas, user: dict[str, str], name: str, namespace: str) -> None:
        self.replicas, self.user, self.name, self.namespace = replicas, user, name, namespace
        self.lock_id = ""
        self._numbers = 0

    @property
    def basic(self) -> dict[str, str]:
        pair = f"{self.user['access_key_id']}:{self.user['secret_access_key']}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


class RemoteAws(Remote):
    """The table item or the lock object, and S3 objects."""

    def __init__(self, replicas: Replicas, user: dict[str, str], namespace: str, facet: Facet) -> None:
        super().__init__(replicas, user, f"{user['access_key_id']}-{facet}", namespace)
        self.protocol = str(facet)
        self._lines = itertools.cycle(
            [LockClient(user | {"endpoint": server.endpoint}, Protocol(str(facet))) for server in replicas.servers]
        )

    def start_lock(self, lock_id: str) -> Future[bool]:
        return _now(_accepted(lambda: next(self._lines).take(self.namespace, KEY, lock_id)))

    def unlock(self) -> None:
        _accepted(lambda: next(self._lines).leave(self.namespace, KEY, self.lock_id))

    def write(self, body: bytes) -> bool:
        return _accepted(lambda: next(self._lines).put(self.namespace, KEY, body, ""))

    def read(self) -> bytes | None:
        return next(self._lines).get(self.namespace, KEY) or None


class RemoteHttp(Remote):
    protocol = "http"
    names_lock = True

    def __init__(self, replicas: Replicas, user: dict[str, str], namespace: str) -> None:
        super().__init__(replicas, user, f"{user['access_key_id']}-http", namespace)
        self._where = f"/http/{namespace}/{KEY}"

    def start_lock(self, lock_id: str) -> Future[bool]:
        info = json.dumps({"ID": lock_id, "Operation": "OperationTypeApply", "Who": "x@y"}).encode()
        return _now(self.replicas.ask("LOCK", self._where, info, self.basic).status_code == 200)

    def unlock(self) -> None:
        info = json.dumps({"ID": self.lock_id or "none"}).encode()
        self.replicas.ask("UNLOCK", self._where, info, self.basic)

    def write(self, body: bytes) -> bool:
        query = f"?ID={self.lock_id}" if self.lock_id else ""
        return self.replicas.ask("POST", self._where + query, body, self.basic).status_code == 200

    def read(self) -> bytes | None:
        answer = self.replicas.ask("GET", self._where, headers=self.basic)
        return answer.content if answer.status_code == 200 else None


class RemoteCloud(Remote):
    protocol = "cloud"
    sends_id = False
    names_lock = True
    needs_lock = True

    def __init__(
        self, replicas: Replicas, headers: dict[str, str] | None, name: str, namespace: str, workspace: str
    ) -> None:
        super().__init__(replicas, {}, f"{name}-cloud", namespace)
        self._headers = headers
        self._where = f"workspaces/{workspace}"

    def _ask(self, method: str, path: str, asked: object = None) -> httpx.Response:
        body = b"" if asked is None else json.dumps(asked).encode()
        return self.replicas.ask(method, f"/api/v2/{path}", body, self._headers)

    def start_lock(self, lock_id: str) -> Future[bool]:
        return _now(self._ask("POST", f"{self._where}/actions/lock", {}).status_code == 200)

    def unlock(self) -> None:
        self._ask("POST", f"{self._where}/actions/unlock")

    def force(self) -> None:
        self._ask("POST", f"{self._where}/actions/force-unlock")

    def write(self, body: bytes) -> bool:
        facts = json.loads(body)
        attributes = {"serial": facts["serial"], "lineage": facts["lineage"], "md5": hashlib.md5(body).hexdigest()}
        announced = self._ask("POST", f"{self._where}/state-versions", {"data": {"attributes": attributes}})
        if announced.status_code != 201:
            return False
        url = urlsplit(announced.json()["data"]["attributes"]["hosted-state-upload-url"])
        return self.replicas.ask("PUT", f"{url.path}?{url.query}", body, {}).status_code == 200

    def read(self) -> bytes | None:
        found = self._ask("GET", f"{self._where}/current-state-version")
        if found.status_code != 200:
            return None
        url = urlsplit(found.json()["data"]["attributes"]["hosted-state-download-url"])
        return self.replicas.ask("GET", f"{url.path}?{url.query}", headers=self._headers).content


def machine(replicas: Replicas) -> type[Protocols]:
    """The model's machine, for these servers. Users live through all examples, namespaces for one."""
    users = [replicas.new_user(f"model-{number}-{os.urandom(3).hex()}") for number in range(4)]
    tokens = []
    for number in range(2):
        name = f"cloud-{number}-{os.urandom(3).hex()}"
        replicas.new_user(name)
        tokens.append((name, replicas.done("POST", "/lockhouse/v1/tokens", {"name": name})["token"]))

    class OnReplicas(Protocols):
        @initialize()
        def build(self) -> None:
            self.namespace = f"model-{os.urandom(6).hex()}"
            replicas.done("POST", "/lockhouse/v1/namespaces", {"name": self.namespace})
            wanted = {"data": {"attributes": {"name": KEY}}}
            path = f"/api/v2/organizations/{self.namespace}/workspaces"
            workspace = replicas.done("POST", path, wanted)["data"]["id"]
            bearers = [{"Authorization": f"Bearer {token}"} for _, token in tokens]
            self.boss = RemoteCloud(replicas, None, "boss", self.namespace, workspace)
            self.clients = [
                RemoteAws(replicas, users[0], self.namespace, Facet.TABLE),
                RemoteAws(replicas, users[1], self.namespace, Facet.LOCKFILE),
                RemoteHttp(replicas, users[2], self.namespace),
                RemoteHttp(replicas, users[3], self.namespace),
                RemoteCloud(replicas, bearers[0], tokens[0][0], self.namespace, workspace),
                RemoteCloud(replicas, bearers[1], tokens[1][0], self.namespace, workspace),
            ]
            self.holder: int | None = None
            self.acknowledged: list[bytes] = []
            self.fenced: dict[int, int] = {}
            self.serial = 0

        def teardown(self) -> None:
            """The namespace stays: it is nobody else's."""

        def let_time_pass(self) -> None:
            """Not here: the servers' clock is the machine's."""

        @rule(who=WHO, back=st.booleans())
        def write_an_older_or_equal_serial(self, who: int, back: bool) -> None:
            if self.acknowledged and self.serial > 1:
                current = json.loads(self.acknowledged[-1])["serial"]
                assert not self.clients[who].write(state(max(0, current - back), by="an impostor"))

        @invariant()
        def every_protocol_reads_the_last_acknowledged_bytes(self) -> None:
            if hasattr(self, "clients"):
                wanted = self.acknowledged[-1] if self.acknowledged else None
                assert {client.read() for client in (self.clients[0], self.clients[2], self.clients[4])} == {wanted}

        @invariant()
        def no_acknowledged_version_is_lost_and_at_most_one_holds(self) -> None:
            if hasattr(self, "clients"):
                path = f"/lockhouse/v1/namespaces/{self.namespace}/lock?key={KEY}"
                lock = replicas.done("GET", path)
                assert (lock["held"] is not None) == (self.holder is not None), lock

    return OnReplicas


@pytest.fixture(scope="module")
def replicas() -> Iterator[Replicas]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(running_cluster())
        flags = ("--database-url", cluster.url)
        made = stack.enter_context(fleet(home, 3, flags, settings={"LOCKHOUSE_LOCK_WAIT": "0"}))
        yield Replicas(made.replicas)


def run(replicas: Replicas, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine(replicas),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_three_replicas_are_what_the_model_of_all_protocols_says(replicas: Replicas):
    run(replicas, examples=8, steps=25)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_three_replicas_are_what_the_model_says_for_long(replicas: Replicas):
    run(replicas, examples=300, steps=50)


def _accepted(work) -> bool:
    try:
        work()
    except Refused as refusal:
        assert refusal.status < 500, refusal
        return False
    return True


def _now(granted: bool) -> Future[bool]:
    future: Future[bool] = Future()
    future.set_result(granted)
    return future
