"""A write whose connection ends after any number of its bytes changes nothing."""

from __future__ import annotations

import hashlib
import json
import socket
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.clouds import Lockhouse

KEY = "cut.tfstate"
SIZE = 64 * 1024


def state(serial: int) -> bytes:
    document = {"version": 4, "serial": serial, "lineage": "one", "outputs": {}, "resources": [], "note": ""}
    return json.dumps(document | {"note": "x" * (SIZE - len(json.dumps(document)))}).encode()


def signed(server: Lockhouse, path: str, body: bytes) -> bytes:
    """The head of a signed PUT."""
    keys = server.cloud.credentials
    host = urlsplit(server.endpoint).netloc
    digest = hashlib.sha256(body).hexdigest()
    request = AWSRequest("PUT", server.endpoint + path, data=body, headers={"X-Amz-Content-SHA256": digest})
    S3SigV4Auth(Credentials(keys.access_key_id, keys.secret_access_key), "s3", "us-east-1").add_auth(request)
    fields = {**dict(request.headers.items()), "Host": host, "Content-Length": str(len(body))}
    return "".join(
        [f"PUT {path} HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in fields.items()), "\r\n"]
    ).encode()


def said(server: Lockhouse, raw: bytes, *, cut: bool = True) -> bytes:
    """What the server says to these bytes and, if they are `cut`, the end of the connection; then until it ends it too."""
    address = urlsplit(server.endpoint)
    answer = b""
    with socket.create_connection((address.hostname, address.port), timeout=20) as line:
        line.sendall(raw)
        if not cut:
            return line.recv(65536)
        line.shutdown(socket.SHUT_WR)
        while piece := line.recv(65536):
            answer += piece
    return answer


@pytest.mark.parametrize(
    "stride",
    [
        pytest.param(2039, id="some"),
        pytest.param(1, id="everywhere", marks=(pytest.mark.soak, pytest.mark.timeout(3600))),
    ],
)
def test_a_body_that_is_cut_off_anywhere_changes_nothing(lockhouse: Lockhouse, stride: int):
    bucket, s3 = lockhouse.cloud.new_place().bucket, lockhouse.cloud.sdk("s3")
    s3.put_object(Bucket=bucket, Key=KEY, Body=state(1))
    body = state(2)
    assert len(body) == SIZE
    head = signed(lockhouse, f"/{bucket}/{KEY}", body)
    cuts = 0
    for length in range(0, SIZE, stride):
        assert b" 200 " not in said(lockhouse, head + body[:length]).partition(b"\r\n")[0], length
        cuts += 1
        if cuts % 8192 == 0:
            head = signed(lockhouse, f"/{bucket}/{KEY}", body)  # a signature counts for a quarter of an hour
    assert cuts == -(-SIZE // stride)
    assert s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == state(1)
    assert len(s3.list_object_versions(Bucket=bucket, Prefix=KEY)["Versions"]) == 1
    # The request was a good one: with its whole body it is taken.
    assert b" 200 " in said(lockhouse, head + body, cut=False).partition(b"\r\n")[0]
    assert s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == body
