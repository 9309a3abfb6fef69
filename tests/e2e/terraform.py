"""Real Terraform, one working directory per developer, with nothing of the machine's own configuration.

The program comes from `toolchain/`. `S3Backend` writes the backend block in the form that each version needs
(the project's notes on client protocols, section 2.2): from 1.6 on `AWS_ENDPOINT_URL` alone leads every call to the
server and the block stays as people have it; older versions want the endpoints inside the block.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.e2e.clouds import Cloud, Credentials, Place
from tests.e2e.processes import Child, Outcome
from tests.e2e.toolchain.clients import old_provider_directory, provider_mirror, terraform_program, terraform_versions

NEWEST = "1.15.5"
_COMMAND_SECONDS = 240


class LockMode(StrEnum):
    """How the backend block asks for a lock."""

    TABLE = "table"
    LOCKFILE = "lockfile"
    BOTH = "both"

    @property
    def table(self) -> bool:
        return self in {LockMode.TABLE, LockMode.BOTH}

    @property
    def lockfile(self) -> bool:
        return self in {LockMode.LOCKFILE, LockMode.BOTH}


def number(version: str) -> tuple[int, int]:
    """Major and minor number, for comparisons."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def plans_from_its_state(version: str) -> bool:
    """Whether plan and apply start from the remote state.

    The builds before 1.0 that can be installed offline are changed by their publisher: they take the lock, write and
    unlock as always, and every other command reads the state, but plan and apply begin as if there were none.
    """
    return number(version) >= (1, 0)


def lock_modes(version: str) -> tuple[LockMode, ...]:
    """The lock options that a version knows."""
    if number(version) >= (1, 10):
        return (LockMode.TABLE, LockMode.LOCKFILE, LockMode.BOTH)
    return (LockMode.TABLE,)


def covering_clients() -> list[tuple[str, LockMode]]:
    """Version and lock option of the clients of every run."""
    return [(version, mode) for version in terraform_versions(soak=False) for mode in lock_modes(version)]


@dataclass(frozen=True)
class S3Backend:
    """One `backend "s3"` block."""

    place: Place
    key: str = "app/terraform.tfstate"
    mode: LockMode = LockMode.TABLE
    options: Mapping[str, object] = field(default_factory=dict)
    """Further arguments, such as `encrypt`."""

    def hcl(self, version: str, endpoint: str) -> str:
        """The `terraform` block for one version."""
        arguments: dict[str, object] = {"bucket": self.place.bucket, "key": self.key, "region": "us-east-1"}
        if self.mode.table:
            arguments["dynamodb_table"] = self.place.table
        if self.mode.lockfile:
            arguments["use_lockfile"] = True
        if number(version) < (1, 6):
            arguments |= dict.fromkeys(("endpoint", "dynamodb_endpoint", "sts_endpoint", "iam_endpoint"), endpoint)
            arguments["force_path_style"] = True
        arguments |= self.options
        lines = "".join(f"    {name} = {json.dumps(value)}\n" for name, value in arguments.items())
        return f'terraform {{\n  backend "s3" {{\n{lines}  }}\n}}\n'


