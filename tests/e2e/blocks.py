"""The blocks other than `backend "s3"`: http, remote and cloud, as people write them, for one Lockhouse.

`hostname` stands for the server's name: the CLI configuration leads it to the server's address, which is how plain http
can be used at all (the project's notes on client protocols, section 4.1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.clouds import Lockhouse
from tests.e2e.terraform import S3Backend, Terraform

HOST = "lockhouse.test"


@dataclass(frozen=True)
class HttpBackend:
    """One `backend "http"` block."""

    namespace: str
    key: str
    options: Mapping[str, str] = field(default_factory=dict)

    def address(self, endpoint: str) -> str:
        return f"{endpoint}/http/{self.namespace}/{self.key}"

    def hcl(self, endpoint: str) -> str:
        address = self.address(endpoint)
        arguments = {"address": address, "lock_address": address, "unlock_address": address} | dict(self.options)
        return _block('backend "http"', arguments)


@dataclass(frozen=True)
class RemoteBackend:
    """One `backend "remote"` block."""

    namespace: str
    name: str = ""
    prefix: str = ""

    def hcl(self, endpoint: str) -> str:
        chosen = f'name = "{self.name}"' if self.name else f'prefix = "{self.prefix}"'
        return (
            f'terraform {{\n  backend "remote" {{\n    hostname = "{HOST}"\n    organization = "{self.namespace}"\n'
            f"    workspaces {{\n      {chosen}\n    }}\n  }}\n}}\n"
        )


@dataclass(frozen=True)
class CloudBlock:
    """One `cloud {}` block; `workspaces` is what stands between the braces of its `workspaces` block."""

    namespace: str
    workspaces: str

    def hcl(self, endpoint: str, hostname: str = HOST) -> str:
        return (
            f'terraform {{\n  cloud {{\n    hostname = "{hostname}"\n    organization = "{self.namespace}"\n'
            f"    workspaces {{\n      {self.workspaces}\n    }}\n  }}\n}}\n"
        )


Block = HttpBackend | RemoteBackend | CloudBlock


def _block(kind: str, arguments: Mapping[str, str]) -> str:
    lines = "".join(f"    {name} = {json.dumps(value)}\n" for name, value in arguments.items())
    return f"terraform {{\n  {kind} {{\n{lines}  }}\n}}\n"


def connect(
    terraform: Terraform, server: Lockhouse, token: str | None = None, endpoint: str | None = None
) -> Terraform:
    """Give a developer access to the server by every block: CLI configuration, token, basic authentication."""
    token, endpoint = token or server.token, endpoint or server.endpoint
    settings = terraform.environment["TF_CLI_CONFIG_FILE"]
    services = "".join(
        f'    "{name}" = "{endpoint}/api/v2/"\n' for name in ("state.v2", "tfe.v2", "tfe.v2.1", "tfe.v2.2")
    )
    with Path(settings).open("a", encoding="utf-8") as file:
        file.write(
            f'\nhost "{HOST}" {{\n  services = {{\n{services}  }}\n}}\n'
            f'\ncredentials "{HOST}" {{\n  token = {json.dumps(token)}\n}}\n'
        )
    terraform.environment["TF_HTTP_USERNAME"] = "anybody"
    terraform.environment["TF_HTTP_PASSWORD"] = token
    return terraform


def use(terraform: Terraform, server: Lockhouse, block: Block | S3Backend, endpoint: str | None = None) -> Terraform:
    """Write the block, and nothing else."""
    if isinstance(block, S3Backend):
        return terraform.backend(block, endpoint=endpoint)
    return terraform.write("backend.tf", block.hcl(endpoint or server.endpoint))


def new_token(server: Lockhouse, name: str, rights: str = "read,write,lock,force-unlock", on: str = "*") -> str:
    """A token of a new principal."""
    server.new_key(name, rights, on)
    return server.json("token", "create", "--name", name)["token"]
