"""A lock whose pipeline was killed, with a real issuer, a real API and a real server: found, told, released, fenced."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.e2e.clouds import Lockhouse
from tests.postgres import running_cluster
from tests.wire.federation.test_exchange import NEEDED, exchange, mint
from tests.wire.federation.test_job_checks import Apis
from tests.wire.signin.providers import ProviderProcess


@contextlib.contextmanager
def servers(directory: Path, kind: str, settings: dict[str, str]) -> Iterator[list[Lockhouse]]:
    """One on the embedded default, or two on one PostgreSQL database."""
    with contextlib.ExitStack() as ending:
        if kind == "two on PostgreSQL":
            key = directory / "master.key"
            key.write_bytes(os.urandom(32))
            key.chmod(0o600)
            settings |= {
                "LOCKHOUSE_DATABASE_URL": ending.enter_context(running_cluster()).url,
                "LOCKHOUSE_MASTER_KEY_FILE": str(key),
                "LOCKHOUSE_ENCRYPTION_KEY": "off",
            }
        started: list[Lockhouse] = []
        for number in range(2 if kind == "two on PostgreSQL" else 1):
            first = started[0] if started else None
            started.append(Lockhouse(directory / f"lockhouse-{number}", settings=settings, first=first))
            ending.callback(started[-1].abandon)
        yield started
        for each in started:
            each.stop()


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["one", "two on PostgreSQL"])
def test_a_killed_pipelines_lock_is_released_by_policy_and_the_next_run_goes_on(tmp_path, kind):
    issuer, apis = ProviderProcess(tmp_path / "issuer"), Apis(tmp_path)
    settings = {
        "LOCKHOUSE_CI_ISSUERS": issuer.issuer,
        "LOCKHOUSE_CI_JOB_CHECKS": f"{issuer.issuer} github {apis.url}/api/v3 {apis.github}",
    }
    with servers(tmp_path, kind, settings) as started, contextlib.ExitStack() as ending:
        ending.callback(issuer.stop)
        ending.callback(apis.stop)
        server = started[0]
        trust = ("--issuer", issuer.issuer, "--audience", "https://states.example.com", "--role", "writer")
        claims = [part for claim in NEEDED for part in ("--claim", claim)]
        server.command("trust", "create", "deploy", *trust, *claims, "--on", f"{server.namespace}/app/").ok()
        server.command("lock", "policy", "set", server.namespace, "auto-release", "--prefix", "app/").ok()
        killed, following = (exchange(server, mint(issuer, run_id=run)).json()["token"] for run in ("77", "78"))
        place = f"{started[-1].endpoint}/http/{server.namespace}/app/prod"
        taken = httpx.request("LOCK", place, content=b'{"ID":"killed"}', auth=("any", killed), trust_env=False)
        assert taken.status_code == 200
        ended = datetime.now(UTC).isoformat()
        run = {"status": "completed", "conclusion": "cancelled", "updated_at": ended, "run_attempt": 2}
        apis.world(runs={"acme/app/77": run})
        deadline = time.monotonic() + 800
        while (held := server.json("lock", "list")) and time.monotonic() < deadline:
            assert held[0]["job"] == f"{issuer.issuer}/acme/app/actions/runs/77/attempts/2"
            assert abs(when(held[0]["last_seen"]) - when(held[0]["since"])) < 20
            time.sleep(5)
        shown = server.json("lock", "show", server.namespace, "app/prod")
        assert shown["held"] is None
        assert [each["verb"] for each in shown["history"]] == ["forced", "stale", "taken"]
        assert shown["fences"][0]["by"] == "lockhouse"
        assert "its CI job ended at" in shown["fences"][0]["reason"]
        assert "(cancelled)" in shown["fences"][0]["reason"]
        took = httpx.request("LOCK", place, content=b'{"ID":"next"}', auth=("any", following), trust_env=False)
        assert took.status_code == 200
        body = b'{"version":4,"serial":1,"lineage":"x","terraform_version":"1.15.5","outputs":{},"resources":[]}'
        late = httpx.post(f"{place}?ID=killed", content=body, auth=("any", killed), trust_env=False)
        assert late.status_code in (409, 412, 423), late.text
        assert len(server.json("state", "parked", "list")) == 1
        told = [each["action"] for each in server.json("audit", "list", "--action", "lock")]
        assert [told.count(each) for each in ("lock.stale", "lock.forced", "lock.seen-again")] == [1, 1, 0]


def when(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
