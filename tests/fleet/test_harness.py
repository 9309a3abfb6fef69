"""The harness finds what it is there to find: each test here breaks a promise on purpose, with the embedded default."""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.e2e.certificates import Certificate
from tests.fleet import check
from tests.fleet.balancer import balanced
from tests.fleet.client import LockClient, Protocol
from tests.fleet.pooler import pooled
from tests.fleet.replicas import NAMESPACE, Fleet, chains, fleet
from tests.fleet.traffic import traffic, wait_for
from tests.postgres import free_port, running_cluster
from tests.torture.client import Refused


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet of one, on the embedded default."""
    with fleet(tmp_path_factory.mktemp("one"), 1, (), settings={"LOCKHOUSE_LOCK_WAIT": "0"}) as made:
        yield made


def after_some_traffic(one: Fleet, name: str, writes: int = 30) -> list[str]:
    with traffic(chains(2, name), one.new_users(6, one.endpoints)) as book:
        wait_for(book, writes)
    return check.problems(book, [one.replicas[0].cloud])


def test_a_healthy_server_keeps_every_promise(one: Fleet):
    assert after_some_traffic(one, "healthy") == []


def test_a_lock_that_two_are_given_is_found(one: Fleet, monkeypatch: pytest.MonkeyPatch):
    """Each other worker believes that it has the lock, as it would with a lock that is only checked and then taken."""
    honest = LockClient.take

    def careless(self: LockClient, namespace: str, key: str, lock_id: str) -> None:
        try:
            honest(self, namespace, key, lock_id)
        except Refused:
            if not lock_id.startswith("worker-0"):
                raise

    monkeypatch.setattr(LockClient, "take", careless)
    found = after_some_traffic(one, "twice")
    assert any("was granted the lock while" in problem for problem in found), found


def test_a_write_that_is_counted_and_was_not_acknowledged_is_found(one: Fleet, monkeypatch: pytest.MonkeyPatch):
    honest, turn, counting = LockClient.put, [0], threading.Lock()

    def hopeful(self: LockClient, namespace: str, key: str, body: bytes, lock_id: str) -> None:
        with counting:
            turn[0] += 1
            dropped = turn[0] % 10 == 0
        if not dropped:
            honest(self, namespace, key, body, lock_id)

    monkeypatch.setattr(LockClient, "put", hopeful)
    found = after_some_traffic(one, "hopeful")
    assert any("was acknowledged last" in problem for problem in found), found
    assert any("are lost" in problem for problem in found), found


def test_a_request_that_is_never_answered_is_found(one: Fleet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(LockClient, "patience", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        users = one.new_users(1, [f"http://127.0.0.1:{silent.getsockname()[1]}"])
        with traffic(chains(1, "silent"), users) as book:
            end = time.monotonic() + 20
            while not book.broken and time.monotonic() < end:
                time.sleep(0.05)
    assert book.broken[0] == "worker-0 was not answered in 1 s"


def test_a_session_lock_behind_a_pooler_is_found_to_have_two_holders(one: Fleet, monkeypatch: pytest.MonkeyPatch):
    """Why Lockhouse keeps nothing in a session of the database: through a pooler, two clients are one session."""

    def number(key: str) -> int:
        return zlib.crc32(key.encode())

    with running_cluster() as cluster, pooled(cluster, connections=1) as pooler:

        def ask(question: str, key: str) -> bool:
            with psycopg.connect(pooler.url, autocommit=True, prepare_threshold=None) as connection:
                row = connection.execute(question.encode(), (number(key),)).fetchone()
            return bool(row and row[0])

        def take(_self: LockClient, _namespace: str, key: str, _lock_id: str) -> None:
            assert ask("SELECT pg_try_advisory_lock(%s)", key)

        def leave(_self: LockClient, _namespace: str, key: str, _lock_id: str) -> None:
            ask("SELECT pg_advisory_unlock(%s)", key)

        monkeypatch.setattr(LockClient, "take", take)
        monkeypatch.setattr(LockClient, "leave", leave)
        users = [user for user in one.new_users(6, one.endpoints) if user[1] is not Protocol.HTTP]
        with traffic(chains(1, "advisory"), users) as book:
            wait_for(book, 20)
    assert any("was granted the lock while" in problem for problem in book.broken), book.broken


def test_the_balancer_hands_every_request_on_as_it_came(one: Fleet, tmp_path: Path, certificate: Certificate):
    """Signatures cover paths, queries, hosts and bodies: one byte changed on the way and they are refused."""
    keys = ["plain", "env:/prod/a//b", "/leading", "a b+c%20d/ü", "x/../y/./z", "folder/"]
    with balanced(tmp_path / "nginx", one.endpoints * 2, certificate.path, certificate.key_path) as balancer:
        replica = one.replicas[0].cloud
        s3 = dataclasses.replace(replica, endpoint=balancer.endpoint).sdk("s3")
        secure = dataclasses.replace(replica, endpoint=balancer.secure, authority=certificate.path).sdk("s3")
        for key in keys:
            s3.put_object(Bucket=NAMESPACE, Key=f"odd/{key}", Body=os.urandom(200_000))
            assert len(secure.get_object(Bucket=NAMESPACE, Key=f"odd/{key}")["Body"].read()) == 200_000
        listed = s3.list_objects_v2(Bucket=NAMESPACE, Prefix="odd/")["Contents"]
        assert [each["Key"] for each in listed] == sorted(f"odd/{key}" for key in keys)
        with traffic(chains(2, "balanced"), one.new_users(6, [balancer.endpoint])) as book:
            wait_for(book, 20)
        assert check.problems(book, [replica]) == []


def test_the_balancer_answers_503_when_no_server_is_there(tmp_path: Path, certificate: Certificate):
    nowhere = f"http://127.0.0.1:{free_port()}"
    with balanced(tmp_path / "nginx", [nowhere], certificate.path, certificate.key_path) as balancer:
        answer = httpx.put(f"{balancer.endpoint}/http/a/b", content=b"{}", timeout=10, trust_env=False)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
