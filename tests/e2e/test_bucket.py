"""A server whose large bodies are in a bucket, started with a wrong setting, and while the bucket is away."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import botocore.exceptions
import httpx
import pytest

from tests.e2e.clouds import Lockhouse
from tests.e2e.test_cli_serve import run

Start = Callable[..., Lockhouse]


def noise(serial: int, size: int) -> bytes:
    """A state that does not become small when it is compressed."""
    outputs = {"filling": {"value": random.Random(serial).randbytes(size // 2).hex(), "type": "string"}}
    document = {"version": 4, "serial": serial, "lineage": "l", "outputs": outputs, "resources": []}
    return json.dumps(document).encode()


@pytest.fixture
def bodies(start_lockhouse: Start) -> Lockhouse:
    """Another Lockhouse, with the bucket."""
    other = start_lockhouse()
    other.cloud.sdk("s3").create_bucket(Bucket="bodies")
    return other


def test_a_bucket_that_does_not_exist_or_refuses_us_ends_the_start_and_leaves_nothing(
    start_lockhouse: Start, bodies: Lockhouse, tmp_path: Path
):
    right = json.loads((bodies.data / "credentials.json").read_text())
    files = {
        "right": right,
        "unknown": right | {"access_key_id": "AKIANOBODY"},
        "wrong": right | {"secret_access_key": "wrong"},
        "stranger": dataclasses.asdict(bodies.new_key("stranger", "read", "elsewhere")),
    }
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    data = tmp_path / "lockhouse-1" / "data"
    for bucket, credentials, said, hint in (
        ("nowhere", "right", "it does not exist", "aws s3 mb s3://nowhere"),
        ("bodies", "unknown", "refuses the credentials (InvalidAccessKeyId)", "aws s3 ls s3://bodies"),
        ("bodies", "wrong", "refuses the credentials (SignatureDoesNotMatch)", "aws s3 ls s3://bodies"),
        ("bodies", "stranger", "does not permit it", "permit s3:ListBucket"),
    ):
        url = f"s3://{bucket}?endpoint={bodies.endpoint}&region=us-east-1&credentials={tmp_path}/{credentials}.json"
        ended = run("serve", "--data", str(data), "--listen", "127.0.0.1:0", "--blobs", url, directory=tmp_path)
        assert ended.code == 2, ended.report()
        assert ended.stderr.startswith(f"error: cannot use the bucket {bucket}: {bodies.endpoint} "), ended.stderr
        assert said in ended.stderr
        assert hint in ended.stderr.partition("\nhint: ")[2]
        assert "--blobs (LOCKHOUSE_BLOBS)" in ended.stderr
        assert "is ready" not in ended.stdout
    url = f"s3://bodies?endpoint={bodies.endpoint}&region=us-east-1&credentials={tmp_path}/right.json"
    server = start_lockhouse(flags=("--blobs", url))
    assert server.data == data
    assert "dynamodb_table" in server.child.said()  # it is the first start, which tells what to paste
    assert "KEEP A COPY OF IT" in server.child.said()
    other = str(tmp_path / "other")  # its sweep would remove the bodies of the first
    ended = run("serve", "--data", other, "--listen", "127.0.0.1:0", "--blobs", url, directory=tmp_path)
    assert ended.code == 2, ended.report()
    assert "cannot use s3://bodies: it belongs to another Lockhouse" in ended.stderr
    assert "aws s3 rm s3://bodies/lockhouse-house" in ended.stderr.partition("\nhint: ")[2]
    server.stop()
    server.start()
    server.stop()
    nowhere = f"s3://nowhere?endpoint={bodies.endpoint}&region=us-east-1&credentials={tmp_path}/right.json"
    for option, blobs in (("--to-blobs", nowhere), ("--from-blobs", nowhere), ("--to-blobs", "s3://b?endpoint=b:9000")):
        ended = run("move", "--from", str(data), "--to", str(tmp_path / "new"), option, blobs, directory=tmp_path)
        assert option in ended.stderr.partition("\nhint: ")[2], ended.report()
        assert "LOCKHOUSE_BLOBS" not in ended.stderr


def test_a_server_that_starts_while_its_bucket_is_away_serves_locks_and_small_states(
    start_lockhouse: Start, bodies: Lockhouse, tmp_path: Path
):
    shutil.copy(bodies.data / "credentials.json", tmp_path / "keys.json")
    url = f"s3://bodies?endpoint={bodies.endpoint}&region=us-east-1&credentials={tmp_path}/keys.json"
    server = start_lockhouse(flags=("--blobs", url))
    listen = bodies.endpoint.removeprefix("http://")
    small, large = noise(1, 2000), noise(3, 2_000_000)
    place = {"Bucket": server.namespace}
    older = [("large.tfstate", noise(serial, 2_000_000)) for serial in (1, 2)]
    for key, raw in (("small.tfstate", small), *older, ("large.tfstate", large)):
        server.cloud.sdk("s3").put_object(**place, Key=key, Body=raw)
    assert ready(server) == {"status": "ready"}
    server.stop()
    bodies.stop()

    server.start()
    server.child.wait_for(
        r"ERROR lockhouse.storage Cannot reach the place of large bodies: .* blobs=s3://bodies\S* "
        rf"error=cannot use the bucket bodies: {bodies.endpoint} cannot be reached \(Connection refused\) hint=.*--blobs",
        seconds=30,
    )
    assert ready(server) == {"status": "ready", "large_bodies": "unavailable"}
    assert number(server, "lockhouse_blobs_up") == 0
    s3 = server.cloud.sdk("s3")
    s3.put_object(**place, Key="small.tfstate.tflock", Body=b'{"ID": "one"}', IfNoneMatch="*")
    assert s3.get_object(**place, Key="small.tfstate")["Body"].read() == small
    s3.put_object(**place, Key="small.tfstate", Body=noise(2, 2000))
    s3.delete_object(**place, Key="small.tfstate.tflock")
    for call in (
        lambda: s3.get_object(**place, Key="large.tfstate"),
        lambda: s3.put_object(**place, Key="large.tfstate", Body=noise(4, 2_000_000)),
    ):
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            call()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        said = refused.value.response["Error"]["Message"]
        assert "in the object store: it does not answer as it should" in said
        assert bodies.endpoint.removeprefix("http://") not in said  # the server's log has where it is
    newest = s3.head_object(**place, Key="large.tfstate")["VersionId"]
    told = httpx.get(f"{server.endpoint}/http/{server.namespace}/large.tfstate", auth=("any", server.token), timeout=60)
    assert told.status_code == 503
    assert f"(version {newest})" in told.json()["message"]
    for command in ("scrub", "pack"):  # what is away is not damaged
        done = server.command(command)
        assert done.code == 1, done.report()
        assert "cannot be reached" in done.stderr
    assert number(server, "lockhouse_bodies_damaged") == 0
    assert number(server, "lockhouse_packing_failures_total") == 0
    assert "Found a damaged body" not in server.child.said()
    assert "Found none of the large bodies" not in server.child.said()

    bodies.start(listen)
    server.child.wait_for("Reached the place of large bodies again", seconds=60)
    assert ready(server) == {"status": "ready"}
    assert number(server, "lockhouse_blobs_up") == 1
    assert s3.get_object(**place, Key="large.tfstate")["Body"].read() == large
    server.command("scrub").ok()
    assert server.json("pack")["versions"] == 2
    assert server.child.said().count("Cannot reach the place of large bodies") == 1


def ready(server: Lockhouse) -> dict[str, str]:
    answer = httpx.get(f"{server.endpoint}/readyz", timeout=30)
    assert answer.status_code == 200
    document = answer.json()
    del document["version"]
    return document


def number(server: Lockhouse, name: str) -> float:
    lines = httpx.get(f"{server.endpoint}/metrics", timeout=30).text.splitlines()
    (found,) = [line for line in lines if line.startswith(f"{name} ")]
    return float(found.split()[1])
