"""Show 9: a state of 100 MB, in parts and in one piece, and uploads that break off in the middle.

The server's memory does not grow with the state, and a body that did not arrive whole never becomes the current version.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

from tests.e2e.clouds import Cloud, Lockhouse, Place
from tests.e2e.terraform import NEWEST, LockMode, S3Backend

KEY = "app/terraform.tfstate"
MEBIBYTE = 1 << 20
GROWTH_LIMIT = 64 * MEBIBYTE
PIECES = 100

CONFIGURATION = (
    f'resource "terraform_data" "big" {{\n  count = {PIECES}\n  lifecycle {{\n    ignore_changes = all\n  }}\n}}\n'
)


def large_state(serial: int) -> bytes:
    """A state of a little over 100 MB: one hundred built-in resources of one megabyte each."""
    instances = [
        {
            "index_key": index,
            "schema_version": 0,
            "attributes": {
                "id": f"piece-{index}",
                "input": {"value": f"{index:02d}" * (MEBIBYTE // 4), "type": "string"},
                "output": {"value": f"{index:02d}" * (MEBIBYTE // 4), "type": "string"},
                "triggers_replace": None,
            },
        }
        for index in range(PIECES)
    ]
    state = {
        "version": 4,
        "terraform_version": NEWEST,
        "serial": serial,
        "lineage": "5c1f1e36-0d3b-4b8e-9c55-000000000001",
        "outputs": {},
        "resources": [
            {
                "mode": "managed",
                "type": "terraform_data",
                "name": "big",
                "provider": 'provider["terraform.io/builtin/terraform"]',
                "instances": instances,
            }
        ],
    }
    return json.dumps(state).encode()


class Peak:
    """The highest resident memory of a server while something happens."""

    def __init__(self, server: Lockhouse) -> None:
        self._server = server
        self._over = threading.Event()
        self.before = server.memory()
        self.highest = self.before

    def __enter__(self) -> Self:
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()

    @property
    def growth(self) -> int:
        return self.highest - self.before

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.highest = max(self.highest, self._server.memory())


@pytest.fixture
def warm(start_lockhouse: Callable[..., Lockhouse], developer) -> Lockhouse:
    """A server that has already done everything once, in small."""
    server = start_lockhouse(settings={"LOCKHOUSE_LOCK_WAIT": "0"})
    place = server.cloud.new_place()
    alice = developer("warm", cloud=server.cloud).backend(S3Backend(place, KEY, LockMode.BOTH))
    alice.write("main.tf", 'resource "terraform_data" "small" {}\n').init()
    alice.apply()
    server.cloud.sdk("s3").put_object(Bucket=place.bucket, Key="parts", Body=b"x")
    return server


def test_a_large_state_is_pushed_in_parts_pulled_and_planned_in_little_memory(warm, developer):
    place = warm.cloud.new_place()
    alice = developer("alice", cloud=warm.cloud).backend(S3Backend(place, KEY, LockMode.BOTH))
    alice.write("main.tf", CONFIGURATION).init()
    (alice.directory / "large.tfstate").write_bytes(large_state(serial=5))

    with Peak(warm) as peak:
        alice.ok("state", "push", "large.tfstate", seconds=200)
        pulled = alice.ok("state", "pull", seconds=200).stdout
        planned = alice.run("plan", "-input=false", "-detailed-exitcode", seconds=200)

    assert planned.code == 0, planned.report()[-2000:]
    kept = json.loads(pulled)
    assert len(kept["resources"][0]["instances"]) == PIECES
    stored = warm.cloud.state_bytes(place, KEY)
    same = stored.strip() == pulled.strip().encode()  # a comparison inside the assertion would print 200 MB
    assert same
    etag = warm.cloud.sdk("s3").head_object(Bucket=place.bucket, Key=KEY)["ETag"]
    assert "-" in etag, "a state of 100 MB goes up in parts"
    assert peak.growth < GROWTH_LIMIT, f"grew by {peak.growth / MEBIBYTE:.0f} MiB"


def test_a_large_state_in_one_piece_takes_little_memory(warm):
    place = warm.cloud.new_place()
    body = large_state(serial=1)

    with Peak(warm) as peak:
        warm.cloud.sdk("s3").put_object(Bucket=place.bucket, Key=KEY, Body=body)
        fetched = warm.cloud.state_bytes(place, KEY)

    same = fetched == body
    assert same
    assert peak.growth < GROWTH_LIMIT, f"grew by {peak.growth / MEBIBYTE:.0f} MiB"


def small_state(serial: int, size: int) -> bytes:
    state = {"version": 4, "terraform_version": NEWEST, "serial": serial, "lineage": "5c1f1e36-0d3b-4b8e-9c55-2"}
    state |= {"outputs": {"text": {"value": "x" * size, "type": "string"}}, "resources": []}
    return json.dumps(state).encode()


@pytest.mark.parametrize("size", [2_000, 300_000, 3_000_000], ids=["2kB", "300kB", "3MB"])
def test_an_upload_that_breaks_off_at_any_byte_leaves_the_old_state(cloud, size):
    place = cloud.new_place()
    before = small_state(1, 1000)
    cloud.sdk("s3").put_object(Bucket=place.bucket, Key=KEY, Body=before)
    body = small_state(2, size)
    count = len(body)
    cuts = sorted(
        {0, 1, 2, count // 3, count // 2, count - 2, count - 1, *(count * part // 25 for part in range(1, 25))}
    )

    for cut in cuts:
        send_part_of(cloud, place, body, cut)
    for cut in cuts[:: max(1, len(cuts) // 6)]:
        send_part_of(cloud, place, body, cut, hang_up_by_reset=True)

    assert cloud.state_bytes(place, KEY) == before
    listed = cloud.sdk("s3").list_object_versions(Bucket=place.bucket, Prefix=KEY)["Versions"]
    assert len(listed) == 1
    cloud.sdk("s3").put_object(Bucket=place.bucket, Key=KEY, Body=body)
    assert cloud.state_bytes(place, KEY) == body


def send_part_of(cloud: Cloud, place: Place, body: bytes, cut: int, *, hang_up_by_reset: bool = False) -> None:
    """Send a signed PUT with only the first `cut` bytes of its body, then hang up."""
    address = urlsplit(cloud.endpoint)
    request = botocore.awsrequest.AWSRequest("PUT", f"{cloud.endpoint}/{place.bucket}/{KEY}", data=body)
    key = botocore.credentials.Credentials(cloud.credentials.access_key_id, cloud.credentials.secret_access_key)
    botocore.auth.S3SigV4Auth(key, "s3", "us-east-1").add_auth(request)
    line = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    line.putrequest("PUT", f"/{place.bucket}/{KEY}", skip_accept_encoding=True)
    for name, value in request.headers.items():
        line.putheader(name, value)
    line.putheader("Content-Length", str(len(body)))
    line.endheaders()
    assert line.sock is not None
    line.sock.sendall(body[:cut])
    if hang_up_by_reset:
        line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    line.close()
