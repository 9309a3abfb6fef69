"""With --json every command prints one JSON document or nothing on standard output; all else is on standard error.

A machine reads what is printed: no warning, note or mistake may stand beside it. Each command of the program is run for
real in one story; a command that the story does not know fails the test.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import typer
from botocore.exceptions import ClientError

from lockhouse.cli.tree import app
from tests.e2e.clouds import Cloud, Credentials, client_environment, lockhouse_program
from tests.e2e.commands import COMMANDS
from tests.e2e.processes import Child, Outcome
from tests.postgres import free_port, running_cluster
from tests.unit.cli import tree

NAMESPACE, TABLE, KEY = "acme-states", "acme-locks", "app/terraform.tfstate"


def body(serial: int, resources: int = 0) -> bytes:
    blocks = [{"mode": "managed", "type": "t", "name": f"r{number}", "instances": [{}]} for number in range(resources)]
    document = {"version": 4, "terraform_version": "1.15.5", "serial": serial, "lineage": "one", "outputs": {}}
    return json.dumps(document | {"resources": blocks}).encode()


def asks_a_server(name: str) -> bool:
    command = typer.main.get_command(app)
    for word in name.split():
        command = command.commands[word]  # type: ignore[attr-defined]
    return any(parameter.name == "endpoint" for parameter in command.params)


@dataclass
class Machine:
    """Runs commands and reads what they print."""

    home: Path
    environment: dict[str, str]
    away: str
    """An address at which nobody listens."""
    played: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    """What was said beside documents."""

    def play(self, name: str, *arguments: str, code: int = 0, typed: str = ""):
        """Run a command with a mistake in its options, without its server, and as it is meant; its document."""
        words = name.split()
        if name not in self.played:
            self.played.add(name)
            assert self._document(self._run(*words, "--no-such-option"), 2) is None
            if asks_a_server(name):
                lost = self._run(*words, *arguments, typed=typed, LOCKHOUSE_ENDPOINT=self.away)
                self._document(lost, lost.code)
        done = self._run(*words, *arguments, typed=typed)
        found = self._document(done, code)
        if done.code == 0 and done.stderr:
            self.notes.append(done.stderr)
        return found

    def _run(self, *words: str, typed: str = "", **environment: str) -> Outcome:
        return COMMANDS.run(
            lockhouse_program(),
            *words,
            "--json",
            environment=client_environment() | {"HOME": str(self.home)} | self.environment | environment,
            directory=self.home,
            typed=typed,
        )

    def _document(self, done: Outcome, code: int):
        """The one document; none where the command failed and said why on standard error."""
        assert done.code == code, done.report()
        if code and not done.stdout:
            assert done.stderr.startswith(("error: ", "note: ")), done.report()
            return None
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise AssertionError(f"this is no JSON document: {done.report()}") from None


@contextmanager
def served(data: Path, backups: Path) -> Iterator[Cloud]:
    """`lockhouse serve --json`, and at its end what it has printed."""
    child = Child(
        [lockhouse_program(), "serve", "--json", "--data", data, "--listen", "127.0.0.1:0", "--backups", backups],
        environment=client_environment() | {"LOCKHOUSE_LOCK_WAIT": "0"},
        directory=backups,
    )
    try:
        endpoint = child.wait_for(r'"endpoint": "([^"]+)"', seconds=90)[1]
        first = json.loads((data / "credentials.json").read_text())
        yield Cloud("lockhouse", endpoint, Credentials(first["access_key_id"], first["secret_access_key"]))
        child.signal(signal.SIGTERM)
        done = child.wait(seconds=60).ok()
        assert json.loads(done.stdout)["endpoint"] == endpoint
        assert "KEEP A COPY OF IT" in done.stderr
    finally:
        if child.running:
            child.end()


def test_a_machine_reads_what_every_command_prints(tmp_path: Path):
    data, backups, home = (tmp_path / name for name in ("data", "backups", "home"))
    backups.mkdir()
    home.mkdir()
    with served(data, backups) as cloud:
        token = json.loads((data / "credentials.json").read_text())["token"]
        environment = {"LOCKHOUSE_ENDPOINT": cloud.endpoint, "LOCKHOUSE_TOKEN": token}
        machine = Machine(home, environment, f"http://127.0.0.1:{free_port()}")
        machine.played.add("serve")
        here(machine, data, token)
        people(machine)
        states(machine, cloud, home)
        locks(machine, cloud)
        operations(machine, home)
        backup = machine.play("backup create")["path"]
    offline(machine, data, home, backup)
    databases(machine, home)
    assert machine.played == set(tree.COMMANDS), f"play these too: {sorted(set(tree.COMMANDS) - machine.played)}"
    said = "".join(machine.notes)
    assert "note: nowhere-yet is no namespace yet" in said
    assert "was moved to" in said


def here(machine: Machine, data: Path, token: str) -> None:
    machine.play("version")
    machine.play("env", "--data", str(data))
    machine.play("access roles")
    machine.play("webhook events")
    machine.play("encryption key")
    machine.play("login", typed=f"{token}\n")
    machine.play("logout")
    machine.play("status")


def people(machine: Machine) -> None:
    machine.play("namespace create", NAMESPACE, "--lock-table", TABLE)
    machine.play("namespace create", "short-lived")
    machine.play("namespace list")
    machine.play("namespace require-lock", "short-lived")
    machine.play("namespace delete", "short-lived")

    machine.play("key create", "--name", "ann", "--role", "reader", "--on", "nowhere-yet")
    machine.play("key list")
    machine.play("key show", "ann")
    machine.play("key grant", "ann", "--role", "writer", "--on", NAMESPACE)
    machine.play("key ungrant", "ann", "--role", "writer", "--on", NAMESPACE)
    machine.play("key rotate", "ann")
    machine.play("key revoke", "ann")
    machine.play("role create", "--name", "deploy", "--role", "writer", "--on", "nowhere-yet", "--by", "administrator")
    machine.play("role list")
    machine.play("role trust", "deploy", "--by", "administrator")
    machine.play("role revoke", "deploy")
    made = machine.play("token create", "--days", "1")
    machine.play("token list")
    made = machine.play("token rotate", made["id"])
    machine.play("token revoke", made["id"])

    machine.play("access create", "--name", "platform", "--kind", "team")
    machine.play("access create", "--name", "carol", "--kind", "user")
    machine.play("access list")
    machine.play("access show", "carol")
    machine.play("access grant", "carol", "--role", "writer", "--on", "nowhere-yet")
    machine.play("access ungrant", "carol", "--role", "writer", "--on", "nowhere-yet")
    machine.play("access link", "carol", "--issuer", "https://login.example.com", "--subject", "42")
    machine.play("team add", "platform", "carol")
    machine.play("team members", "platform")
    machine.play("team set", "carol", "platform")
    machine.play("team remove", "platform", "carol")
    machine.play("session list", "--all")
    machine.play("session revoke", "--user", "carol")
    machine.play("access revoke", "carol")
    claims = ("--claim", "repository_id=123", "--claim", "repository_owner_id=45", "--claim", "ref=refs/heads/main")
    machine.play("trust create", "ci", "--issuer", "github", "--audience", "https://states.example.com", *claims)
    machine.play("trust list")
    machine.play("trust show", "ci")
    machine.play("trust delete", "ci")


def states(machine: Machine, cloud: Cloud, home: Path) -> None:
    s3 = cloud.sdk("s3")
    for serial in (1, 2, 3):
        s3.put_object(Bucket=NAMESPACE, Key=KEY, Body=body(serial, resources=serial))
    for stale in (1, 2):
        with pytest.raises(ClientError):
            s3.put_object(Bucket=NAMESPACE, Key=KEY, Body=body(stale))
    at = (NAMESPACE, KEY)
    machine.play("state list", NAMESPACE)
    machine.play("state show", *at)
    oldest = machine.play("state versions", *at)[-1]["id"]
    machine.play("state download", *at, code=2)  # a document and a state at once cannot be
    machine.play("state download", *at, "--output", str(home / "downloaded"))
    machine.play("state diff", *at, "--version", oldest)
    machine.play("state tag", *at, "release=1", "--version", oldest)
    machine.play("state restore", *at, "--version", oldest)
    machine.play("state require-lock", *at)
    machine.play("state require-lock", *at, "--off")
    machine.play("state share-customer-key", *at)
    first, second = machine.play("state parked list")
    machine.play("state parked show", first["id"])
    machine.play("state parked download", first["id"], "--output", str(home / "parked"))
    machine.play("state parked accept", first["id"])
    machine.play("state parked drop", second["id"], "--yes")
    machine.play("workspace list", NAMESPACE)
    machine.play("workspace name", *at, "app-prod")

    conditions = ("--keep-versions", "1")
    machine.play("retention set", NAMESPACE, *conditions)
    machine.play("retention show", NAMESPACE)
    machine.play("retention preview", NAMESPACE, *conditions)
    machine.play("retention remove", NAMESPACE)
    machine.play("state delete", *at, "--force")
    machine.play("state undelete", *at)
    machine.play("state trash", *at)
    s3.delete_object(Bucket=NAMESPACE, Key=KEY, VersionId=oldest)
    machine.play("state purge", *at, "--version", oldest, "--yes")


def locks(machine: Machine, cloud: Cloud) -> None:
    def lock(lock_id: str) -> None:
        info = json.dumps({"ID": lock_id, "Operation": "OperationTypeApply", "Who": "alice@laptop", "Path": "x"})
        cloud.sdk("dynamodb").put_item(
            TableName=TABLE,
            Item={"LockID": {"S": f"{NAMESPACE}/{KEY}"}, "Info": {"S": info}},
            ConditionExpression="attribute_not_exists(LockID)",
        )

    at = (NAMESPACE, KEY)
    machine.play("lock policy set", NAMESPACE, "ask")
    machine.play("lock policy show", NAMESPACE)
    machine.play("lock policy remove", NAMESPACE)
    lock("lock-1")
    machine.play("lock list")
    machine.play("lock show", *at)
    machine.play("lock release", *at, "--stale", code=6)
    machine.play("lock force-unlock", *at, "--reason", "the runner is gone")
    machine.play("maintenance start", NAMESPACE, "--reason", "a move", "--for", "1h")
    machine.play("maintenance list")
    machine.play("maintenance end", NAMESPACE)


def operations(machine: Machine, home: Path) -> None:
    machine.play("webhook create", "oncall", "--url", "https://127.0.0.1:9/hook")
    machine.play("webhook list")
    machine.play("webhook show", "oncall")
    machine.play("webhook test", "oncall", code=1)
    machine.play("webhook replay", "oncall", "--after", "1")
    machine.play("webhook disable", "oncall")
    machine.play("webhook enable", "oncall")
    machine.play("webhook delete", "oncall")

    machine.play("audit list", "--limit", "5")
    machine.play("audit verify")
    machine.play("audit checkpoint")
    machine.play("audit export", code=2)
    machine.play("audit export", "--output", str(home / "audit.jsonl"))

    machine.play("scrub")
    machine.play("pack")
    key = machine.play("encryption status")["keys"][0]["id"]
    machine.play("encryption rotate", "--wait")
    machine.play("encryption retire", key)
    machine.play("export", str(home / "tree"))
    machine.play("import", str(home / "tree"), "--namespace", "acme-imported")
    (home / "repository").mkdir()
    (home / "repository" / "main.tf").write_text('resource "aws_s3_bucket" "one" {}\n')
    machine.play("review", str(home / "repository"), "--send")


def offline(machine: Machine, data: Path, home: Path, backup: str) -> None:
    keys = ("--encryption-key", str(data / "encryption.key"))
    machine.play("backup verify", backup, *keys)
    machine.play("backup drill", backup, *keys)
    machine.play("backup restore", backup, "--data", str(home / "restored"), "--keys", str(data))
    machine.play("restore", backup, "--data", str(home / "again"), "--keys", str(data))
    machine.play("decrypt", NAMESPACE, KEY, "--data", str(data), code=2)
    machine.play("decrypt", NAMESPACE, KEY, "--data", str(data), "--output", str(home / "opened"))
    machine.play("admin reset-credentials", "--data", str(home / "again"))
    machine.play("move", "--from", str(data), "--to", str(home / "moved"))
    machine.play("export", str(home / "old-tree"), "--offline", "--data", str(data))


def databases(machine: Machine, home: Path) -> None:
    with running_cluster(home / "cluster") as cluster:
        for name in ("db migrate", "db status", "db accept-rollback"):
            machine.play(name, "--database-url", cluster.url)
