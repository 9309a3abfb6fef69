"""No telemetry: a server with the default settings connects to nobody, from its first start to its end.

What its process does is noted by an audit hook; the same hook is shown to note a connection.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tests.e2e.clouds import Lockhouse, client_environment

NOTES = "CALLS_NOTED_IN"
HOOK = f"""
import os, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"):
        with open(os.environ["{NOTES}"], "a") as notes:
            print(event, repr(arguments[-1:]), file=notes)

sys.addaudithook(note)
open(os.environ["{NOTES}"], "a").write("watched\\n")
"""
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2]))).close()"


def test_a_server_connects_to_nobody(start_lockhouse: Callable[..., Lockhouse], tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
    notes = tmp_path / "notes"
    watched = {"PYTHONPATH": str(tmp_path), NOTES: str(notes)}
    server = start_lockhouse(settings=watched)
    place = server.cloud.new_place()
    s3 = server.cloud.sdk("s3")
    state = {"version": 4, "terraform_version": "1.15.5", "serial": 1, "lineage": "a", "outputs": {}, "resources": []}

    s3.put_object(Bucket=place.bucket, Key="app.tfstate.tflock", Body=b'{"ID":"one"}', IfNoneMatch="*")
    for serial, more in ((1, ""), (2, os.urandom(500_000).hex())):  # a row and a file
        body = json.dumps(state | {"serial": serial, "more": more}).encode()
        s3.put_object(Bucket=place.bucket, Key="app.tfstate", Body=body)
    s3.delete_object(Bucket=place.bucket, Key="app.tfstate.tflock")
    server.json("status")
    server.stop()

    assert set(notes.read_text(encoding="utf-8").splitlines()) == {"watched"}
    endpoint = urlsplit(start_lockhouse().endpoint)
    subprocess.run(
        [sys.executable, "-c", CONNECT, str(endpoint.hostname), str(endpoint.port)],
        env=client_environment() | watched,
        check=True,
        timeout=30,
    )
    assert "socket.connect" in notes.read_text(encoding="utf-8")
