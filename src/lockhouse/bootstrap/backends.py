"""The backend blocks and the environment to paste: what a new user needs next, printed by `serve` and `env`."""

from __future__ import annotations

import shlex
from pathlib import Path

from lockhouse.bootstrap.certificates import CERTIFICATE_FILE
from lockhouse.bootstrap.first_start import LOCK_TABLE, FirstCredentials


def environment(credentials: FirstCredentials, region: str, directory: Path) -> dict[str, str]:
    """Variables for Terraform, OpenTofu, the AWS CLI and this program."""
    values = {
        "AWS_ENDPOINT_URL": credentials.endpoint,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "LOCKHOUSE_ENDPOINT": credentials.endpoint,
        "LOCKHOUSE_TOKEN": credentials.token,
    }
    certificate = (directory / CERTIFICATE_FILE).absolute()
    if credentials.endpoint.startswith("https:") and certificate.is_file():
        values |= {"AWS_CA_BUNDLE": str(certificate), "LOCKHOUSE_CA_FILE": str(certificate)}
    return values


def backend_block(namespace: str, region: str, lock: str) -> str:
    """A whole backend block; `lock` is the argument that chooses the lock."""
    return f"""\
terraform {{
  backend "s3" {{
    bucket         = "{namespace}"
    key            = "example/terraform.tfstate"
    region         = "{region}"
    encrypt        = true
    {lock}
  }}
}}
"""


def with_table(namespace: str, region: str) -> str:
    """For every Terraform since 0.12: the lock is an item of a DynamoDB table."""
    return backend_block(namespace, region, f'dynamodb_table = "{LOCK_TABLE}"')


def with_lockfile(namespace: str, region: str) -> str:
    """For Terraform and OpenTofu since 1.10: the lock is an object beside the state."""
    return backend_block(namespace, region, "use_lockfile   = true")


def page(credentials: FirstCredentials, region: str, program: str, directory: str) -> str:
    """All of it, for a terminal. Secrets stay in their file: what is printed here may be kept in a log."""
    return (
        "Add one of these to a Terraform configuration; both take the same lock.\n\n"
        f"{_indented(with_table(credentials.namespace, region))}\n"
        "or, from Terraform 1.10 on:\n\n"
        f"{_indented(with_lockfile(credentials.namespace, region))}\n"
        "In the shell that runs Terraform:\n\n"
        f'  eval "$({shlex.quote(program)} env --data {shlex.quote(directory)})"\n'
    )


def _indented(block: str) -> str:
    return "".join(f"  {line}\n" for line in block.splitlines())
