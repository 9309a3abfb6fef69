"""The implementations that the contract holds."""

from __future__ import annotations

import atexit
import contextlib
import secrets
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import psycopg
import pytest

from lockhouse.core.blobs import Blobs
from lockhouse.core.ports import Store
from lockhouse.storage.blobs.bucket import Bucket
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.blobs.objects import ObjectBlobs
from lockhouse.storage.blobs.rows import RowBlobs
from lockhouse.storage.memory import MemoryStore
from lockhouse.storage.sql.postgres import PostgresStore
from lockhouse.storage.sql.sqlite import SqliteStore
from tests.e2e.clouds import Cloud, Lockhouse, Moto
from tests.postgres import Cluster, running_cluster


@cache
def cluster() -> Cluster:
    """One for all tests of this process."""
    ending = contextlib.ExitStack()
    atexit.register(ending.close)
    return ending.enter_context(running_cluster())


@cache
def _emptying() -> tuple[psycopg.Connection, bytes]:
    """A connection, and what makes its database as it was when its tables had just been made."""
    PostgresStore(cluster().url).close()
    connection = psycopg.connect(cluster().url, autocommit=True)
    tables = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
        "AND relname NOT IN ('schema_steps', 'house')"
    ).fetchall()
    statements = [f"DELETE FROM {name};" for (name,) in tables]
    return connection, "".join([*statements, "UPDATE house SET settled = settled + 1;"]).encode()


def postgres_store(path: Path) -> PostgresStore:
    """On one database for all tests: empty for a new `path`, what it was for one that has been opened before."""
    opened = path / "opened"
    if not opened.exists():
        connection, empty = _emptying()
        connection.execute(empty)
        opened.touch()
    return PostgresStore(cluster().url)


STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda path: MemoryStore(),
    "sqlite": lambda path: SqliteStore(path / "lockhouse.db"),
    "postgres": postgres_store,
}
BLOBS: dict[str, Callable[[Path], Blobs]] = {
    "files": lambda path: FileBlobs(path / "blobs"),
    "rows": lambda path: RowBlobs(SqliteStore(path / "lockhouse.db")),
    "rows of postgres": lambda path: RowBlobs(postgres_store(path)),
    "objects of moto": lambda path: ObjectBlobs(_bucket(object_stores()["moto"])),
    "objects of lockhouse": lambda path: ObjectBlobs(_bucket(object_stores()["lockhouse"])),
}


@cache
def object_stores() -> dict[str, Cloud]:
    """Two that speak S3, one process each for all tests of this process: the peer, and a Lockhouse."""
    ending = contextlib.ExitStack()
    atexit.register(ending.close)
    scratch = Path(ending.enter_context(tempfile.TemporaryDirectory()))
    (scratch / "moto").mkdir()
    moto, lockhouse = Moto(scratch / "moto"), Lockhouse(scratch / "lockhouse")
    ending.callback(moto.stop)
    ending.callback(lockhouse.abandon)
    ending.callback(lockhouse.stop)
    return {"moto": moto.cloud, "lockhouse": lockhouse.cloud}


def _bucket(cloud: Cloud) -> Bucket:
    """A fresh one."""
    name = f"bodies-{secrets.token_hex(4)}"
    cloud.sdk("s3").create_bucket(Bucket=name)
    return Bucket(
        name=name,
        prefix="some/where",
        endpoint=cloud.endpoint,
        region="us-east-1",
        access_key_id=cloud.credentials.access_key_id,
        secret_access_key=cloud.credentials.secret_access_key,
    )


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()


@pytest.fixture(params=BLOBS)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blobs]:
    opened = BLOBS[request.param](tmp_path)
    yield opened
    if isinstance(opened, RowBlobs):
        opened._store.close()
