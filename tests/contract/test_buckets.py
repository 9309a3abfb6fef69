"""What is said of a bucket that cannot be used: of its setting where the store says so, else that it is away."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from lockhouse.errors import SettingInvalid, StorageUnavailable
from lockhouse.storage.blobs.bucket import Bucket
from lockhouse.storage.blobs.objects import ObjectBlobs
from lockhouse.storage.blobs.opening import open_to_serve, read_bucket
from lockhouse.storage.blobs.owner import house_in
from lockhouse.storage.blobs.reach import Reach
from lockhouse.storage.blobs.rows import RowBlobs
from lockhouse.storage.blobs.sweep import sweep
from lockhouse.storage.memory import MemoryStore
from tests.contract.conftest import object_stores


def bucket_at(endpoint: str) -> Bucket:
    return Bucket("bodies", "some/where", endpoint, "us-east-1", "AKIAEXAMPLE", "secret", retry_seconds=0.1)


def problem_of(bucket: Bucket) -> StorageUnavailable:
    with pytest.raises(StorageUnavailable) as caught:
        ObjectBlobs(bucket).check()
    assert "secret" not in caught.value.message + caught.value.hint
    return caught.value


@pytest.mark.parametrize("store", ["moto", "lockhouse"])
def test_a_bucket_that_does_not_exist_is_a_wrong_setting(store: str):
    cloud = object_stores()[store]
    credentials = cloud.credentials
    bucket = Bucket(
        "nowhere", "", cloud.endpoint, "us-east-1", credentials.access_key_id, credentials.secret_access_key
    )
    problem = problem_of(bucket)
    assert problem.details == {"setting": "blobs"}
    assert "it does not exist" in problem.message
    assert f"aws s3 mb s3://nowhere --endpoint-url {cloud.endpoint}" in problem.hint


def test_credentials_that_are_refused_are_a_wrong_setting():
    cloud = object_stores()["lockhouse"]
    right = replace(
        bucket_at(cloud.endpoint),
        access_key_id=cloud.credentials.access_key_id,
        secret_access_key=cloud.credentials.secret_access_key,
    )
    for wrong, said in (
        (replace(right, access_key_id="AKIANOBODY"), "InvalidAccessKeyId"),
        (replace(right, secret_access_key="wrongword"), "SignatureDoesNotMatch"),
    ):
        problem = problem_of(wrong)
        assert problem.details == {"setting": "blobs"}
        assert said in problem.message
        assert "--blobs (LOCKHOUSE_BLOBS)" in problem.hint


S3_ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>no</Message></Error>"


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        ("403 Forbidden", "AccessDenied", "does not permit it"),
        ("400 Bad Request", "ExpiredToken", "refuses the credentials"),
        ("400 Bad Request", "AuthorizationHeaderMalformed", "another region"),
        ("301 Moved Permanently", "PermanentRedirect", "another region"),
    ],
)
def test_what_is_said_in_s3s_words_is_a_wrong_setting(status: str, code: str, said: str):
    with answering(status, S3_ERROR.format(code)) as endpoint:
        problem = problem_of(bucket_at(endpoint))
    assert problem.details == {"setting": "blobs"}
    assert said in problem.message
    assert "LOCKHOUSE_BLOBS" in problem.hint


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        ("403 Forbidden", "the proxy says no", "403 Forbidden"),
        ("404 Not Found", "<html>no such page</html>", "404 Not Found"),
        ("403 Forbidden", S3_ERROR.format("RequestTimeTooSkewed"), "RequestTimeTooSkewed"),
        ("503 Slow Down", S3_ERROR.format("SlowDown"), "SlowDown"),
        ("500 Internal Server Error", S3_ERROR.format("InternalError"), "InternalError"),
    ],
)
def test_what_may_be_over_in_a_moment_is_not(status: str, body: str, said: str):
    with answering(status, body) as endpoint:
        problem = problem_of(bucket_at(endpoint))
    assert "setting" not in problem.details
    assert "cannot be reached" in problem.message
    assert said in problem.message


def test_a_store_that_is_away_is_said_to_be_away():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    problem = problem_of(bucket_at(f"http://127.0.0.1:{port}"))
    assert problem.message.endswith(f"http://127.0.0.1:{port} cannot be reached (Connection refused)")
    assert "setting" not in problem.details


def test_a_store_that_never_answers_is_not_waited_for_long():
    with socket.create_server(("127.0.0.1", 0)) as listener:  # connections are taken by the kernel, and by nobody else
        bucket = replace(bucket_at(f"http://127.0.0.1:{listener.getsockname()[1]}"), ask_seconds=0.2)
        began = time.monotonic()
        problem = problem_of(bucket)
    assert time.monotonic() - began < bucket.request_seconds / 2
    assert "cannot be reached (Timeout)" in problem.message
    assert "setting" not in problem.details


def test_a_server_without_credentials_is_told_that_it_has_none(monkeypatch: pytest.MonkeyPatch):
    with answering("404 Not Found", "no role here") as machine:
        for name in [each for each in os.environ if each.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", machine)
        problem = problem_of(replace(bucket_at("http://127.0.0.1:9"), access_key_id="", secret_access_key=""))
    assert "no credentials were given" in problem.message
    assert "credentials=FILE" in problem.hint
    assert "setting" not in problem.details  # the machine may give some in a moment


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "s3.internal", "ftp://x", "https://", "http://a@b"])
def test_an_endpoint_that_is_no_address_is_refused_before_anybody_is_asked(endpoint: str, tmp_path: Path):
    store = MemoryStore()
    with pytest.raises(SettingInvalid, match="its endpoint must be") as caught:
        open_to_serve(f"s3://bodies?endpoint={endpoint}", RowBlobs(store), store, str)
    assert "--blobs" in caught.value.hint
    assert read_bucket("s3://bodies?endpoint=http://127.0.0.1:9000/").endpoint == "http://127.0.0.1:9000"


@pytest.mark.parametrize("store", ["moto", "lockhouse"])
def test_a_bucket_is_of_one_house_until_somebody_gives_it_up(
    store: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    cloud = object_stores()[store]
    cloud.sdk("s3").create_bucket(Bucket="one-bucket")
    bucket = Bucket(
        "one-bucket", "deep", cloud.endpoint, "us-east-1", cloud.credentials.access_key_id,
        cloud.credentials.secret_access_key,
    )  # fmt: skip
    keys = tmp_path / "keys.json"
    keys.write_text(
        json.dumps(
            {"access_key_id": bucket.access_key_id, "secret_access_key": bucket.secret_access_key},
        )
    )
    url = f"s3://one-bucket/deep?endpoint={cloud.endpoint}&region=us-east-1&credentials={keys}"
    first, second = MemoryStore(), MemoryStore()
    for _ in range(2):  # as often as its servers start
        blobs, _reach = open_to_serve(url, RowBlobs(first), first, lambda: house_in(first))
    writer = blobs.create()
    writer.write(b"the only copy")
    name = writer.finish()
    with pytest.raises(SettingInvalid, match="s3://one-bucket/deep: it belongs to another Lockhouse") as refused:
        open_to_serve(url, RowBlobs(second), second, lambda: house_in(second))
    assert "name another bucket or prefix with --blobs (LOCKHOUSE_BLOBS)" in refused.value.hint
    command = f"aws s3 rm s3://one-bucket/deep/lockhouse-house --endpoint-url {cloud.endpoint}"
    assert refused.value.hint.endswith(command)
    beside, _reach = open_to_serve(url.replace("/deep", "/other"), RowBlobs(second), second, lambda: house_in(second))
    assert list(beside.names()) == []
    # A server that began while the bucket was away sweeps nothing either.
    late = ObjectBlobs(bucket)
    assert sweep(late, second, now=1e12, grace=0.0, house=house_in(second)) == 0
    assert "Cannot sweep" in caplog.text
    reach = Reach(late, second, url, lambda: house_in(second))
    reach.note(None)
    assert "Found a bucket that is another" in caplog.text
    assert late.open(name).read(0, 99) == b"the only copy"

    cloud.sdk("s3").delete_object(Bucket="one-bucket", Key="deep/lockhouse-house")
    open_to_serve(url, RowBlobs(second), second, lambda: house_in(second))
    assert sweep(ObjectBlobs(bucket), first, now=1e12, grace=0.0, house=house_in(first)) == 0
    assert sweep(ObjectBlobs(bucket), second, now=1e12, grace=0.0, house=house_in(second)) == 1


def test_clients_are_told_what_it_means_and_the_log_what_the_store_said(caplog: pytest.LogCaptureFixture):
    with answering("403 Forbidden", "the proxy says no") as endpoint:
        blobs = ObjectBlobs(bucket_at(endpoint))
        writer = blobs.create()
        writer.write(b"{}")
        for act in (lambda: blobs.open("0" * 32), lambda: list(blobs.names()), writer.finish):
            caplog.clear()
            with pytest.raises(
                StorageUnavailable, match="in the object store: it does not answer as it should"
            ) as caught:
                act()
            assert "the server's log" in caught.value.hint
            for inside in ("127.0.0.1", "some/where", "proxy", "0" * 32):
                assert inside not in caught.value.message + caught.value.hint
            assert endpoint in caplog.text
            assert "403 Forbidden" in caplog.text or "lacked the necessary privileges" in caplog.text


@contextmanager
def answering(status: str, body: str) -> Iterator[str]:
    """The address of a server that answers this to everything."""
    answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                with line, line.makefile("rb") as request:
                    size = 0
                    while (header := request.readline().lower()).strip():
                        if header.startswith(b"content-length:"):
                            size = int(header.partition(b":")[2])
                    request.read(size)
                    line.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)
