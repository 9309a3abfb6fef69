"""Small Terraform configurations."""

from __future__ import annotations


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