class Terraform:
    """One developer: a version, a working directory and the environment of their shell."""

    def __init__(
        self,
        directory: Path,
        *,
        version: str = NEWEST,
        cloud: Cloud | None = None,
        credentials: Credentials | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Make the directory, with its own HOME and CLI configuration beside it."""
        self.version = version
        self.cloud = cloud
        self.directory = directory / "work"
        self.directory.mkdir(parents=True, exist_ok=True)
        home = directory / "home"
        home.mkdir(exist_ok=True)
        settings = home / "terraform.rc"
        settings.write_text(_cli_configuration(version), encoding="utf-8")
        if number(version) < (0, 13):
            plugins = home / ".terraform.d" / "plugins"
            plugins.mkdir(parents=True, exist_ok=True)
            (plugins / "linux_amd64").symlink_to(old_provider_directory())
        self._children: list[Child] = []
        self.environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "USER": directory.name,
            "LANG": "C.UTF-8",
            "TF_CLI_CONFIG_FILE": str(settings),
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_CLI_ARGS": "-no-color",
            "AWS_CONFIG_FILE": str(home / "no-aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "no-aws-credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if cloud is not None:
            self.environment |= cloud.environment(credentials)
        self.environment |= environment or {}

    def backend(self, block: S3Backend, *, endpoint: str | None = None) -> Terraform:
        """Write the backend block; `endpoint` stands for the cloud's own where a proxy lies between."""
        assert self.cloud is not None
        self.environment["AWS_ENDPOINT_URL"] = endpoint or self.cloud.endpoint
        return self.write("backend.tf", block.hcl(self.version, endpoint or self.cloud.endpoint))

    def write(self, name: str, text: str) -> Terraform:
        """Write one file of the configuration."""
        (self.directory / name).write_text(text, encoding="utf-8")
        return self

    def remove(self, name: str) -> Terraform:
        """Take one file of the configuration away."""
        (self.directory / name).unlink()
        return self

    def start(self, *arguments: str) -> Child:
        """Run a command in the background."""
        child = Child(
            [terraform_program(self.version), *arguments],
            environment=self.environment,
            directory=self.directory,
        )
        self._children.append(child)
        return child

    def run(self, *arguments: str, stdin: str | None = None, seconds: float = _COMMAND_SECONDS) -> Outcome:
        """Run a command to its end, whatever its exit code."""
        child = self.start(*arguments)
        if stdin is not None:
            child.answer(stdin)
        return self.finish(child, seconds=seconds)

    def finish(self, child: Child, *, seconds: float = _COMMAND_SECONDS) -> Outcome:
        """Wait for a command that was started in the background."""
        return _plain(child.wait(seconds=seconds)) if self._speaks_in_prefixes else child.wait(seconds=seconds)

    def ok(self, *arguments: str, stdin: str | None = None, seconds: float = _COMMAND_SECONDS) -> Outcome:
        """Run a command that must answer 0."""
        return self.run(*arguments, stdin=stdin, seconds=seconds).ok()

    def init(self, *arguments: str) -> Outcome:
        return self.ok("init", "-input=false", *arguments)

    def apply(self, *arguments: str) -> Outcome:
        return self.ok("apply", "-auto-approve", "-input=false", *arguments)

    def start_apply(self, *arguments: str) -> Child:
        return self.start("apply", "-auto-approve", "-input=false", *arguments)

    def start_login(self, host: str, certificate: Path) -> tuple[Child, str]:
        """Begin to log in; the command, which goes on when a browser has been to this address."""
        self.environment["BROWSER"] = "true"  # no browser is opened where one is installed
        self.environment["SSL_CERT_FILE"] = str(certificate)
        del self.environment["TF_CLI_CONFIG_FILE"]  # with it set, saved logins are not read
        (self.directory.parent / "home" / ".terraform.d").mkdir(exist_ok=True)
        login = self.start("login", host)
        login.answer("yes")
        return login, login.wait_for(r"(https://\S+/oauth/authorization\?[^\s'\"]+)[\s'\"]", seconds=30)[1]

    def state(self) -> dict[str, object]:
        """The state as `state pull` gives it; empty if there is none."""
        text = self.ok("state", "pull").stdout.strip()
        return json.loads(text) if text else {}

    def resources(self) -> list[str]:
        """Addresses in the state, sorted."""
        return sorted(self.ok("state", "list").stdout.split())

    def workspaces(self) -> list[str]:
        """Names of the workspaces in the order of `workspace list`."""
        return re.findall(r"^[ *] (\S+)$", self.ok("workspace", "list").stdout, re.MULTILINE)

    def close(self) -> None:
        """End what still runs."""
        for child in self._children:
            if child.running:
                child.end()

    @property
    def _speaks_in_prefixes(self) -> bool:
        return number(self.version) < (1, 0)


def _cli_configuration(version: str) -> str:
    if number(version) < (0, 13):
        return ""
    return (
        f"provider_installation {{\n  filesystem_mirror {{\n    path = {json.dumps(str(provider_mirror()))}\n  }}\n}}\n"
    )


def _plain(outcome: Outcome) -> Outcome:
    """Undo how these builds of Terraform < 1.0 speak: both outputs on one, each piece marked `o:` or `e:`, and a trace log."""
    pieces = re.split(r"(?:\A|(?<=\n)|(?<=\x1b\[0m))([oe]):", outcome.stdout)
    spoken = {"o": pieces[0], "e": ""}
    for mark, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        spoken[mark] += piece + ("" if piece.endswith("\n") else "\n")
    log = "\n".join(
        line for line in outcome.stderr.splitlines() if not re.match(r"\d{4}[/-]\d\d[/-]\d\d[ T]\d\d:\d\d:\d\d", line)
    )
    return Outcome(outcome.command, outcome.code, spoken["o"], spoken["e"] + log)
