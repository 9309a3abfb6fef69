"""Three replicas on one database, behind nginx without stickiness, are one server to everybody."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.blocks import CloudBlock, HttpBackend, connect, use
from tests.e2e.certificates import Certificate
from tests.e2e.clouds import Cloud, Place
from tests.e2e.terraform import LockMode, S3Backend, Terraform
from tests.fleet import check
from tests.fleet.balancer import Balancer, balanced
from tests.fleet.client import TABLE, LockClient, Protocol
from tests.fleet.replicas import NAMESPACE, Fleet, chains, fleet
from tests.fleet.traffic import traffic, wait_for
from tests.postgres import running_cluster
from tests.torture.client import Refused

WAIT = {"LOCKHOUSE_LOCK_WAIT": "6"}
RESOURCE = 'resource "terraform_data" "one" {\n  input = "1"\n}\n'


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    home = tmp_path_factory.mktemp("trio")
    with running_cluster() as cluster, fleet(home, 3, ("--database-url", cluster.url), settings=WAIT) as made:
        yield made


@pytest.fixture(scope="module")
def balancer(trio: Fleet, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancer]:
    home = tmp_path_factory.mktemp("balancer") / "nginx"
    with balanced(home, trio.endpoints, certificate.path, certificate.key_path) as made:
        yield made


def test_traffic_in_all_protocols_through_the_balancer_keeps_every_promise(trio: Fleet, balancer: Balancer):
    with traffic(chains(3, "balanced"), trio.new_users(6, [balancer.endpoint])) as book:
        wait_for(book, 60)
    assert check.problems(book, [replica.cloud for replica in trio.replicas]) == []


def test_copies_in_both_directions_at_once_share_bytes_and_do_not_stop_each_other(trio: Fleet):
    keys = ("copied/one.bin", "copied/two.bin")
    clients = [replica.cloud.sdk("s3") for replica in trio.replicas[:2]]
    bodies = [secrets.token_bytes(3_000_000) for _ in keys]
    for key, body in zip(keys, bodies, strict=True):
        clients[0].put_object(Bucket=NAMESPACE, Key=key, Body=body)

    def copy(client: Any, source: str, target: str) -> None:
        for _ in range(20):
            client.copy_object(Bucket=NAMESPACE, Key=target, CopySource=f"{NAMESPACE}/{source}")

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(copy, clients[0], *keys), pool.submit(copy, clients[1], *reversed(keys))]:
            each.result(120)
    for key in keys:
        assert clients[1].get_object(Bucket=NAMESPACE, Key=key)["Body"].read() in bodies


@pytest.mark.parametrize("protocol", Protocol)
def test_a_waiter_is_served_when_the_holder_releases_on_another_replica(trio: Fleet, protocol: Protocol):
    """The lock is taken on the first, waited for on the second, and released on the third."""
    key = f"waited-{protocol}/terraform.tfstate"
    (holder, waiter) = trio.new_users(2, trio.endpoints)
    holding, _, releasing = (LockClient(line, protocol) for line in holder[2])
    waiting = LockClient(waiter[2][1], protocol)
    holding.take(NAMESPACE, key, "holder-1")
    served = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(waiting.take, NAMESPACE, key, "waiter-1")
        answer.add_done_callback(lambda _: served.set())
        assert not served.wait(1.5), answer.exception()
        released = time.monotonic()
        releasing.leave(NAMESPACE, key, "holder-1")
        answer.result(10)
        assert time.monotonic() - released < 3.0
    with pytest.raises(Refused):
        LockClient(holder[2][2], protocol)._dynamodb(
            "PutItem",
            TableName=TABLE,
            Item={"LockID": {"S": f"{NAMESPACE}/{key}"}, "Info": {"S": '{"ID":"third"}'}},
            ConditionExpression="attribute_not_exists(LockID)",
        )
    waiting.leave(NAMESPACE, key, "waiter-1")


def whole_life(terraform: Terraform) -> None:
    terraform.write("main.tf", RESOURCE)
    terraform.init()
    terraform.ok("plan", "-input=false", "-out=plan")
    terraform.ok("apply", "-input=false", "plan")
    assert terraform.resources() == ["terraform_data.one"]
    terraform.ok("plan", "-input=false", "-detailed-exitcode")
    terraform.ok("destroy", "-auto-approve", "-input=false")
    assert terraform.resources() == []


@pytest.fixture
def developer(tmp_path: Path, trio: Fleet, balancer: Balancer, certificate: Certificate) -> Iterator[Terraform]:
    """Somebody who knows the balancer only."""
    cloud = Cloud("balanced", balancer.endpoint, trio.replicas[0].cloud.credentials)
    made = Terraform(tmp_path / "developer", cloud=cloud)
    yield connect(made, trio.replicas[0], endpoint=balancer.endpoint)
    made.close()


@pytest.mark.parametrize("mode", [LockMode.TABLE, LockMode.LOCKFILE])
def test_terraform_lives_its_life_over_s3_through_the_balancer(developer: Terraform, mode: LockMode):
    whole_life(developer.backend(S3Backend(Place(NAMESPACE, TABLE), f"life-{mode}/terraform.tfstate", mode)))


def test_terraform_lives_its_life_over_http_through_the_balancer(developer: Terraform, trio: Fleet, balancer: Balancer):
    whole_life(use(developer, trio.replicas[0], HttpBackend(NAMESPACE, "life-http"), balancer.endpoint))


def test_terraform_lives_its_life_in_the_cloud_block_through_the_balancer(
    developer: Terraform, trio: Fleet, balancer: Balancer
):
    whole_life(use(developer, trio.replicas[0], CloudBlock(NAMESPACE, 'name = "life-cloud"'), balancer.endpoint))


def test_a_range_is_never_of_an_older_version_than_the_one_that_was_acknowledged_last(trio: Fleet):
    """Terraform reads with ranges: what one replica remembers of a HEAD must not outlive a write through another."""
    key, old, new = "ranged.bin", b"a" * 300_000, b"b" * 300_000
    first, second, third = (replica.cloud.sdk("s3") for replica in trio.replicas)
    first.put_object(Bucket=NAMESPACE, Key=key, Body=old)
    for client in (first, second, third):
        client.head_object(Bucket=NAMESPACE, Key=key)
    third.put_object(Bucket=NAMESPACE, Key=key, Body=new)
    for client in (first, second, third):
        assert client.get_object(Bucket=NAMESPACE, Key=key, Range="bytes=100-199")["Body"].read() == b"b" * 100


def test_a_revoked_key_and_a_new_grant_count_on_every_replica_within_seconds(trio: Fleet):
    first = trio.replicas[0]
    credentials = first.new_key("passing", "read,write,lock", "*")
    clients = [replica.cloud.sdk("s3", credentials) for replica in trio.replicas]
    for client in clients:
        client.list_objects_v2(Bucket=NAMESPACE, MaxKeys=1)
    first.command("key", "revoke", "passing").ok()
    time.sleep(2.0)
    for client in clients:
        with pytest.raises(client.exceptions.ClientError, match=r"InvalidAccessKeyId|403"):
            client.list_objects_v2(Bucket=NAMESPACE, MaxKeys=1)
