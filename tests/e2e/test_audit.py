"""The audit log of a real server: what real clients did, the proof, and what happens when somebody edits it."""

from __future__ import annotations

import json
from pathlib import Path

import apsw
import botocore.exceptions
import msgspec
import pytest

from lockhouse.audit import segments
from lockhouse.core.audit import Segment
from tests.e2e.blocks import HttpBackend, connect, use
from tests.e2e.clouds import Lockhouse
from tests.eventually import eventually

SECRET = "correct-horse-battery-staple"
CONFIGURATION = f'resource "terraform_data" "one" {{\n  input = "{SECRET}"\n}}\n'


def entries(server: Lockhouse, *arguments: str) -> list[dict]:
    return server.json("audit", "list", "--limit", "1000", *arguments)


def wait_until_sealed(server: Lockhouse) -> int:
    """How many entries are sealed, once all that were there when it was called are."""
    known = [each["request"] for each in entries(server)]
    eventually(lambda: all(each["number"] for each in entries(server) if each["request"] in known), 60)
    return max(each["number"] for each in entries(server))


def test_an_apply_is_told_from_its_lock_to_its_release(lockhouse: Lockhouse, developer):
    block = HttpBackend(lockhouse.namespace, "audited/prod")
    ann = use(connect(developer("ann"), lockhouse), lockhouse, block)
    ann.write("main.tf", CONFIGURATION).init()
    ann.apply()
    told = [each for each in reversed(entries(lockhouse, "--prefix", "audited/", "--since", "5m")) if each["key"]]
    changes = [each for each in told if ":" not in each["action"]]
    assert [each["action"] for each in changes] == ["lock.taken", "version.write", "lock.released"]
    assert all(each["outcome"] == "allowed" and each["protocol"] == "http" for each in changes)
    assert all(each["peer"] == "127.0.0.1" and each["request"] and each["credential"] for each in told)
    assert "serial 1" in changes[1]["detail"]
    reads = eventually(
        lambda: entries(lockhouse, "--prefix", "audited/prod", "--action", "http:GET"), 60
    )  # appended later
    assert {each["action"] for each in reads} == {"http:GET"}


def test_what_was_refused_is_told_with_who_asked_and_why(lockhouse: Lockhouse):
    place = lockhouse.cloud.new_place("audited")
    key = lockhouse.new_key("audited-reader", "read", place.bucket)
    s3, dynamodb = (lockhouse.cloud.sdk(name, key) for name in ("s3", "dynamodb"))
    lock = {"LockID": {"S": f"{place.bucket}/app.tfstate"}, "Info": {"S": '{"ID":"one"}'}}
    with pytest.raises(botocore.exceptions.ClientError):
        s3.put_object(Bucket=place.bucket, Key="app.tfstate", Body=b"{}")
    with pytest.raises(botocore.exceptions.ClientError):
        dynamodb.put_item(TableName=place.table, Item=lock, ConditionExpression="attribute_not_exists(LockID)")
    found: list[dict] = []

    def both() -> bool:
        found[:] = entries(lockhouse, "--namespace", place.bucket, "--outcome", "refused")
        return len(found) >= 2

    eventually(both, 60, seen=lambda: found)
    assert {(each["action"], each["code"], each["name"], each["key"]) for each in found} == {
        ("s3:PutObject", "access.denied", "audited-reader", "app.tfstate"),
        ("dynamodb:PutItem", "access.denied", "audited-reader", "app.tfstate"),
    }


def test_only_an_administrator_reads_the_log(lockhouse: Lockhouse):
    made = lockhouse.json("token", "create")
    place = lockhouse.cloud.new_place("log")
    lockhouse.new_key("no-auditor", "read,write,lock", place.bucket)
    token = lockhouse.json("token", "create", "--name", "no-auditor")["token"]
    for command in (("list",), ("list", "--namespace", place.bucket), ("checkpoint",), ("verify",)):
        refused = lockhouse.command("audit", *command, "--token", token)
        assert refused.code == 5, refused.report()
    assert lockhouse.command("audit", "list", "--token", made["token"]).code == 0


