"""Coming and going: a bucket with its whole history comes in, and everything goes out as plain files again."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.clouds import Cloud, Lockhouse, client_environment, lockhouse_program
from tests.e2e.commands import COMMANDS
from tests.e2e.processes import Outcome

Start = Callable[..., Lockhouse]
INFO = {
    "ID": "7d1c",
    "Operation": "OperationTypeApply",
    "Who": "bo@desk",
    "Created": "2026-01-02T03:04:05Z",
    "Info": "",
}


def state(serial: int, note: str = "") -> bytes:
    return json.dumps(
        {"version": 4, "serial": serial, "lineage": "one", "outputs": {}, "resources": [], "note": note}
    ).encode()


def filled(cloud: Cloud, bucket: str) -> dict[str, list[bytes | None]]:
    """A bucket with a past: what each key held, oldest first; None is a delete marker."""
    s3 = cloud.sdk("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    past: dict[str, list[bytes | None]] = {
        "app/terraform.tfstate": [state(1), state(2), state(5)],
        "env:/stage/app/terraform.tfstate": [state(1, "stage")],
        "gone.tfstate": [state(1, "gone"), None],
        "back.tfstate": [state(1, "back"), None, state(2, "back again")],
        "plan files/a+b (1).tfplan": [b"\x00plan\xff" * 1000],
        "big.tfstate": [state(1, "x" * 3_000_000), state(2, "y" * 3_000_000)],
    }
    for key, bodies in past.items():
        for body in bodies:
            if body is None:
                s3.delete_object(Bucket=bucket, Key=key)
            else:
                s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/x-state")
    return past


def source_environment(cloud: Cloud) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": cloud.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": cloud.credentials.secret_access_key,
    }


def run(server: Lockhouse | None, *arguments: str, **more: str) -> Outcome:
    environment = client_environment() | more
    if server is not None:
        environment |= {"LOCKHOUSE_ENDPOINT": server.endpoint, "LOCKHOUSE_TOKEN": server.token}
    return COMMANDS.run(lockhouse_program(), *arguments, environment=environment, directory=Path.cwd())


def bring(server: Lockhouse, source: Cloud, bucket: str, *flags: str) -> Outcome:
    return run(
        server, "import", f"s3://{bucket}", "--source-endpoint", source.endpoint, *flags, "--json",
        **source_environment(source),
    )  # fmt: skip


def history(server: Lockhouse, bucket: str, key: str) -> list[bytes | None]:
    """What a key holds there, oldest first, read as an S3 client does."""
    s3 = server.cloud.sdk("s3")
    listed = s3.list_object_versions(Bucket=bucket, Prefix=key)
    entries = [
        (each["LastModified"], number, each)
        for number, each in enumerate(reversed(listed.get("Versions", []) + listed.get("DeleteMarkers", [])))
        if each["Key"] == key
    ]
    found = server.json("state", "versions", bucket, key, "--all")
    assert len(found) == len(entries)
    return [
        None if each["deleted"] else s3.get_object(Bucket=bucket, Key=key, VersionId=each["id"])["Body"].read()
        for each in reversed(found)
    ]


@pytest.fixture(params=["moto", "lockhouse"])
def origin(request: pytest.FixtureRequest) -> Cloud:
    """Where a bucket comes from: plain AWS behaviour, or another Lockhouse."""
    found = request.getfixturevalue(request.param)
    return found.cloud if isinstance(found, Lockhouse) else found


def test_a_bucket_comes_with_its_whole_history_and_never_twice(origin: Cloud, start_lockhouse: Start):
    bucket = f"import-{origin.name}"
    past = filled(origin, bucket)
    server = start_lockhouse()
    versions = sum(map(len, past.values()))
    planned = json.loads(bring(server, origin, bucket, "--dry-run").ok().stdout)
    assert (planned["imported"], planned["versions"], planned["keys"]) == (versions, versions, len(past))
    assert bucket not in {each["name"] for each in server.json("namespace", "list")}

    done = json.loads(bring(server, origin, bucket).ok().stdout)
    assert (done["imported"], done["present"], done["delete_markers"]) == (versions, 0, 2)
    assert done["verified_by_source"] == versions - 2
    assert done["conflicts"] == done["failed"] == []
    for key, bodies in past.items():
        found = history(server, bucket, key)
        if origin.name == "moto" and key == "back.tfstate":
            # It lists markers apart from versions, with times in whole seconds: nobody can tell what came first.
            assert (found.count(None), [each for each in found if each]) == (1, [each for each in bodies if each])
            continue
        assert found == bodies, key
    here = server.json("state", "versions", bucket, "app/terraform.tfstate", "--all")
    assert {each["mark"] for each in here} == {"imported"}
    there = origin.sdk("s3").list_object_versions(Bucket=bucket, Prefix="app/")["Versions"]
    assert {each["created_at"][:19] for each in here} == {
        each["LastModified"].strftime("%Y-%m-%dT%H:%M:%S") for each in there
    }
    again = json.loads(bring(server, origin, bucket).ok().stdout)
    assert (again["imported"], again["present"]) == (0, versions)

    origin.sdk("s3").put_object(Bucket=bucket, Key="app/terraform.tfstate", Body=state(6))
    more = json.loads(bring(server, origin, bucket).ok().stdout)
    assert (more["imported"], more["present"]) == (1, versions)
    assert history(server, bucket, "app/terraform.tfstate")[-1] == state(6)
    # Nothing was removed or changed at the source.
    left = origin.sdk("s3").list_object_versions(Bucket=bucket)
    assert len(left["Versions"]) + len(left["DeleteMarkers"]) == versions + 1


def test_a_state_that_was_used_here_since_is_left_alone(moto: Cloud, start_lockhouse: Start):
    bucket = "import-conflict"
    filled(moto, bucket)
    server = start_lockhouse()
    bring(server, moto, bucket).ok()
    server.cloud.sdk("s3").put_object(Bucket=bucket, Key="app/terraform.tfstate", Body=state(7))
    # All that the source has came before: nothing to do, nothing to complain about.
    assert json.loads(bring(server, moto, bucket).ok().stdout)["imported"] == 0
    moto.sdk("s3").put_object(Bucket=bucket, Key="app/terraform.tfstate", Body=state(8))
    outcome = bring(server, moto, bucket)
    assert outcome.code == 6
    conflict = json.loads(outcome.stdout)["conflicts"]
    assert [each["key"] for each in conflict] == ["app/terraform.tfstate"]
    assert history(server, bucket, "app/terraform.tfstate")[-1] == state(7)


def test_locks_that_are_held_at_the_source_are_told_and_not_held_here(moto: Cloud, start_lockhouse: Start):
    bucket, table = "import-locks", "import-locks-table"
    filled(moto, bucket)
    s3, dynamodb = moto.sdk("s3"), moto.sdk("dynamodb")
    s3.put_object(Bucket=bucket, Key="back.tfstate.tflock", Body=json.dumps(INFO | {"ID": "file"}).encode())
    s3.put_object(Bucket=bucket, Key="gone.tfstate.tflock", Body=b"{}")
    s3.delete_object(Bucket=bucket, Key="gone.tfstate.tflock")
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for item in (
        {"LockID": {"S": f"{bucket}/app/terraform.tfstate"}, "Info": {"S": json.dumps(INFO)}},
        {"LockID": {"S": f"{bucket}/app/terraform.tfstate-md5"}, "Digest": {"S": "0" * 32}},
        {"LockID": {"S": "another/app.tfstate"}, "Info": {"S": json.dumps(INFO)}},
    ):
        dynamodb.put_item(TableName=table, Item=item)
    for number in range(5):  # more than fits one page of a Scan, which is 1 MB
        dynamodb.put_item(TableName=table, Item={"LockID": {"S": f"pad-{number}"}, "pad": {"S": "x" * 300_000}})
    assert "LastEvaluatedKey" in dynamodb.scan(TableName=table)
    server = start_lockhouse()
    missing = bring(server, moto, bucket, "--lock-table", "no-such-table")
    assert (missing.code, "cannot find the lock table no-such-table" in missing.stderr) == (3, True)
    done = json.loads(bring(server, moto, bucket, "--lock-table", table).ok().stdout)
    assert sorted((each["key"], each["id"], each["who"], each["through"]) for each in done["held_locks"]) == [
        ("app/terraform.tfstate", "7d1c", "bo@desk", "table"),
        ("back.tfstate", "file", "bo@desk", "lockfile"),
    ]
    assert server.json("lock", "list") == []
    assert history(server, bucket, "app/terraform.tfstate")[-1] == state(5)


def test_an_import_needs_the_right_to_administer(moto: Cloud, start_lockhouse: Start):
    bucket = "import-right"
    filled(moto, bucket)
    server = start_lockhouse()
    server.command("namespace", "create", bucket).ok()
    server.new_key("writer", "read,write", bucket)
    token = server.json("token", "create", "--name", "writer")["token"]
    outcome = run(
        server, "import", f"s3://{bucket}", "--source-endpoint", moto.endpoint, "--token", token,
        **source_environment(moto),
    )  # fmt: skip
    assert outcome.code == 1
    assert "admin" in outcome.stdout


def test_files_come_and_come_only_once(start_lockhouse: Start, tmp_path: Path):
    server = start_lockhouse()
    for name, raw in (("a/terraform.tfstate", state(3)), ("terraform.tfstate.d/x/terraform.tfstate", state(1, "x"))):
        (tmp_path / "states" / name).parent.mkdir(parents=True)
        (tmp_path / "states" / name).write_bytes(raw)
    os.utime(tmp_path / "states" / "a" / "terraform.tfstate", (1_700_000_000, 1_700_000_000))
    for imported in (2, 0):
        done = server.json("import", str(tmp_path / "states"), "--namespace", "from-files")
        assert (done["imported"], done["present"]) == (imported, 2 - imported)
    (found,) = server.json("state", "versions", "from-files", "a/terraform.tfstate")
    assert found["created_at"].startswith("2023-11-14T22:13:20")
    assert found["sha256"] == hashlib.sha256(state(3)).hexdigest()


def used(server: Lockhouse) -> dict[str, list[bytes | None]]:
    past = filled(server.cloud, "acme-states")
    s3 = server.cloud.sdk("s3")
    odd: dict[str, list[bytes | None]] = {
        "double//slash.tfstate": [state(1, "double")],
        "app/terraform.tfstate/below.tfstate": [state(1, "below")],
    }
    for key, (body,) in odd.items():
        s3.put_object(Bucket="acme-states", Key=key, Body=body)
    return past | odd


def check_tree(tree: Path, past: dict[str, list[bytes | None]], *, with_history: bool) -> None:
    rows = [json.loads(line) for line in (tree / "index.jsonl").read_text().splitlines()]
    found: dict[str, list[bytes | None]] = {}
    for row in rows:
        body = None if row["deleted"] else (tree / row["file"]).read_bytes()
        found.setdefault(row["key"], []).append(body)
    newest = {key: bodies[-1:] for key, bodies in past.items() if bodies[-1] is not None}
    assert found == (past if with_history else newest)
    assert (tree / "current" / "acme-states" / "back.tfstate").read_bytes() == state(2, "back again")
    assert not (tree / "current" / "acme-states" / "gone.tfstate").exists()
    assert {path.stat().st_mode & 0o077 for path in tree.rglob("*")} == {0}


def test_what_is_exported_from_a_server_its_directory_and_its_backup_is_the_same(
    start_lockhouse: Start, tmp_path: Path
):
    server = start_lockhouse()
    past = used(server)
    backup = server.json("backup", "create")["path"]
    server.command("export", str(tmp_path / "online"), "--history").ok()
    server.command("export", str(tmp_path / "newest")).ok()
    server.stop()
    run(None, "export", str(tmp_path / "offline"), "--history", "--offline", "--data", str(server.data)).ok()
    run(
        None,
        "export",
        str(tmp_path / "old"),
        "--history",
        "--backup",
        backup,
        "--encryption-key",
        str(server.data / "encryption.key"),
    ).ok()
    check_tree(tmp_path / "newest", past, with_history=False)
    for name in ("online", "offline", "old"):
        check_tree(tmp_path / name, past, with_history=True)
        indexes = [(tmp_path / each / "index.jsonl").read_text().splitlines() for each in ("online", name)]
        first, second = ([{**json.loads(line), "at": 0} for line in each] for each in indexes)
        assert first == second


def test_an_export_leaves_out_what_has_a_customer_key_and_says_so(start_lockhouse: Start, tmp_path: Path):
    server = start_lockhouse()
    past = used(server)
    key = secrets.token_bytes(32)
    server.cloud.sdk("s3").put_object(
        Bucket="acme-states", Key="secret.tfstate", Body=state(1), SSECustomerAlgorithm="AES256", SSECustomerKey=key
    )
    refused = server.command("export", str(tmp_path / "without"))
    assert (refused.code, "acme-states/secret.tfstate" in refused.stderr) == (2, True), refused.report()
    check_tree(tmp_path / "without", past, with_history=False)
    server.command("state", "share-customer-key", "acme-states", "secret.tfstate").ok()
    server.command("export", str(tmp_path / "shared")).ok()
    assert (tmp_path / "shared" / "current" / "acme-states" / "secret.tfstate").read_bytes() == state(1)
    server.command("state", "share-customer-key", "acme-states", "secret.tfstate", "--off").ok()
    server.stop()
    run(None, "export", str(tmp_path / "offline"), "--offline", "--data", str(server.data)).ok()
    assert (tmp_path / "offline" / "current" / "acme-states" / "secret.tfstate").read_bytes() == state(1)


def test_single_versions_are_opened_without_a_server(start_lockhouse: Start, tmp_path: Path):
    server = start_lockhouse()
    past = used(server)
    backup = server.json("backup", "create")["path"]
    older = server.json("state", "versions", "acme-states", "big.tfstate", "--all")[1]["id"]
    server.stop()
    key = ("--encryption-key", str(server.data / "encryption.key"))
    sources = (("--data", str(server.data)), ("--backup", backup, *key))
    for number, where in enumerate(sources):
        for name, version, expected in (
            ("app/terraform.tfstate", "", past["app/terraform.tfstate"][-1]),
            ("big.tfstate", older, past["big.tfstate"][0]),
        ):
            out = tmp_path / f"{number}-{name.partition('.')[0].replace('/', '-')}"
            run(None, "decrypt", "acme-states", name, "--version", version, "-o", str(out), *where).ok()
            assert out.read_bytes() == expected
    bodies = {path.stat().st_size: path for path in (server.data / "blobs").rglob("*") if path.is_file()}
    saved = bodies[max(bodies)].rename(tmp_path / bodies[max(bodies)].name)
    out = run(None, "decrypt", "--file", str(saved), "--backup", backup, *key).ok()
    assert out.stdout.encode() in past["big.tfstate"]
    damaged = saved.read_bytes()
    saved.write_bytes(damaged[:5000] + bytes([damaged[5000] ^ 1]) + damaged[5001:])
    refused = run(None, "decrypt", "--file", str(saved), "--backup", backup, *key)
    assert (refused.code, "frame 0 was changed" in refused.stderr) == (1, True), refused.report()
    without = run(None, "decrypt", "acme-states", "app/terraform.tfstate", "--backup", backup)
    assert without.code == 1
    assert "key" in without.stderr
    assert "lineage" not in without.stdout


def test_an_exported_tree_is_pushed_by_a_bare_client_and_taken_back_whole(
    start_lockhouse: Start, moto: Cloud, tmp_path: Path
):
    server = start_lockhouse()
    past = used(server)
    server.command("export", str(tmp_path / "tree"), "--history").ok()
    aws = Path(lockhouse_program()).parent / "aws"
    moto.sdk("s3").create_bucket(Bucket="break-glass")
    subprocess.run(
        [aws, "s3", "sync", str(tmp_path / "tree" / "current" / "acme-states"), "s3://break-glass", "--endpoint-url",
         moto.endpoint],
        env=client_environment() | source_environment(moto) | {"AWS_DEFAULT_REGION": "us-east-1"},
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    pushed = moto.sdk("s3").get_object(Bucket="break-glass", Key="app/terraform.tfstate")["Body"].read()
    assert pushed == past["app/terraform.tfstate"][-1]
    other = start_lockhouse()
    done = other.json("import", str(tmp_path / "tree"))
    assert done["imported"] == sum(map(len, past.values()))
    for key, bodies in past.items():
        assert history(other, "acme-states", key) == bodies, key
    assert other.json("import", str(tmp_path / "tree"))["imported"] == 0


def test_a_damaged_file_of_a_tree_does_not_come_and_the_others_do(start_lockhouse: Start, tmp_path: Path):
    server = start_lockhouse()
    used(server)
    server.command("export", str(tmp_path / "tree")).ok()
    body = tmp_path / "tree" / "current" / "acme-states" / "app" / "terraform.tfstate"
    damaged = list((tmp_path / "tree" / "odd").iterdir()) if body.is_dir() else [body]
    for path in damaged:
        path.write_bytes(path.read_bytes().replace(b'"serial": ', b'"serial":9'))
    other = start_lockhouse()
    outcome = other.command("import", str(tmp_path / "tree"), "--json")
    assert outcome.code == 1
    done = json.loads(outcome.stdout)
    assert len(done["failed"]) == len(damaged)
    assert done["imported"] == done["versions"] - len(damaged)
