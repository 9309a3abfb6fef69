"""Backup under load, restore on an empty machine, and moves between stores: nothing differs, and everybody can go on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.clouds import Lockhouse, client_environment, lockhouse_program
from tests.e2e.commands import COMMANDS
from tests.e2e.processes import Child, Outcome
from tests.eventually import eventually
from tests.postgres import running_cluster

Start = Callable[..., Lockhouse]
LOCAL = {"schema_version", "notices", "blobs", "blob_pieces", "sqlite_sequence", "waiters", "replicas", "recollections"}
"""Tables about one place, which stay behind: who waits on its replicas, and what was read there in the last minute. Every
other table must come along; not taken from the code, so that a table that it forgets is missed here."""
DERIVED = {"lock_event_places", "lock_events_placed"}
"""What SQLite alone makes anew from the rows of another table."""
KEYS = ("master.key", "encryption.key", "credentials.json")


def run(*arguments: str | Path, **more: str) -> Outcome:
    return COMMANDS.run(
        lockhouse_program(), *map(str, arguments), environment=client_environment() | more, directory=Path.cwd()
    )


def state(serial: int, note: str = "") -> bytes:
    return json.dumps(
        {"version": 4, "serial": serial, "lineage": "one", "outputs": {}, "resources": [], "note": note}
    ).encode()


@contextlib.contextmanager
def load(server: Lockhouse) -> Iterator[list[int]]:
    """Clients that write, lock, delete and sign in all the time; what they have written so far."""
    stop, written = threading.Event(), list[int]()

    def work(number: int) -> None:
        s3 = server.cloud.sdk("s3")
        serial = 0
        while not stop.is_set():
            serial += 1
            # Every third body is too large for a row.
            body = state(serial, os.urandom(150_000).hex() if serial % 3 == 0 else "")
            key = f"busy/{number}.tfstate"
            version = s3.put_object(Bucket=server.namespace, Key=key, Body=body)["VersionId"]
            if serial % 5 == 0:
                s3.delete_object(Bucket=server.namespace, Key=key, VersionId=version)
            written.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield written
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def tables(database: Path) -> dict[str, tuple[int, str]]:
    """Of every table, whatever it is called: how many rows, and the digest of all of them."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    found = {}
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for name in sorted(set(names) - LOCAL - DERIVED):
        digest = hashlib.sha256()
        rows = sorted(repr(row) for row in connection.execute(f"SELECT * FROM {name}"))
        for row in rows:
            digest.update(row.encode())
        found[name] = (len(rows), digest.hexdigest())
    connection.close()
    return found


def used(server: Lockhouse) -> bytes:
    """Versions, a held lock, a parked write, grants, and one body too large for a row."""
    s3 = server.cloud.sdk("s3")
    for serial in range(1, 6):
        s3.put_object(Bucket=server.namespace, Key="app.tfstate", Body=state(serial))
    large = state(1, os.urandom(600_000).hex())
    s3.put_object(Bucket=server.namespace, Key="large.tfstate", Body=large)
    info = json.dumps({"ID": "held-1", "Operation": "OperationTypeApply", "Who": "bo@desk"})
    s3.put_object(Bucket=server.namespace, Key="app.tfstate.tflock", Body=info.encode(), IfNoneMatch="*")
    server.new_key("reader", "read", f"{server.namespace}/app")
    with contextlib.suppress(Exception):
        s3.put_object(Bucket=server.namespace, Key="large.tfstate", Body=state(1, "another"))
    assert len(server.json("state", "parked", "list")) == 1
    return large


def check_serves(server: Lockhouse, large: bytes) -> None:
    """The same credentials, versions and locks as before."""
    s3 = server.cloud.sdk("s3")
    versions = s3.list_object_versions(Bucket=server.namespace, Prefix="app.tfstate")["Versions"]
    bodies = [
        s3.get_object(Bucket=server.namespace, Key="app.tfstate", VersionId=each["VersionId"])["Body"].read()
        for each in versions
    ]
    assert sorted(bodies) == sorted(state(serial) for serial in range(1, 6))
    assert s3.get_object(Bucket=server.namespace, Key="large.tfstate")["Body"].read() == large
    assert [(each["key"], each["id"]) for each in server.json("lock", "list")] == [("app.tfstate", "held-1")]
    assert server.json("key", "list")[-1]["grants"][0]["prefix"] == "app"
    assert server.json("audit", "list", "--limit", "1000")


def test_a_backup_made_under_load_is_restored_on_an_empty_machine_and_nothing_differs(
    start_lockhouse: Start, tmp_path: Path
):
    server = start_lockhouse()
    large = used(server)
    with load(server) as written:
        while len(written) < 20:
            threading.Event().wait(0.02)
        before = len(written)
        made = server.json("backup", "create")
        assert len(written) > before
    server.stop()
    backup = tmp_path / "carried" / "backup"
    shutil.copytree(made["path"], backup)
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in KEYS:
        shutil.copy2(server.data / name, keys / name)
    key = ("--encryption-key", keys / "encryption.key")
    checked = json.loads(run("backup", "verify", backup, *key, "--json").ok().stdout)
    assert (checked["read"], checked["versions"]) == (True, made["versions"])
    drilled = json.loads(run("backup", "drill", backup, *key, "--json").ok().stdout)
    restored = tmp_path / "restored"
    run("backup", "restore", backup, "--data", restored, "--keys", keys).ok()
    manifest = json.loads((backup / "manifest.json").read_text())
    assert drilled["tables"] == manifest["tables"]
    found = tables(restored / "lockhouse.db")
    assert {name: rows for name, (rows, _) in found.items()} == {
        name: each["rows"] for name, each in manifest["tables"].items()
    }
    # The backup of the restored place is the same backup: every row and every body.
    run("backup", "create", "--data", restored, "--to", tmp_path / "second").ok()
    second = json.loads((tmp_path / "second" / "manifest.json").read_text())
    for part in ("tables", "index", "numbers", "versions", "parked", "bytes"):
        assert second[part] == manifest[part], part
    server.data = restored
    server.start()
    check_serves(server, large)


