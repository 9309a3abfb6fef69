"""The servers that a scenario can run on: Lockhouse, and moto as the peer with plain AWS behaviour.

A `Cloud` is an endpoint with credentials; a `Place` is a fresh bucket and lock table on it. Both servers are real
processes on a free port of the loopback interface.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3
import botocore.config

from tests.e2e.commands import COMMANDS
from tests.e2e.processes import Child, Outcome
from tests.e2e.toolchain.clients import REPOSITORY

_START_SECONDS = 90
_STOP_SECONDS = 60
_COMMAND_SECONDS = 240
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Credentials:
    """One access key."""

    access_key_id: str
    secret_access_key: str


@dataclass(frozen=True)
class Place:
    """A bucket and a lock table."""

    bucket: str
    table: str


@dataclass(frozen=True)
class Cloud:
    """A server that speaks AWS, and who we are there."""

    name: str
    endpoint: str
    credentials: Credentials
    authority: Path | None = None
    """The certificate to trust, if the endpoint has one of its own."""

    def environment(self, credentials: Credentials | None = None) -> dict[str, str]:
        """What an engineer would set in the shell to use it."""
        key = credentials or self.credentials
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        } | ({"AWS_CA_BUNDLE": str(self.authority)} if self.authority else {})

    def sdk(self, service: str, credentials: Credentials | None = None):
        """A boto3 client."""
        key = credentials or self.credentials
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            verify=str(self.authority) if self.authority else None,
            config=botocore.config.Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def new_place(self, name: str = "place") -> Place:
        """A versioned bucket and a lock table that nobody has used."""
        title = f"{name}-{os.getpid()}-{next(_numbers)}"
        place = Place(bucket=title, table=f"{title}-locks")
        s3 = self.sdk("s3")
        s3.create_bucket(Bucket=place.bucket)
        s3.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"})
        self.sdk("dynamodb").create_table(
            TableName=place.table,
            AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        return place

    def aws(self, *arguments: str, credentials: Credentials | None = None) -> Outcome:
        """Run the AWS CLI of the tests' environment."""
        return self.shell("aws", *arguments, credentials=credentials)

    def shell(self, *command: str | Path, credentials: Credentials | None = None) -> Outcome:
        """Run a program with the AWS CLI on its path and this server in its environment."""
        search = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            [str(part) for part in command],
            env=client_environment() | self.environment(credentials) | {"AWS_PAGER": "", "PATH": search},
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        return Outcome(" ".join(str(part) for part in command), done.returncode, done.stdout, done.stderr)

    def lock_ids(self, place: Place, key: str) -> set[str]:
        """The ids of the locks that the clients can see on a state: through the table and through the lock object."""
        item = self.sdk("dynamodb").get_item(
            TableName=place.table, Key={"LockID": {"S": f"{place.bucket}/{key}"}}, ConsistentRead=True
        )
        infos = [item["Item"]["Info"]["S"]] if "Item" in item else []
        s3 = self.sdk("s3")
        with contextlib.suppress(s3.exceptions.NoSuchKey):
            infos.append(s3.get_object(Bucket=place.bucket, Key=f"{key}.tflock")["Body"].read().decode())
        return {json.loads(info)["ID"] for info in infos}

    def state_bytes(self, place: Place, key: str) -> bytes:
        """The current version as it is stored."""
        return self.sdk("s3").get_object(Bucket=place.bucket, Key=key)["Body"].read()

    def versions(self, place: Place, key: str) -> list[dict[str, object]]:
        """All versions of one state that are still kept, oldest first, parsed."""
        s3 = self.sdk("s3")
        found = s3.list_object_versions(Bucket=place.bucket, Prefix=key).get("Versions", [])
        return [
            json.loads(s3.get_object(Bucket=place.bucket, Key=key, VersionId=version["VersionId"])["Body"].read())
            for version in reversed([version for version in found if version["Key"] == key])
        ]


