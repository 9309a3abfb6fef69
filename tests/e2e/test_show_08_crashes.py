"""Show 8: kill -9 of the real server during PUTs and locks, a hundred times.

No acknowledged write or lock is lost, no body is torn, and the server is ready again in under two seconds. The same for
the store alone, and for power loss, is in `tests/torture/test_crashes.py`.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.torture.client import Client
from tests.torture.server import READY_SECONDS, Known, Server, ServerVerdict, check_known, kill_repeatedly

_BODY = b'{"version":4,"serial":1,"lineage":"a","outputs":{},"resources":[]}'


@pytest.mark.timeout(1200)
def test_a_hundred_kills_lose_no_acknowledged_lock_or_version(tmp_path: Path):
    verdict = kill_repeatedly(tmp_path, 100, "show-8")
    ready = max(verdict.ready)
    print(f"acknowledged {verdict.acknowledged}, unanswered {verdict.unanswered}, ready after at most {ready:.2f} s")
    assert verdict.broken == []
    assert len(verdict.ready) == 100
    assert max(verdict.ready) < READY_SECONDS
    assert verdict.acknowledged >= 1200
    assert verdict.unanswered >= 100


class Behind(Client):
    """Of a server that writes the digest by itself, after the state, and was killed between the two."""

    def digest(self, lock_id: str) -> str:
        return hashlib.md5(b"the version before " + super().digest(lock_id).encode()).hexdigest()


@pytest.mark.parametrize("lie", ["version", "current", "lock", "free", "digest"])
def test_the_check_after_a_kill_finds_what_is_lost(tmp_path: Path, lie: str):
    server = Server(tmp_path / "data")
    try:
        access = server.access()
        client = Client(access)
        client.create_table()
        known = Known(access["namespace"], "a.tfstate", held='{"ID":"1"}', digest=hashlib.sha256(_BODY).hexdigest())
        client.lock(known.lock_id, known.held)
        version_id = client.put_object(known.namespace, known.key, _BODY)
        known.versions[version_id] = known.digest
        truth = ServerVerdict()
        check_known(client, replace(known, versions=dict(known.versions)), truth)
        assert (truth.lost, truth.torn) == ([], [])
        lies = {
            "version": {"versions": {version_id: "0" * 64}},
            "current": {"digest": "0" * 64},
            "lock": {"held": '{"ID":"2"}'},
            "free": {"held": ""},
            "digest": {},
        }
        verdict = ServerVerdict()
        check_known(Behind(access) if lie == "digest" else client, replace(known, **lies[lie]), verdict)
        assert len(verdict.lost + verdict.torn) == 1
    finally:
        server.kill()
