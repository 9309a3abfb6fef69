"""`lockhouse serve` and the commands of whoever owns the data directory, as real processes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.e2e.clouds import Lockhouse, client_environment, lockhouse_program
from tests.e2e.processes import Outcome

Start = Callable[..., Lockhouse]


def run(*arguments: str, directory: Path, typed: str = "", **environment: str) -> Outcome:
    """A `lockhouse` command that is told nothing but these variables."""
    home = {"HOME": str(directory), "XDG_CONFIG_HOME": str(directory / "config")}
    done = subprocess.run(
        [str(lockhouse_program()), *arguments],
        env=client_environment() | home | environment,
        cwd=directory,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Outcome("lockhouse " + " ".join(arguments), done.returncode, done.stdout, done.stderr)


def test_the_first_start_prints_blocks_and_one_ready_line_and_a_private_file(start_lockhouse: Start):
    server = start_lockhouse()
    said = server.child.said()
    assert said.count("Lockhouse is ready at ") == 1
    assert "dynamodb_table" in said
    assert "use_lockfile" in said
    path = server.data / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = json.loads(path.read_text())
    assert list(document) == ["endpoint", "access_key_id", "secret_access_key", "token", "namespace"]
    assert document["endpoint"] == server.endpoint
    for secret in ("secret_access_key", "token"):
        assert document[secret] not in said


def test_a_restart_keeps_credentials_and_data_and_tells_its_new_endpoint(start_lockhouse: Start):
    server = start_lockhouse()
    before = json.loads((server.data / "credentials.json").read_text())
    server.command("namespace", "create", "kept-states").ok()
    server.stop()
    server.start()
    after = json.loads((server.data / "credentials.json").read_text())
    assert after == before | {"endpoint": server.endpoint}
    assert {each["name"] for each in server.json("namespace", "list")} == {"kept-states", "terraform-state"}
    assert "dynamodb_table" not in server.child.said()


def test_a_second_server_on_the_same_directory_is_refused_in_words(start_lockhouse: Start, tmp_path: Path):
    server = start_lockhouse()
    second = run("serve", "--data", str(server.data), "--listen", "127.0.0.1:0", directory=tmp_path)
    assert second.code == 1
    assert "a Lockhouse server is using this data directory" in second.stderr
    assert "Traceback" not in second.stderr
    server.command("status").ok()


def test_an_address_in_use_is_refused_in_words(start_lockhouse: Start, tmp_path: Path):
    server = start_lockhouse()
    taken = server.endpoint.removeprefix("http://")
    second = run("serve", "--data", str(tmp_path / "other"), "--listen", taken, directory=tmp_path)
    assert second.code in (1, 2)
    assert second.stderr.startswith("error: ")
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("--lock-wait", "60"), {}, "cannot use --lock-wait '60'"),
        ((), {"LOCKHOUSE_LOCK_WAIT": "soon"}, "cannot use LOCKHOUSE_LOCK_WAIT 'soon'"),
        ((), {"LOCKHOUSE_LOCKWAIT": "1"}, "did you mean LOCKHOUSE_LOCK_WAIT?"),
        (("--database-url", "mysql://x"), {}, "cannot use --database-url 'mysql://x': it must be 'embedded'"),
        (("--config", "missing.toml"), {}, "cannot read missing.toml"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_a_usage_error(tmp_path: Path, arguments, environment, said: str):
    outcome = run("serve", "--data", str(tmp_path / "data"), *arguments, directory=tmp_path, **environment)
    assert outcome.code == 2
    assert said in outcome.stderr
    assert not (tmp_path / "data").exists()


def test_https_with_the_development_certificate_works_for_the_command_line_at_once(
    start_lockhouse: Start, tmp_path: Path
):
    server = start_lockhouse(flags=("--tls-self-signed",))
    assert server.endpoint.startswith("https://127.0.0.1:")
    run("status", directory=tmp_path, LOCKHOUSE_DATA=str(server.data)).ok()
    untrusted = run("status", directory=tmp_path, LOCKHOUSE_ENDPOINT=server.endpoint, LOCKHOUSE_TOKEN=server.token)
    assert untrusted.code == 1
    assert "--ca-file" in untrusted.stderr
    environment = run("env", "--data", str(server.data), "--json", directory=tmp_path).ok()
    assert Path(json.loads(environment.stdout)["AWS_CA_BUNDLE"]).is_file()


def test_the_environment_is_what_a_shell_and_the_aws_cli_take(start_lockhouse: Start, tmp_path: Path):
    server = start_lockhouse()
    lines = run("env", "--data", str(server.data), directory=tmp_path).ok().stdout
    shell = subprocess.run(
        ["sh", "-c", f"{lines}\nenv"], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True
    )
    variables = dict(line.split("=", 1) for line in shell.stdout.splitlines())
    assert variables["AWS_ENDPOINT_URL"] == server.endpoint
    assert variables["LOCKHOUSE_TOKEN"] == server.token
    assert variables["AWS_ACCESS_KEY_ID"] == server.cloud.credentials.access_key_id


def test_a_backup_made_while_serving_is_restored_and_served(start_lockhouse: Start, tmp_path: Path):
    server = start_lockhouse(flags=("--backups", str(tmp_path / "backups")))
    raw = b'{"version": 4, "serial": 1, "lineage": "one", "outputs": {}, "resources": []}'
    server.cloud.sdk("s3").put_object(Bucket=server.namespace, Key="app.tfstate", Body=raw)
    made = server.json("backup", "create")
    assert Path(made["path"]).parent == tmp_path / "backups"
    server.cloud.sdk("s3").put_object(Bucket=server.namespace, Key="later.tfstate", Body=raw)
    server.stop()
    assert made["files"] == []
    again = run("restore", made["path"], "--data", str(server.data), directory=tmp_path)
    assert again.code == 2
    assert "it exists already" in again.stderr
    assert not (Path(made["path"]) / "encryption.key").exists()
    keys = server.data
    server.data = tmp_path / "restored"
    run("restore", made["path"], "--data", str(server.data), "--keys", str(keys), directory=tmp_path).ok()
    server.start()
    assert [each["key"] for each in server.json("state", "list", server.namespace)] == ["app.tfstate"]
    assert server.cloud.sdk("s3").get_object(Bucket=server.namespace, Key="app.tfstate")["Body"].read() == raw


def test_the_administrator_is_reset_offline_and_only_offline(start_lockhouse: Start, tmp_path: Path):
    server = start_lockhouse()
    kept = server.new_key("kept", "read", "*")
    busy = run("admin", "reset-credentials", "--data", str(server.data), directory=tmp_path)
    assert busy.code == 1
    assert "a Lockhouse server is using" in busy.stderr
    old = server.token
    server.stop()
    run("admin", "reset-credentials", "--data", str(server.data), directory=tmp_path).ok()
    server.start()
    assert server.token != old
    server.command("status").ok()
    assert server.command("status", "--token", old).code == 5
    server.cloud.sdk("s3", kept).list_buckets()
    server.stop()
    (server.data / "master.key").unlink()
    lost = run("serve", "--data", str(server.data), "--listen", "127.0.0.1:0", directory=tmp_path)
    assert (lost.code, "the master key is missing" in lost.stderr) == (1, True)
    assert not (server.data / "master.key").exists()
    run("admin", "reset-credentials", "--data", str(server.data), "--new-master-key", directory=tmp_path).ok()
    server.start()
    server.command("status").ok()
    nothing = run("admin", "reset-credentials", "--data", str(tmp_path / "nothing"), directory=tmp_path)
    assert nothing.code == 1
    assert not (tmp_path / "nothing").exists()


def test_a_saved_login_is_used_until_it_is_forgotten(start_lockhouse: Start, tmp_path: Path):
    server = start_lockhouse()
    lost = run("status", directory=tmp_path)
    assert lost.code == 1
    assert "cannot tell which server is meant" in lost.stderr
    wrong = run("login", "--endpoint", server.endpoint, directory=tmp_path, typed="wrong\n")
    assert wrong.code == 5
    run("login", "--endpoint", server.endpoint, directory=tmp_path, typed=server.token + "\n").ok()
    saved = tmp_path / "config" / "lockhouse" / "login.json"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    run("status", directory=tmp_path).ok()
    elsewhere = run("status", "--endpoint", "http://127.0.0.1:9", directory=tmp_path)
    assert "no token" in elsewhere.stderr
    run("logout", directory=tmp_path).ok()
    assert run("status", directory=tmp_path).code == 1


def test_health_readiness_metrics_and_the_description_are_served(start_lockhouse: Start):
    server = start_lockhouse()
    for path in ("/healthz", "/readyz", "/metrics", "/lockhouse/v1/openapi.json"):
        assert httpx.get(server.endpoint + path, timeout=10).status_code == 200
    refused = httpx.get(f"{server.endpoint}/lockhouse/v1/keys", timeout=10)
    assert refused.status_code == 401
    assert refused.headers["x-request-id"] == refused.json()["error"]["request_id"]


def test_the_program_starts_at_once(tmp_path: Path):
    run("version", directory=tmp_path).ok()
    began = time.process_time(), os.times().children_user + os.times().children_system
    run("version", directory=tmp_path).ok()
    spent = os.times().children_user + os.times().children_system - began[1]
    assert spent < 1.0
