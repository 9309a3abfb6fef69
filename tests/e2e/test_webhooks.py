"""Webhooks of a real server, told to a real receiver that may be down, slow or rude."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.clouds import Lockhouse
from tests.eventually import eventually

SETTINGS = {
    "LOCKHOUSE_WEBHOOK_PRIVATE_NETWORKS": "true",
    "LOCKHOUSE_WAITING_NOTICE": "1",
    "LOCKHOUSE_LOCK_WAIT": "0",
}


class Receiver:
    """An HTTP server that keeps what it is sent. It can be stopped and started on the same port."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.attempts = 0
        self.status = 200
        self._server: http.server.ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def start(self) -> None:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # its sender was killed in the middle
                receiver.attempts += 1
                status = receiver.status
                if status == 200:
                    receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(status)
                self.send_header("content-length", "0")
                if status == 302:
                    self.send_header("location", f"http://127.0.0.1:{receiver.port}/elsewhere")
                self.end_headers()

            def log_message(self, *_arguments) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def events(self) -> list[dict]:
        return [json.loads(body) for _, body in self.got]

    def wait_for(self, wanted: Callable[[], bool], seconds: float = 60) -> None:
        eventually(wanted, seconds, seen=lambda: [each["event"] for each in self.events()])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def server(start_lockhouse) -> Lockhouse:
    return start_lockhouse(settings=SETTINGS)


def state(serial: int, resources: int) -> bytes:
    blocks = [{"mode": "managed", "type": "x", "name": f"r{each}", "instances": []} for each in range(resources)]
    document = {"version": 4, "serial": serial, "lineage": "l", "outputs": {}, "resources": blocks}
    return json.dumps(document).encode()


def put(server: Lockhouse, bucket: str, serial: int, resources: int = 1) -> None:
    server.cloud.sdk("s3").put_object(Bucket=bucket, Key="app.tfstate", Body=state(serial, resources))


