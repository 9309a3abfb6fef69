"""Nothing of a state lies anywhere in clear, a wrong key serves nothing, and changed bytes are never served."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import random
import secrets
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import botocore.exceptions
import pytest

from tests.e2e.clouds import Lockhouse
from tests.e2e.test_cli_serve import run
from tests.torture.client import Client

PART = 5 * 1024 * 1024
Start = Callable[..., Lockhouse]


def secret() -> str:
    return f"planted-{secrets.token_hex(12)}"


def state(serial: int, word: str, filler: int = 0) -> bytes:
    """A state with a secret in it, whose filler does not compress."""
    noise = base64.b64encode(random.Random(word).randbytes(filler)).decode()
    document = {"version": 4, "terraform_version": "1.15.5", "serial": serial, "lineage": "one", "resources": []}
    outputs = {"password": {"value": word, "type": "string", "sensitive": True}, "noise": {"value": noise}}
    return json.dumps(document | {"outputs": outputs}).encode()


def http(server: Lockhouse, method: str, path: str, body: bytes | None = None) -> bytes:
    asked = urllib.request.Request(f"{server.endpoint}{path}", data=body, method=method)
    password = base64.b64encode(f"x:{server.token}".encode()).decode()
    asked.add_header("authorization", f"Basic {password}")
    asked.add_header("content-type", "application/json")
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return answer.read()


def cloud_api(server: Lockhouse, method: str, path: str, document: dict | None = None) -> dict:
    asked = urllib.request.Request(
        f"{server.endpoint}{path}", data=json.dumps(document).encode() if document else None, method=method
    )
    asked.add_header("authorization", f"Bearer {server.token}")
    asked.add_header("content-type", "application/vnd.api+json")
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.loads(answer.read() or b"{}")


def plant(server: Lockhouse) -> dict[str, bytes]:
    """States over every protocol and of every size, each with a secret of its own: address to body."""
    s3, bucket, planted = server.cloud.sdk("s3"), server.namespace, {}

    def put(key: str, filler: int = 0) -> None:
        planted[key] = state(1, secret(), filler)
        s3.put_object(Bucket=bucket, Key=key, Body=planted[key])

    put("small.tfstate")
    put("blob.tfstate", 300_000)
    put("spooled.tfstate", 5_000_000)
    # Parked: the same serial with other content.
    parked = state(1, secret())
    with contextlib.suppress(botocore.exceptions.ClientError):
        s3.put_object(Bucket=bucket, Key="small.tfstate", Body=parked)
    planted["(parked)"] = parked
    # Multipart: one that is completed, and a part of one that never is.
    whole = state(1, secret(), 8_000_000)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts.tfstate")["UploadId"]
    parts = [whole[:PART], whole[PART:]]
    tags = [
        s3.upload_part(Bucket=bucket, Key="parts.tfstate", UploadId=upload, PartNumber=n, Body=part)["ETag"]
        for n, part in enumerate(parts, 1)
    ]
    listed = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]
    s3.complete_multipart_upload(Bucket=bucket, Key="parts.tfstate", UploadId=upload, MultipartUpload={"Parts": listed})
    planted["parts.tfstate"] = whole
    left = s3.create_multipart_upload(Bucket=bucket, Key="left.tfstate")["UploadId"]
    planted["(part)"] = secret().encode() * 200
    s3.upload_part(Bucket=bucket, Key="left.tfstate", UploadId=left, PartNumber=1, Body=planted["(part)"])
    # A copy, and a part that is a copy.
    s3.copy_object(Bucket=bucket, Key="copy.tfstate", CopySource={"Bucket": bucket, "Key": "blob.tfstate"})
    planted["copy.tfstate"] = planted["blob.tfstate"]
    s3.upload_part_copy(
        Bucket=bucket,
        Key="left.tfstate",
        UploadId=left,
        PartNumber=2,
        CopySource={"Bucket": bucket, "Key": "small.tfstate"},
    )
    # backend "http", and cloud.
    planted["http"] = state(1, secret())
    http(server, "POST", f"/http/{bucket}/http", planted["http"])
    planted["cloudy"] = state(1, secret(), 200_000)
    made = cloud_api(
        server,
        "POST",
        f"/api/v2/organizations/{bucket}/workspaces",
        {"data": {"type": "workspaces", "attributes": {"name": "cloudy"}}},
    )["data"]["id"]
    cloud_api(server, "POST", f"/api/v2/workspaces/{made}/actions/lock", {"reason": "test"})
    attributes = {
        "serial": 1,
        "lineage": "one",
        "md5": hashlib.md5(planted["cloudy"]).hexdigest(),
        "state": base64.b64encode(planted["cloudy"]).decode(),
    }
    cloud_api(
        server,
        "POST",
        f"/api/v2/workspaces/{made}/state-versions",
        {"data": {"type": "state-versions", "attributes": attributes}},
    )
    return planted


def client_of(server: Lockhouse) -> Client:
    """Quicker than an SDK, for thousands of requests."""
    keys = server.cloud.credentials
    pair = {"access_key_id": keys.access_key_id, "secret_access_key": keys.secret_access_key}
    return Client(pair | {"endpoint": server.endpoint})


def words(planted: dict[str, bytes]) -> list[bytes]:
    return [raw[raw.index(b"planted-") :][:32] for raw in planted.values()]


def found_in(place: Path, planted: list[bytes]) -> list[str]:
    """Files below the place that have a planted word, as it is or encoded."""
    wanted = [form for word in planted for form in (word, word.hex().encode(), base64.b64encode(word)[:-4])]
    files = [path for path in place.rglob("*") if path.is_file()]
    return [f"{path}: {word!r}" for path in files for word in wanted if word in path.read_bytes()]


def read_back(server: Lockhouse, planted: dict[str, bytes]) -> None:
    s3 = server.cloud.sdk("s3")
    for key, raw in planted.items():
        if not key.startswith("("):
            assert s3.get_object(Bucket=server.namespace, Key=key)["Body"].read() == raw, key
    assert http(server, "GET", f"/http/{server.namespace}/http") == planted["http"]


@pytest.fixture(params=["files", "database", "bucket"])
def sealed(request: pytest.FixtureRequest, start_lockhouse: Start, tmp_path: Path):
    """A server whose large bodies are in one of the three stores, and where these lie."""
    if request.param != "bucket":
        flags = ("--blobs", "embedded" if request.param == "files" else "database")
        yield start_lockhouse(flags=(*flags, "--log-level", "debug")), []
        return
    other = start_lockhouse()
    other.cloud.sdk("s3").create_bucket(Bucket="bodies")
    # That one does not seal: what lies there is what was sent there.
    credentials = other.data / "credentials.json"
    url = f"s3://bodies/lockhouse?endpoint={other.endpoint}&region=us-east-1&credentials={credentials}"
    yield start_lockhouse(flags=("--blobs", url, "--log-level", "debug")), [other]


def test_no_planted_secret_is_found_anywhere_and_every_state_comes_back(sealed, tmp_path: Path):
    server, others = sealed
    planted = plant(server)
    read_back(server, planted)
    backup = Path(server.json("backup", "create")["path"])
    everywhere = [server.directory, backup, *(other.directory for other in others)]
    assert [hit for place in everywhere for hit in found_in(place, words(planted))] == []
    for other in others:  # what it was given, as it gives it out again
        s3 = other.cloud.sdk("s3")
        for each in s3.list_objects_v2(Bucket="bodies")["Contents"]:
            raw = s3.get_object(Bucket="bodies", Key=each["Key"])["Body"].read()
            # All but the name of the house, which is no secret.
            assert raw.startswith(b"LHS1") != each["Key"].endswith("/lockhouse-house")
            assert not any(word in raw for word in words(planted))
    server.stop()
    assert [hit for place in everywhere for hit in found_in(place, words(planted))] == []
    server.start()
    read_back(server, planted)
    parked = server.json("state", "parked", "list")[0]["id"]
    server.command("state", "parked", "accept", parked).ok()
    got = server.cloud.sdk("s3").get_object(Bucket=server.namespace, Key="small.tfstate")["Body"].read()
    assert got == planted["(parked)"]


def test_a_wrong_or_missing_key_is_named_and_nothing_is_served(start_lockhouse: Start, tmp_path: Path):
    server = start_lockhouse()
    server.cloud.sdk("s3").put_object(Bucket=server.namespace, Key="a.tfstate", Body=state(1, secret()))
    (kek,) = [each["id"] for each in server.json("encryption", "status")["keys"]]
    server.stop()
    file = server.data / "encryption.key"
    kept = file.read_bytes()
    for wrong in (None, run("encryption", "key", directory=tmp_path).ok().stdout.encode()):
        file.unlink()
        if wrong is not None:
            file.write_bytes(wrong)
            file.chmod(0o600)
        outcome = run("serve", "--data", str(server.data), "--listen", "127.0.0.1:0", directory=tmp_path)
        assert outcome.code == 1
        assert kek in outcome.stderr
        assert "is ready" not in outcome.stdout + outcome.stderr
        file.write_bytes(kept)
    file.chmod(0o600)
    server.start()


def test_no_flipped_byte_is_ever_served(start_lockhouse: Start):
    server = start_lockhouse()
    raw = state(1, secret(), 2_500_000)
    s3 = server.cloud.sdk("s3")
    s3.put_object(Bucket=server.namespace, Key="a.tfstate", Body=raw)
    (blob,) = [path for path in (server.data / "blobs").rglob("*") if path.is_file()]
    whole = blob.read_bytes()
    dice = random.Random(1)
    places = [0, 20, 33, len(whole) - 1, len(whole) - 20, *(dice.randrange(len(whole)) for _ in range(15))]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << dice.randrange(8)
        blob.write_bytes(changed)
        with pytest.raises((botocore.exceptions.ClientError, botocore.exceptions.HTTPClientError)) as refused:
            got = s3.get_object(Bucket=server.namespace, Key="a.tfstate")["Body"].read()
            assert got == raw, "other bytes were served"
            pytest.fail("a damaged state was served")
        if isinstance(refused.value, botocore.exceptions.ClientError):
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503)
    blob.write_bytes(whole)
    assert s3.get_object(Bucket=server.namespace, Key="a.tfstate")["Body"].read() == raw


@pytest.mark.parametrize("versions", [120, pytest.param(10_000, marks=(pytest.mark.soak, pytest.mark.timeout(3600)))])
def test_keys_are_rotated_under_load_and_old_ones_retired(start_lockhouse: Start, versions: int):
    server = start_lockhouse()
    bucket, client = server.namespace, client_of(server)
    bodies = {f"s{number}.tfstate": state(1, secret()) for number in range(versions)}
    for key, raw in bodies.items():
        client.put_object(bucket, key, raw)
    (old,) = server.json("encryption", "status")["keys"]
    wrong, over = [], threading.Event()

    def load() -> None:
        mine, serial = server.cloud.sdk("s3"), 1
        while not over.is_set():
            serial += 1
            raw = state(serial, secret())
            try:
                mine.put_object(Bucket=bucket, Key="busy.tfstate", Body=raw)
                if mine.get_object(Bucket=bucket, Key="busy.tfstate")["Body"].read() != raw:
                    wrong.append("other bytes")
            except botocore.exceptions.ClientError as problem:
                wrong.append(str(problem))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(2):
            done = server.json("encryption", "rotate", "--wait")
    finally:
        over.set()
        thread.join(30)
    assert wrong == []
    assert [each["wraps"] for each in done["keys"][:-1]] == [0, 0]
    assert done["keys"][-1]["newest"]
    for key in done["keys"][:-1]:
        server.command("encryption", "retire", key["id"]).ok()
    assert server.command("encryption", "retire", done["keys"][-1]["id"]).code != 0
    server.stop()
    file = server.data / "encryption.key"
    lines = file.read_text().splitlines()
    file.write_text(lines[-1] + "\n")  # the old keys are destroyed
    server.start()
    client = client_of(server)
    for key, raw in bodies.items():
        assert client.get_object(bucket, key)[1] == raw
    assert old["id"] not in json.dumps(server.json("encryption", "status"))


def test_an_object_store_that_is_down_loses_nothing_and_is_used_again_by_itself(start_lockhouse: Start, tmp_path: Path):
    (tmp_path / "moto").mkdir()
    other = start_lockhouse()
    other.cloud.sdk("s3").create_bucket(Bucket="bodies")
    credentials = tmp_path / "keys.json"
    shutil.copy(other.data / "credentials.json", credentials)
    url = f"s3://bodies?endpoint={other.endpoint}&region=us-east-1&credentials={credentials}"
    server = start_lockhouse(flags=("--blobs", url))
    s3 = server.cloud.sdk("s3")
    small, large = state(1, secret()), state(1, secret(), 3_000_000)
    s3.put_object(Bucket=server.namespace, Key="large.tfstate", Body=large)
    listen = other.endpoint.removeprefix("http://")
    other.stop()
    for call in (
        lambda: s3.get_object(Bucket=server.namespace, Key="large.tfstate"),
        lambda: s3.put_object(Bucket=server.namespace, Key="large.tfstate", Body=state(2, secret(), 3_000_000)),
    ):
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            call()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    s3.put_object(Bucket=server.namespace, Key="small.tfstate", Body=small)  # what needs no blob goes on
    assert s3.head_object(Bucket=server.namespace, Key="large.tfstate")["ContentLength"] == len(large)
    other.start(listen)
    assert s3.get_object(Bucket=server.namespace, Key="large.tfstate")["Body"].read() == large
    newer = state(2, secret(), 3_000_000)
    s3.put_object(Bucket=server.namespace, Key="large.tfstate", Body=newer)
    assert s3.get_object(Bucket=server.namespace, Key="large.tfstate")["Body"].read() == newer
