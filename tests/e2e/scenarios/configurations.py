"""Small Terraform configurations."""

from __future__ import annotations

import json

from tests.e2e.clouds import Cloud


def resources(*names: str, waiting: dict[str, str] | None = None) -> str:
    """Built-in resources (Terraform 1.4 and newer); those named in `waiting` run that shell command while they are made."""
    blocks = []
    for name in names:
        command = (waiting or {}).get(name)
        stop = f'  provisioner "local-exec" {{\n    command = "{_quoted(command)}"\n  }}\n' if command else ""
        blocks.append(f'resource "terraform_data" "{name}" {{\n  input = "{name}"\n{stop}}}\n')
    return "".join(blocks)


def outputs(**values: str) -> str:
    """Outputs only: a configuration that every version can apply without a provider."""
    return "".join(f'output "{name}" {{\n  value = "{_quoted(value)}"\n}}\n' for name, value in values.items())


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def aws_provider(cloud: Cloud, *services: str, signed: bool = False) -> str:
    """The AWS provider 3.39 pointed at one server for the named services.

    With `signed`, the provider asks who it is, as it does by default; without, any credentials will do.
    """
    endpoints = "".join(f"    {service} = {json.dumps(cloud.endpoint)}\n" for service in services)
    skipping = "" if signed else "  skip_credentials_validation = true\n  skip_requesting_account_id = true\n"
    return (
        'provider "aws" {\n  region = "us-east-1"\n'
        f"  access_key = {json.dumps(cloud.credentials.access_key_id)}\n"
        f"  secret_key = {json.dumps(cloud.credentials.secret_access_key)}\n{skipping}"
        "  skip_metadata_api_check = true\n  skip_get_ec2_platforms = true\n  s3_force_path_style = true\n"
        f"  endpoints {{\n{endpoints}  }}\n}}\n"
    )