def test_a_receiver_that_was_down_is_told_of_everything_in_order_and_signed(server: Lockhouse, receiver: Receiver):
    place = server.cloud.new_place("hooked")
    made = server.json("webhook", "create", "all", "--url", receiver.url, "--event", "version", "--event", "state")
    receiver.stop()
    for serial in range(1, 8):
        put(server, place.bucket, serial, 10)
    put(server, place.bucket, 8, 2)
    deadline = time.monotonic() + 60
    while not server.json("webhook", "show", "all")["failures"]:
        assert time.monotonic() < deadline
    server.stop()
    server.start()
    receiver.start()
    receiver.wait_for(lambda: "state.shrunk" in [each["event"] for each in receiver.events()])
    events = receiver.events()
    written = [each for each in events if each["event"] == "version.write"]
    assert [each["detail"].split(",")[0] for each in written] == [f"serial {serial}" for serial in range(1, 9)]
    assert [each["id"] for each in events] == sorted(each["id"] for each in events)
    shrunk = next(each for each in events if each["event"] == "state.shrunk")
    assert (shrunk["count"], shrunk["detail"], shrunk["namespace"]) == (80, "from 10 to 2 resources", place.bucket)
    for headers, body in receiver.got:
        moment, given = (part.split("=", 1)[1] for part in headers["x-lockhouse-signature"].split(","))
        wanted = hmac.new(made["secret"].encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(given, wanted)
        assert abs(time.time() - int(moment)) < 300


def test_what_was_told_is_told_again_when_asked_and_with_the_same_id(server: Lockhouse, receiver: Receiver):
    place = server.cloud.new_place("replay")
    server.json("webhook", "create", "again", "--url", receiver.url, "--event", "version.write")
    put(server, place.bucket, 1)
    receiver.wait_for(lambda: len(receiver.got) == 1)
    server.command("webhook", "replay", "again", "--after", "0").ok()
    receiver.wait_for(lambda: len(receiver.got) == 2)
    first, second = receiver.events()
    assert first == second
    old = server.json("state", "versions", place.bucket, "app.tfstate")[0]["id"]
    server.command("state", "restore", place.bucket, "app.tfstate", "--version", old).ok()
    receiver.wait_for(lambda: len(receiver.got) == 3)
    assert receiver.events()[-1]["event"] == "version.rolled-back"


def test_people_are_told_of_a_forced_lock_a_first_reader_and_a_long_wait(server: Lockhouse, receiver: Receiver):
    place = server.cloud.new_place("people")
    server.json(
        "webhook",
        "create",
        "chat",
        "--url",
        receiver.url,
        "--format",
        "slack",
        *("--event", "lock.forced", "--event", "lock.waiting", "--event", "state.first-read"),
        *("--event", "credential.refused", "--event", "signin.failed"),
    )
    put(server, place.bucket, 1)
    server.cloud.sdk("s3").get_object(Bucket=place.bucket, Key="app.tfstate")
    server.cloud.sdk("s3").get_object(Bucket=place.bucket, Key="app.tfstate")
    dynamodb = server.cloud.sdk("dynamodb")

    def lock(name: str) -> bool:
        item = {"LockID": {"S": f"{place.bucket}/app.tfstate"}, "Info": {"S": json.dumps({"ID": name})}}
        try:
            dynamodb.put_item(TableName=place.table, Item=item, ConditionExpression="attribute_not_exists(LockID)")
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    assert lock("one")

    def texts() -> str:
        return "\n".join(each["text"] for each in receiver.events())

    receiver.wait_for(lambda: not lock("two") and "has been waiting for the lock of" in texts())
    server.command("lock", "force-unlock", place.bucket, "app.tfstate", "--reason", "the runner is gone").ok()
    assert server.command("state", "list", place.bucket, "--token", "lkh_AAAAAAAAAAAAAAAA_" + "a" * 43).code == 5
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{server.endpoint}/console/sign-in/callback?error=access_denied", timeout=30)
    receiver.wait_for(lambda: "took the lock" in texts() and "a credential was refused" in texts())
    receiver.wait_for(lambda: "somebody failed to sign in from 127.0.0.1" in texts())
    assert "(the runner is gone; administrator holds it" in texts()
    assert texts().count("for the first time") == 1


def test_a_redirect_is_a_failure_and_a_receiver_that_refuses_is_asked_again(server: Lockhouse, receiver: Receiver):
    place = server.cloud.new_place("rude")
    server.json("webhook", "create", "rude", "--url", receiver.url, "--event", "version.write")
    receiver.status = 302
    refused = server.command("webhook", "test", "rude")
    assert refused.code == 1
    assert "it answered 302" in refused.stderr
    receiver.status = 500
    put(server, place.bucket, 1)
    receiver.wait_for(lambda: receiver.attempts >= 3)
    receiver.status = 200
    receiver.wait_for(lambda: len(receiver.got) == 1)
    server.command("webhook", "test", "rude").ok()
    server.command("webhook", "disable", "rude").ok()
    server.command("webhook", "delete", "rude").ok()
    assert server.command("webhook", "show", "rude").code == 3


def test_a_webhook_cannot_lead_inwards(lockhouse: Lockhouse, receiver: Receiver):
    for number, url in enumerate(
        (receiver.url, "http://example.com/", "https://user:pw@example.com/", "ftp://example.com/", "https:///x")
    ):
        assert lockhouse.command("webhook", "create", f"in-{number}", "--url", url).code == 2, url
    inwards = ("https://127.0.0.1:%d/", "https://localhost:%d/", "https://169.254.169.254/", "https://[::1]:%d/")
    for number, url in enumerate(inwards):
        url = url % receiver.port if "%d" in url else url
        lockhouse.command("webhook", "create", f"inwards-{number}", "--url", url).ok()
        refused = lockhouse.command("webhook", "test", f"inwards-{number}")
        assert refused.code == 1
        assert "may not be asked" in refused.stderr
        lockhouse.command("webhook", "delete", f"inwards-{number}").ok()
    assert receiver.attempts == 0


def test_only_who_administers_a_namespace_has_webhooks_there(lockhouse: Lockhouse):
    place = lockhouse.cloud.new_place("hook-rights")
    lockhouse.new_key("hooker", "admin", place.bucket)
    lockhouse.new_key("hook-writer", "read,write,lock", place.bucket)
    tokens = {name: lockhouse.json("token", "create", "--name", name)["token"] for name in ("hooker", "hook-writer")}

    def create(who: str, name: str, *arguments: str) -> int:
        url = ("--url", "https://example.com/hook")
        return lockhouse.command("webhook", "create", name, *url, *arguments, "--token", tokens[who]).code

    assert create("hook-writer", "one", "--namespace", place.bucket) == 5
    assert create("hooker", "two") == 5
    assert create("hooker", "three", "--namespace", place.bucket) == 0
    listed = lockhouse.json("webhook", "list", "--token", tokens["hook-writer"])
    assert listed == []
    assert lockhouse.command("webhook", "show", "three", "--token", tokens["hook-writer"]).code == 5
    assert lockhouse.command("webhook", "delete", "three", "--token", tokens["hooker"]).code == 0
