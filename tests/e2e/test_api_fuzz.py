"""The JSON API under generated requests: no internal error, and every answer as the description promises."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from lockhouse.protocols.api.routes import ROUTES
from tests.e2e.clouds import Lockhouse, client_environment


def test_generated_requests_never_find_an_internal_error(start_lockhouse: Callable[..., Lockhouse], tmp_path: Path):
    server = start_lockhouse(flags=("--failure-rate", "0"))  # see the last comment
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{server.endpoint}/lockhouse/v1/openapi.json",
            f"--header=Authorization: Bearer {server.token}",
            "--phases=coverage,fuzzing",
            "--max-examples=5",
            "--seed=1",
            "--checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            "--suppress-health-check=all",
            "--no-color",
        ],
        env=client_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert f"Tested: {len(ROUTES)}" in done.stdout
    # The requests may have ended the very token they came with, so the server is asked without one.
    assert httpx.get(f"{server.endpoint}/readyz", timeout=60).json()["status"] == "ready"
    assert "Traceback" not in server.child.said()
