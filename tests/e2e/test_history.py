"""The history of real servers: packed, checked, and never lost, whatever ends the server."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.clouds import Lockhouse, Place

SMALL, LARGE = "small.tfstate", "large.tfstate"


def state(serial: int, resources: int) -> bytes:
    """About 600 bytes for each resource; one of them is another one in each serial."""
    made = []
    for number in range(resources):
        chance = random.Random(number if number != serial % resources else serial * 1_000_003)
        attributes = {"id": f"i-{chance.getrandbits(64):x}", "user_data": f"{chance.getrandbits(2000):x}"}
        made.append({"mode": "managed", "type": "t", "name": f"n{number}", "instances": [{"attributes": attributes}]})
    document = {"version": 4, "terraform_version": "1.15.5", "serial": serial, "lineage": "one", "outputs": {}}
    return json.dumps(document | {"resources": made}, indent=1).encode()


def put(server: Lockhouse, place: Place, key: str, *serials: int, resources: int) -> dict[str, str]:
    """Digests by version id."""
    written = {}
    for serial in serials:
        raw = state(serial, resources)
        answer = server.cloud.sdk("s3").put_object(Bucket=place.bucket, Key=key, Body=raw)
        written[answer["VersionId"]] = hashlib.sha256(raw).hexdigest()
    return written


def check(server: Lockhouse, place: Place, key: str, written: dict[str, str]) -> None:
    s3 = server.cloud.sdk("s3")
    for version, digest in written.items():
        body = s3.get_object(Bucket=place.bucket, Key=key, VersionId=version)["Body"].read()
        assert hashlib.sha256(body).hexdigest() == digest


def test_what_is_packed_is_served_copied_restored_and_purged_like_everything_else(
    start_lockhouse: Callable[..., Lockhouse],
):
    server = start_lockhouse(settings={"LOCKHOUSE_LOCK_WAIT": "0"})
    place = server.cloud.new_place("packed")
    small = put(server, place, SMALL, *range(1, 10), resources=20)
    large = put(server, place, LARGE, *range(1, 5), resources=5000)
    done = server.json("pack")
    assert (done["states"], done["versions"], done["failed"]) == (2, 8 + 3, 0)
    assert server.json("pack")["versions"] == 0
    check(server, place, SMALL, small)
    check(server, place, LARGE, large)
    s3 = server.cloud.sdk("s3")
    oldest = next(iter(large))
    part = s3.get_object(Bucket=place.bucket, Key=LARGE, VersionId=oldest, Range="bytes=1000-1999")["Body"].read()
    assert part == state(1, 5000)[1000:2000]
    source = {"Bucket": place.bucket, "Key": LARGE, "VersionId": oldest}
    s3.copy_object(Bucket=place.bucket, Key="copy.tfstate", CopySource=source)
    assert s3.get_object(Bucket=place.bucket, Key="copy.tfstate")["Body"].read() == state(1, 5000)
    restored = server.json("state", "restore", place.bucket, SMALL, "--version", next(iter(small)))
    assert restored["serial"] == 10

    # Version 8 is what 4, 6 and 7 are packed against.
    base = list(small)[7]
    s3.delete_object(Bucket=place.bucket, Key=SMALL, VersionId=base)
    server.command("state", "purge", place.bucket, SMALL, "--version", base, "--yes").ok()
    check(server, place, SMALL, {version: digest for version, digest in small.items() if version != base})
    report = server.json("scrub")
    assert (report["damaged"], report["checked"]) == ([], 9 + 4 + 1)
    assert server.json("scrub", "--namespace", "terraform-state")["checked"] == 0
    with urllib.request.urlopen(f"{server.endpoint}/metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    assert "lockhouse_bodies_damaged 0.0" in metrics


def test_a_scrub_finds_flipped_bits_in_rows_and_blobs_and_they_are_not_served(
    start_lockhouse: Callable[..., Lockhouse],
):
    server = start_lockhouse(settings={"LOCKHOUSE_PACKING": "false"})
    place = server.cloud.new_place("flipped")
    small = put(server, place, SMALL, 1, 2, 3, resources=20)
    large = put(server, place, LARGE, 1, 2, 3, resources=5000)
    server.json("pack")
    server.stop()
    flip_row(server.data / "lockhouse.db", 2)
    newest = blob_of_newest(server.data, LARGE)
    raw = bytearray(newest.read_bytes())
    raw[len(raw) // 2] ^= 1
    newest.write_bytes(bytes(raw))
    server.start()
    outcome = server.command("scrub", "--json")
    assert outcome.code == 1
    found = json.loads(outcome.stdout)["damaged"]
    assert {each["kind"] for each in found} == {"version"}
    assert all(each["advice"] and each["problem"] for each in found)
    for key, written in ((SMALL, small), (LARGE, large)):
        bad = {each["id"] for each in found if each["key"] == key}
        assert bad
        good = {version: digest for version, digest in written.items() if version not in bad}
        check(server, place, key, good)
        for version in bad:
            with pytest.raises(
                Exception, match=r"500|503|IncompleteRead|ServiceUnavailable|Broken|InternalError|bytes"
            ):
                server.cloud.sdk("s3").get_object(Bucket=place.bucket, Key=key, VersionId=version)["Body"].read()
    assert server.command("scrub").code == 1


def blob_of_newest(data: Path, key: str) -> Path:
    """The file of a state's newest version: older ones may have left theirs behind, of the same size."""
    database = sqlite3.connect(data / "lockhouse.db")
    rows = database.execute(
        "SELECT v.blob FROM versions v JOIN states s ON s.id = v.state_id AND s.current = v.seq WHERE s.key = ?", (key,)
    ).fetchall()
    database.close()
    return next(path for path in (data / "blobs").rglob(rows[0][0]) if path.is_file())


def flip_row(database: Path, seq: int) -> None:
    with sqlite3.connect(database) as connection:
        ((state_id, packed),) = connection.execute(
            "SELECT b.state_id, b.packed FROM bodies b JOIN states s ON s.id = b.state_id WHERE s.key = ? AND b.seq = ?",
            (SMALL, seq),
        ).fetchall()
        flipped = bytearray(packed)
        flipped[len(flipped) // 2] ^= 1
        connection.execute(
            "UPDATE bodies SET packed = ? WHERE state_id = ? AND seq = ?", (bytes(flipped), state_id, seq)
        )
    connection.close()


def test_a_server_that_is_killed_while_it_packs_loses_nothing(start_lockhouse: Callable[..., Lockhouse]):
    server = start_lockhouse(settings={"LOCKHOUSE_PACKING": "false"})
    place = server.cloud.new_place("killed")
    small = put(server, place, SMALL, *range(1, 31), resources=20)
    large = put(server, place, LARGE, *range(1, 9), resources=5000)
    for delay in (0.15, 0.5, 1.0):
        packing = threading.Thread(target=server.command, args=("pack",))
        packing.start()
        packing.join(timeout=delay)
        server.child.end()
        packing.join()
        server.start()
        check(server, place, SMALL, dict(random.Random(delay).sample(sorted(small.items()), 5)))
    server.json("pack")
    check(server, place, SMALL, small)
    check(server, place, LARGE, large)
    assert server.json("scrub")["damaged"] == []
