"""Lock requests that meet: one winner at a time, and a held request is answered when its turn comes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest

from tests.e2e.clouds import Lockhouse

WORKERS = 8


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lockhouse]:
    """A Lockhouse that holds a lock request for up to 20 seconds."""
    running = Lockhouse(tmp_path_factory.mktemp("patient"), settings={"LOCKHOUSE_LOCK_WAIT": "20"})
    yield running
    try:
        running.stop()
    finally:
        running.abandon()


def locks_of(server: Lockhouse, table: str, key: str):
    """(take, release) of one lock; `take` answers whether it was granted."""
    lock_id = f"{server.namespace}/{key}"

    def take(client, name: str) -> bool:
        info = f'{{"ID":"{name}","Operation":"","Info":"","Who":"{name}","Version":"","Created":"","Path":"{lock_id}"}}'
        try:
            client.put_item(
                TableName=table,
                Item={"LockID": {"S": lock_id}, "Info": {"S": info}},
                ConditionExpression="attribute_not_exists(LockID)",
            )
        except client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def release(client) -> None:
        where = {"TableName": table, "Key": {"LockID": {"S": lock_id}}}
        client.get_item(ConsistentRead=True, ProjectionExpression="LockID, Info", **where)
        client.delete_item(**where)

    return take, release


def test_of_many_that_ask_at_once_one_is_granted(server: Lockhouse, dynamodb, new_table):
    take, release = locks_of(server, new_table(LockID="S"), "race")
    start = threading.Barrier(WORKERS)
    clients = [server.cloud.sdk("dynamodb") for _ in range(WORKERS)]

    def ask(number: int) -> bool:
        start.wait(10)
        return take(clients[number], f"run-{number}")

    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in range(10):
            granted = [each.result(30) for each in as_completed([pool.submit(ask, at) for at in range(WORKERS)])]
            assert granted.count(True) == 1
            release(dynamodb)


def test_held_requests_are_all_granted_and_never_two_at_once(patient: Lockhouse):
    take, release = locks_of(patient, "terraform-locks", "queue")
    inside: list[int] = []
    crowds: list[int] = []

    def run(number: int) -> bool:
        client = patient.cloud.sdk("dynamodb")
        granted = take(client, f"run-{number}")
        inside.append(number)
        patient.cloud.sdk("sts").get_caller_identity()
        crowds.append(len(inside))
        inside.remove(number)
        release(client)
        return granted

    with ThreadPoolExecutor(WORKERS) as pool:
        assert all(each.result(60) for each in as_completed([pool.submit(run, at) for at in range(WORKERS)]))
    assert crowds == [1] * WORKERS
