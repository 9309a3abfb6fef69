"""A lock whose pipeline was killed, with a real issuer, a real API and a real server: found, told, released, fenced."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import httpx
import pytest

from tests.e2e.clouds import Lockhouse
from tests.wire.federation.test_exchange import NEEDED, exchange, mint
from tests.wire.federation.test_job_checks import Apis
from tests.wire.signin.providers import ProviderProcess


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_killed_pipelines_lock_is_released_by_policy_and_the_next_run_goes_on(tmp_path):
    issuer, apis = ProviderProcess(tmp_path / "issuer"), Apis(tmp_path)
    settings = {
        "LOCKHOUSE_CI_ISSUERS": issuer.issuer,
        "LOCKHOUSE_CI_JOB_CHECKS": f"{issuer.issuer} github {apis.url}/api/v3 {apis.github}",
    }
    server = Lockhouse(tmp_path / "lockhouse", settings=settings)
    try:
        trust = ("--issuer", issuer.issuer, "--audience", "https://states.example.com", "--role", "writer")
        claims = [part for claim in NEEDED for part in ("--claim", claim)]
        server.command("trust", "create", "deploy", *trust, *claims, "--on", f"{server.namespace}/app/").ok()
        server.command("lock", "policy", "set", server.namespace, "auto-release", "--prefix", "app/").ok()
        killed, following = (exchange(server, mint(issuer, run_id=run)).json()["token"] for run in ("77", "78"))
        place = f"{server.endpoint}/http/{server.namespace}/app/prod"
        taken = httpx.request("LOCK", place, content=b'{"ID":"killed"}', auth=("any", killed), trust_env=False)
        assert taken.status_code == 200
        ended = datetime.now(UTC).isoformat()
        run = {"status": "completed", "conclusion": "cancelled", "updated_at": ended, "run_attempt": 2}
        apis.world(runs={"acme/app/77": run})
        deadline = time.monotonic() + 800
        while server.json("lock", "list") and time.monotonic() < deadline:
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
        assert {"lock.stale", "lock.forced"} <= set(told)
        server.stop()
    finally:
        server.abandon()
        apis.stop()
        issuer.stop()