def client_environment() -> dict[str, str]:
    """An environment for Python programs without this machine's AWS settings and without a proxy."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "LOCKHOUSE_")) and not name.lower().endswith("_proxy")
    } | {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


class Moto:
    """A moto server process."""

    def __init__(self, directory: Path) -> None:
        """Start it on a free port and wait until it listens."""
        self._child = Child(
            [sys.executable, "-m", "moto.server", "--port", "0"],
            environment=client_environment(),
            directory=directory,
            log=directory / "moto.log",
        )
        try:
            endpoint = self._child.wait_for(r"Running on (http://127\.0\.0\.1:\d+)", seconds=_START_SECONDS)[1]
        except AssertionError:
            self._child.end()
            raise
        self.cloud = Cloud("moto", endpoint, Credentials("AKIAEXAMPLE", "example-secret"))

    def stop(self) -> None:
        self._child.end()


class Lockhouse:
    """A `lockhouse serve` process on its own data directory."""

    def __init__(
        self,
        directory: Path,
        *,
        settings: Mapping[str, str] | None = None,
        flags: tuple[str, ...] = (),
        authority: Path | None = None,
        listen: str = "127.0.0.1:0",
        prefix: tuple[str, ...] = (),
        first: Lockhouse | None = None,
    ) -> None:
        """Start it and wait for its line; `settings` are environment variables such as `LOCKHOUSE_LOCK_WAIT`. `prefix`
        stands before the command, to run it elsewhere. `first`: the server that shares its database and was started
        before, and so has the administrator's credentials."""
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "lockhouse.log"
        self._settings = dict(settings or {})
        self._flags = flags
        self._prefix = prefix
        self._first = first
        self._authority = authority
        directory.mkdir(parents=True, exist_ok=True)
        self.start(listen)

    def start(self, listen: str = "127.0.0.1:0") -> None:
        """Serve; the first start makes the administrator's credentials."""
        self.child = Child(
            [*self._prefix, lockhouse_program(), "serve", "--data", str(self.data), "--listen", listen, *self._flags],
            environment=client_environment() | self._settings,
            directory=self.directory,
            log=self.log,
        )
        try:
            self.endpoint = self.child.wait_for(r"Lockhouse is ready at (\S+)", seconds=_START_SECONDS)[1].rstrip("/")
        except AssertionError:
            self.child.end()
            raise
        home = self._first.data if self._first else self.data
        first = json.loads((home / "credentials.json").read_text(encoding="utf-8"))
        self.token: str = first["token"]
        self.namespace: str = first["namespace"]
        self.cloud = Cloud(
            "lockhouse",
            self.endpoint,
            Credentials(first["access_key_id"], first["secret_access_key"]),
            self._authority,
        )

    def stop(self) -> None:
        """Ask it to drain; it must answer 0."""
        self.child.signal(signal.SIGTERM)
        outcome = self.child.wait(seconds=_STOP_SECONDS)
        assert outcome.code == 0, outcome.report()

    def abandon(self) -> None:
        """End it however it is."""
        self.child.end()

    def command(self, *arguments: str) -> Outcome:
        """Run a `lockhouse` command as the administrator."""
        environment = client_environment() | {"LOCKHOUSE_ENDPOINT": self.endpoint, "LOCKHOUSE_TOKEN": self.token}
        return COMMANDS.run(lockhouse_program(), *arguments, environment=environment, directory=Path.cwd())

    def json(self, *arguments: str):
        """What a command prints with `--json`."""
        return json.loads(self.command(*arguments, "--json").ok().stdout)

    def new_key(self, name: str, rights: str, on: str) -> Credentials:
        """An access key of a new principal with rights, such as `read,write`, on a namespace or a key prefix in it."""
        made = self.json("key", "create", "--name", name, "--rights", rights, "--on", on)
        return Credentials(made["access_key_id"], made["secret_access_key"])

    def memory(self) -> int:
        """Resident memory in bytes."""
        status = Path(f"/proc/{self.child.pid}/status").read_text(encoding="utf-8")
        resident = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert resident is not None
        return int(resident[1]) * 1024


def lockhouse_program() -> Path:
    """The command as `make setup` installs it."""
    return Path(os.environ.get("LOCKHOUSE_PROGRAM") or REPOSITORY / ".venv" / "bin" / "lockhouse")
