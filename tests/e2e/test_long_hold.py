"""A lock request that is held for as long as can be set: every client takes what is answered then, whatever it is.

Load balancers and SDKs end a request after 60 seconds, so `lock_wait` may be 50. All clients wait at the same time.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.e2e.blocks import CloudBlock, HttpBackend, connect, use
from tests.e2e.clouds import Credentials, Lockhouse, Place
from tests.e2e.fault_proxy import FaultProxy
from tests.e2e.scenarios.configurations import outputs
from tests.e2e.terraform import NEWEST, LockMode, S3Backend, Terraform, covering_clients

HELD_SECONDS = 50
FREE_AFTER_SECONDS = 47
TABLE = "terraform-locks"
CLIENTS = [*((version, mode.value) for version, mode in covering_clients()), (NEWEST, "http"), (NEWEST, "cloud")]


@dataclass(eq=False)
class Waiting:
    """One client that asks for a lock which somebody else holds."""

    server: Lockhouse
    holder: Credentials
    kind: str
    key: str
    bob: Terraform
    line: FaultProxy

    def hold(self) -> None:
        document = {"ID": f"held-{self.key}", "Operation": "OperationTypeApply", "Info": "", "Who": "alice@laptop"}
        document |= {
            "Version": NEWEST,
            "Created": "2026-01-01T00:00:00Z",
            "Path": f"{self.server.namespace}/{self.key}",
        }
        self.server.cloud.sdk("dynamodb", self.holder).put_item(
            TableName=TABLE,
            Item={"LockID": {"S": f"{self.server.namespace}/{self.key}"}, "Info": {"S": json.dumps(document)}},
            ConditionExpression="attribute_not_exists(LockID)",
        )

    def free(self) -> None:
        name = {"LockID": {"S": f"{self.server.namespace}/{self.key}"}}
        self.server.cloud.sdk("dynamodb", self.holder).delete_item(TableName=TABLE, Key=name)

    def play(self, *, granted: bool) -> None:
        """Ask, wait, and take the answer."""
        self.hold()
        self.line.behave()
        apply = self.bob.start_apply()
        if self.kind == "cloud":  # the address of its request has an id in it
            apply.wait_for("Acquiring state lock", seconds=120)
        elif self.kind == "http":
            self.line.wait_until_asked(f"LOCK /http/{self.server.namespace}/{self.key}", seconds=120)
        elif self.kind == "table":
            self.line.wait_until_asked("DynamoDB PutItem", seconds=120)
        else:
            self.line.wait_until_asked(f"PUT /{self.server.namespace}/{self.key}.tflock", seconds=120)
        asked = time.monotonic()
        if granted:
            time.sleep(FREE_AFTER_SECONDS)
            assert apply.running, apply.said()
            assert self.refusals() == []
            self.free()
        ended = self.bob.finish(apply)
        took = time.monotonic() - asked
        if granted:
            assert "Apply complete!" in ended.ok().stdout
            assert self.refusals() == []
            assert self.server.cloud.lock_ids(Place(self.server.namespace, TABLE), self.key) == set()
        else:
            assert ended.code == 1, ended.report()
            assert HELD_SECONDS - 2 < took < HELD_SECONDS + 30, ended.report()
            assert len(self.refusals()) == 1, self.line.seen()
            assert self.kind == "cloud" or f"held-{self.key}" in ended.text, ended.report()

    def refusals(self) -> list[int]:
        return [seen.status for seen in self.line.seen() if seen.status in {400, 409, 412, 423}]


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("granted", [True, False], ids=["granted", "refused"])
def test_clients_take_the_answer_to_a_lock_request_that_was_held_for_long(start_lockhouse, developer, proxy, granted):
    server = start_lockhouse(settings={"LOCKHOUSE_LOCK_WAIT": str(HELD_SECONDS)})
    holder = server.new_key("holder", "read,write,lock", "*")
    everybody = []
    for version, kind in CLIENTS:
        key = f"{kind}-{version.replace('.', '-')}"
        line = proxy(server.endpoint)
        bob = connect(developer(key, cloud=server.cloud, version=version), server, endpoint=line.endpoint)
        bob.write("main.tf", outputs(who="bob"))
        if kind == "http":
            use(bob, server, HttpBackend(server.namespace, key), line.endpoint)
        elif kind == "cloud":
            use(bob, server, CloudBlock(server.namespace, f'name = "{key}"'), line.endpoint)
        else:
            use(bob, server, S3Backend(Place(server.namespace, TABLE), key, LockMode(kind)), line.endpoint)
        bob.init()
        everybody.append(Waiting(server, holder, kind, key, bob, line))

    with ThreadPoolExecutor(len(everybody)) as pool:
        for playing in [pool.submit(each.play, granted=granted) for each in everybody]:
            playing.result()
