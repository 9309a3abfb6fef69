"""One real server for the tests of this folder, and clients that speak to it over a socket, signed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import boto3
import pytest

from tests.e2e.clouds import Lockhouse

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lockhouse]:
    """A Lockhouse that refuses a held lock at once."""
    running = Lockhouse(tmp_path_factory.mktemp("lockhouse"), settings={"LOCKHOUSE_LOCK_WAIT": "0"})
    yield running
    try:
        running.stop()
    finally:
        running.abandon()


@pytest.fixture
def dynamodb(server: Lockhouse) -> boto3.client:
    return server.cloud.sdk("dynamodb")


@pytest.fixture
def new_table(dynamodb) -> Callable[..., str]:
    """Make a table that nobody has used: `new_table(id="S")`, hash key first."""

    def make(**keys: str) -> str:
        name = f"table-{next(_numbers)}"
        dynamodb.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in keys.items()],
            KeySchema=[
                {"AttributeName": key, "KeyType": role} for key, role in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        return name

    return make