def test_a_server_on_postgresql_makes_the_same_backup_under_load(start_lockhouse: Start, tmp_path: Path):
    with running_cluster() as cluster:
        server = start_lockhouse(flags=("--database-url", cluster.url, "--blobs", "database"))
        large = used(server)
        with load(server) as written:
            while len(written) < 10:
                threading.Event().wait(0.02)
            made = server.json("backup", "create", "--with-keys")
        server.stop()
    assert set(made["files"]) >= {"master.key", "encryption.key"}
    run("backup", "restore", made["path"], "--data", tmp_path / "lockhouse-1" / "data").ok()
    check_serves(start_lockhouse(), large)


def test_nothing_of_a_state_can_be_read_in_a_backup(start_lockhouse: Start, tmp_path: Path):
    server = start_lockhouse()
    s3 = server.cloud.sdk("s3")
    for number, size in enumerate((10, 3_000_000)):
        planted = state(1, "planted-secret" * size)
        s3.put_object(Bucket=server.namespace, Key=f"{number}.tfstate", Body=planted)
    made = Path(server.json("backup", "create")["path"])
    for file in [path for path in made.rglob("*") if path.is_file()]:
        raw = file.read_bytes()
        if file.suffix == ".zst":
            raw = subprocess.run(["zstd", "-dc", file], capture_output=True, check=True, timeout=60).stdout
        assert b"planted-secret" not in raw, file.name
    without = run("backup", "verify", made, "--json").ok()
    assert json.loads(without.stdout)["read"] is False


def test_what_a_killed_backup_left_behind_goes_with_the_next_one(start_lockhouse: Start, tmp_path: Path):
    server = start_lockhouse()
    used(server)
    server.stop()
    (body,) = [path for path in (server.data / "blobs").rglob("*") if path.is_file()]
    kept = body.rename(tmp_path / "kept")
    os.mkfifo(body)  # whoever copies it waits here
    target = tmp_path / "backups" / "monday"
    command = ("backup", "create", "--data", str(server.data), "--to", str(target))
    child = Child([lockhouse_program(), *command], environment=client_environment(), directory=tmp_path)
    try:
        (left,) = eventually(lambda: list(target.parent.glob(".monday.incomplete-*/blobs")), 60)
        child.signal(signal.SIGKILL)
        child.wait(seconds=30)
    finally:
        child.end()
    assert left.exists()
    kept.replace(body)
    run(*command[:-1], target.with_name("tuesday")).ok()
    assert [each.name for each in target.parent.iterdir()] == ["tuesday"]
    run("backup", "verify", target.with_name("tuesday"), "--encryption-key", server.data / "encryption.key").ok()


@pytest.mark.parametrize("blobs", ["s3", "database"])
def test_everything_moves_to_postgresql_is_served_there_and_moves_back(
    start_lockhouse: Start, tmp_path: Path, blobs: str, request: pytest.FixtureRequest
):
    server = start_lockhouse()
    large = used(server)
    server.stop()
    data = server.data
    if blobs == "s3":
        moto = request.getfixturevalue("moto")
        moto.sdk("s3").create_bucket(Bucket="moved-bodies")
        (tmp_path / "bucket.json").write_text(
            json.dumps(
                {
                    "access_key_id": moto.credentials.access_key_id,
                    "secret_access_key": moto.credentials.secret_access_key,
                }
            )
        )
        blobs = f"s3://moved-bodies/all?endpoint={moto.endpoint}&region=us-east-1&credentials={tmp_path}/bucket.json"
    before = tables(data / "lockhouse.db")
    with running_cluster() as cluster:
        away = json.loads(run("move", "--from", data, "--to", cluster.url, "--to-blobs", blobs, "--json").ok().stdout)
        assert {name: each["rows"] for name, each in away["tables"].items()} == {
            name: rows for name, (rows, _) in before.items()
        }
        bare = cluster.url.replace(f":{urlsplit(cluster.url).password}@", "@")  # no password on a screen
        assert shlex.split(away["serve"]) == [
            *("lockhouse", "serve", "--data", str(data), "--database-url", bare, "--blobs", blobs)
        ]
        refused = run("serve", "--data", data, "--listen", "127.0.0.1:0")
        assert refused.code == 1
        assert "it was moved to postgresql://" in refused.stderr
        run(
            "backup", "create", "--data", data, "--database-url", cluster.url, "--blobs", blobs, "--to", tmp_path / "b"
        ).ok()
        made = json.loads((tmp_path / "b" / "manifest.json").read_text())
        assert made["tables"] == away["tables"]
        back = tmp_path / "back"
        said = run("move", "--from", cluster.url, "--from-blobs", blobs, "--to", back, "--data", data, "--json").ok()
        copy, _, serve = json.loads(said.stdout)["serve"].partition(" && ")
        subprocess.run(copy, shell=True, check=True)
        assert shlex.split(serve) == ["lockhouse", "serve", "--data", str(back)]
        assert tables(back / "lockhouse.db") == before
    server.data = back
    server.start()
    check_serves(server, large)
