"""A lock request over http or cloud is held by the server and granted in turn; migrations between our own blocks."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e.blocks import CloudBlock, HttpBackend, RemoteBackend, connect, use
from tests.e2e.clouds import Place
from tests.e2e.scenarios.configurations import resources
from tests.e2e.scenarios.life import resource
from tests.e2e.terraform import LockMode, S3Backend
from tests.eventually import eventually


@pytest.mark.parametrize("kind", ["http", "cloud"])
def test_a_second_apply_without_any_lock_timeout_succeeds_in_its_turn(start_lockhouse, developer, proxy, hold, kind):
    server = start_lockhouse(settings={"LOCKHOUSE_LOCK_WAIT": "50"})
    name = f"turn-{uuid.uuid4().hex[:8]}"
    http = HttpBackend(server.namespace, name)
    block = http if kind == "http" else CloudBlock(server.namespace, f'name = "{name}"')
    point, line = hold("ann"), proxy(server.endpoint)
    ann = use(connect(developer("ann"), server), server, block)
    bob = use(connect(developer("bob"), server, endpoint=line.endpoint), server, block, line.endpoint)
    ann.write("main.tf", resources("one", waiting={"one": point.command})).init()
    bob.write("main.tf", resources("one", "two")).init()
    line.behave()
    first = ann.start_apply()
    point.wait(first)
    second = bob.start_apply()
    if kind == "http":
        line.wait_until_asked(f"LOCK /http/{server.namespace}/{name}")
    else:
        second.wait_for("Acquiring state lock", seconds=60)
    point.release()
    ann.finish(first).ok()
    bob.finish(second).ok()
    assert bob.resources() == ["terraform_data.one", "terraform_data.two"]
    assert not [seen for seen in line.seen() if seen.status in (409, 423)]


def test_a_migration_between_two_blocks_for_the_same_state_does_not_wait_for_itself(lockhouse, developer):
    name = f"same-{uuid.uuid4().hex[:8]}"
    key, place = f"{name}.tfstate", Place(lockhouse.namespace, "terraform-locks")
    ann = connect(developer("ann", cloud=lockhouse.cloud), lockhouse).write("main.tf", resource("one"))
    blocks = [
        S3Backend(place, key, LockMode.TABLE),
        HttpBackend(lockhouse.namespace, key),
        RemoteBackend(lockhouse.namespace, name),
        S3Backend(place, key, LockMode.BOTH),
        RemoteBackend(lockhouse.namespace, name),
        HttpBackend(lockhouse.namespace, key),
    ]
    for number, block in enumerate(blocks):
        use(ann, lockhouse, block).init(*(["-migrate-state", "-force-copy"] if number else []))
        ann.apply()
        assert ann.resources() == ["terraform_data.one"]
    assert lockhouse.cloud.lock_ids(place, key) == set()


def test_a_token_that_is_revoked_while_its_lock_request_is_held_does_not_get_the_lock(start_lockhouse):
    server = start_lockhouse(settings={"LOCKHOUSE_LOCK_WAIT": "50"})
    url = f"{server.endpoint}/http/{server.namespace}/waited-for"

    def ask(method: str, token: str) -> int:
        return httpx.request(method, url, auth=("x", token), json={"ID": token[-8:]}, timeout=60).status_code

    tokens = [server.json("token", "create", "--name", server.json("key", "create", "--name", each)["name"])
              for each in ("holds", "waits")]  # fmt: skip
    holds, waits = (each["token"] for each in tokens)
    assert ask("LOCK", holds) == 200
    with ThreadPoolExecutor() as threads:
        held = threads.submit(ask, "LOCK", waits)
        eventually(lambda: server.json("lock", "show", server.namespace, "waited-for")["waiters"], 30)
        server.command("token", "revoke", tokens[1]["id"]).ok()
        assert ask("UNLOCK", holds) == 200
        assert held.result() == 401
    assert ask("LOCK", holds) == 200
