"""One real server for the tests of this folder, boto3 clients, and a client that signs what it is told to."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import boto3
import botocore.config
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.clouds import Lockhouse

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lockhouse]:
    """A Lockhouse that refuses a held lock at once and takes bodies of up to 64 MiB."""
    settings = {"LOCKHOUSE_LOCK_WAIT": "0", "LOCKHOUSE_MAX_BODY": "64MiB", "LOCKHOUSE_PUBLIC_HOST": "states.example"}
    running = Lockhouse(tmp_path_factory.mktemp("lockhouse"), settings=settings)
    yield running
    try:
        log = running.log.read_text()
        assert "Traceback" not in log, log
        running.stop()
    finally:
        running.abandon()


@pytest.fixture(scope="session")
def connect(server):
    """A boto3 client of the administrator, or of another key; `checksums` as in the SDK's settings."""

    def client(service="s3", key=None, checksums="when_supported", agent=None, **s3):
        chosen = key or server.cloud.credentials
        return boto3.client(
            service,
            endpoint_url=server.cloud.endpoint,
            region_name="us-east-1",
            aws_access_key_id=chosen.access_key_id,
            aws_secret_access_key=chosen.secret_access_key,
            config=botocore.config.Config(
                retries={"total_max_attempts": 1},
                signature_version="s3v4" if service == "s3" else None,
                request_checksum_calculation=checksums,
                user_agent=agent,
                s3={"addressing_style": "path"} | s3,
            ),
        )

    return client


@pytest.fixture(scope="session")
def s3(connect):
    return connect()


@pytest.fixture
def bucket(s3) -> str:
    """A bucket that nobody has used."""
    name = f"bucket-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    return name


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str | None:
        """The Code of S3's error document."""
        return ET.fromstring(self.body).findtext("Code") if self.body else None


class Wire:
    """Raw requests over a socket, signed by botocore's signer, then bent."""

    def __init__(self, cloud):
        split = urlsplit(cloud.endpoint)
        self.host, self.port = split.hostname, split.port
        self.endpoint = cloud.endpoint
        self.credentials = Credentials(cloud.credentials.access_key_id, cloud.credentials.secret_access_key)

    def sign(self, method, path, body=b"", headers=(), credentials=None, payload=None):
        """(target, headers) of a signed request; `payload` replaces x-amz-content-sha256."""
        request = AWSRequest(method=method, url=self.endpoint + path, data=body, headers=dict(headers))
        auth = S3SigV4Auth(credentials or self.credentials, "s3", "us-east-1")
        if payload is not None:
            auth.payload = lambda _: payload
        auth.add_auth(request)
        fields = {name: str(value) for name, value in request.headers.items()}
        fields.setdefault("Host", f"{self.host}:{self.port}")
        return path, fields

    def send(self, method, path, fields, body=b"", *, hang_up=False, length=None):
        """Send it as it is; with `hang_up` close the sending side after the body, however long it was to be."""
        fields = dict(fields)
        if not any(name.lower() == "transfer-encoding" for name in fields):
            fields["Content-Length"] = str(len(body) if length is None else length)
        fields["Connection"] = "close"
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        with socket.create_connection((self.host, self.port), 20) as client:
            client.sendall(head.encode("latin-1") + b"\r\n" + body)
            if hang_up:
                client.shutdown(socket.SHUT_WR)
            raw = b""
            while piece := client.recv(65536):
                raw += piece
        return read_answer(raw)

    def ask(self, method, path, body=b"", headers=(), **options):
        """A well signed request."""
        target, fields = self.sign(method, path, body, headers, **options)
        return self.send(method, target, fields, body)


def read_answer(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    if not head:
        return Answer(0, {}, b"")
    line, *rest = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in rest)}
    return Answer(int(line.split()[1]), headers, body)


@pytest.fixture(scope="session")
def wire(server) -> Wire:
    return Wire(server.cloud)


@pytest.fixture(scope="session")
def new_key(server):
    """Make a key: `new_key("read,lock", "bucket/prefix")`."""

    def make(rights, on):
        return server.new_key(f"key-{next(_numbers)}", rights, on)

    return make