def edit(server: Lockhouse, number: int, old: bytes, new: bytes) -> None:
    """Change a sealed entry in the database, hashes and all, as somebody with the file but not the key could."""
    database = apsw.Connection(str(server.data / "lockhouse.db"))
    rows = database.execute("SELECT first_entry, record FROM audit_segments ORDER BY first_entry").fetchall()
    decode = msgspec.msgpack.Decoder(Segment).decode
    for first, record in rows:
        segment = decode(record)
        if segment.first <= number <= segment.last:
            pairs = segments.entries(segment)
            raw, link = pairs[number - first]
            assert old in raw
            pairs[number - first] = raw.replace(old, new), link
            body = b"".join(len(text).to_bytes(4, "big") + text + each for text, each in pairs)
            packed = segments._contexts.compressor.compress(body)
            changed = msgspec.msgpack.encode(msgspec.structs.replace(segment, body=packed))
            database.execute("UPDATE audit_segments SET record = ? WHERE first_entry = ?", (changed, first))
    database.close()


def cut_off(server: Lockhouse, number: int) -> int:
    """Remove the segments from that of this entry on; the last entry that stays."""
    database = apsw.Connection(str(server.data / "lockhouse.db"))
    ends = [
        (first, msgspec.msgpack.decode(record, type=Segment).last)
        for first, record in database.execute("SELECT first_entry, record FROM audit_segments ORDER BY first_entry")
    ]
    first = next(first for first, last in ends if first <= number <= last)
    assert first > 1
    database.execute("DELETE FROM audit_segments WHERE first_entry >= ?", (first,))
    database.close()
    return first - 1


def test_an_edited_log_is_found_at_the_very_entry_and_an_export_proves_what_it_said(start_lockhouse, tmp_path: Path):
    server = start_lockhouse()
    place = server.cloud.new_place("chain")
    wait_until_sealed(server)
    for serial in range(1, 6):
        body = json.dumps({"version": 4, "serial": serial, "lineage": "l", "outputs": {}, "resources": []}).encode()
        server.cloud.sdk("s3").put_object(Bucket=place.bucket, Key="app.tfstate", Body=body + SECRET[:0].encode())
    count = wait_until_sealed(server)
    checkpoint, export = tmp_path / "checkpoint.json", tmp_path / "audit.jsonl"
    checkpoint.write_text(server.command("audit", "checkpoint", "--json").ok().stdout)
    server.command("audit", "export", "--output", str(export)).ok()
    assert server.json("audit", "verify", "--checkpoint", str(checkpoint))["entries"] >= count
    assert server.json("audit", "verify", str(export), "--checkpoint", str(checkpoint))["entries"] >= count
    table = server.command("audit", "export", "--format", "csv").ok().stdout
    assert table.startswith("number,at,action,outcome,")
    assert table.count("version.write") == 5
    written = next(each for each in entries(server, "--action", "version.write") if "serial 3" in each["detail"])
    server.stop()
    edit(server, written["number"], b"serial 3", b"serial 9")
    server.start()
    broken = server.command("audit", "verify", "--checkpoint", str(checkpoint))
    assert broken.code == 1
    assert f"from entry {written['number']} on" in broken.stderr
    server.stop()
    edit(server, written["number"], b"serial 9", b"serial 3")
    proven = json.loads(checkpoint.read_text())["checkpoint"]["number"]
    last = cut_off(server, proven)
    server.start()
    assert server.json("audit", "verify")["entries"] >= last  # nothing here tells what is missing
    missing = server.command("audit", "verify", "--checkpoint", str(checkpoint))
    assert missing.code == 1
    named = int(missing.stderr.partition("from entry ")[2].partition(" ")[0])
    # Others may have been sealed in the place of those that were cut off, up to the one that the checkpoint tells of.
    assert last < named <= proven or (named == 1 and f"another entry {proven}" in missing.stderr)
    assert server.json("audit", "verify", str(export), "--checkpoint", str(checkpoint))["entries"] >= count


def test_no_secret_stands_in_the_log(lockhouse: Lockhouse, developer, tmp_path: Path):
    ann = use(connect(developer("ann"), lockhouse), lockhouse, HttpBackend(lockhouse.namespace, "audited/secret"))
    ann.write("main.tf", CONFIGURATION).init()
    ann.apply()
    wait_until_sealed(lockhouse)
    export = tmp_path / "audit.jsonl"
    lockhouse.command("audit", "export", "--output", str(export)).ok()
    text = export.read_text()
    assert "audited/secret" in text
    assert SECRET not in text
    assert "Operation" not in text  # nothing of a lock document
    assert lockhouse.cloud.credentials.secret_access_key not in text
