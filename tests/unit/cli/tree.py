"""All commands of the program, as the program itself knows them."""

from __future__ import annotations

from typing import Any

import typer
from typer.testing import CliRunner

from lockhouse.cli.tree import app

_runner = CliRunner()


def _walk(command: Any, prefix: str) -> list[str]:
    children = getattr(command, "commands", None)
    if children is None:
        return [prefix]
    return [found for name, child in children.items() for found in _walk(child, f"{prefix} {name}".strip())]


COMMANDS = _walk(typer.main.get_command(app), "")


def names() -> list[str]:
    return sorted(COMMANDS)


def help_of(name: str) -> str:
    done = _runner.invoke(app, [*name.split(), "--help"])
    assert done.exit_code == 0, done.output
    return done.output


def is_command(call: str) -> bool:
    """Whether these words (after `lockhouse`) begin with a command, or are a group of them."""
    words = call.split()
    starts = [" ".join(words[:size]) for size in range(1, len(words) + 1)]
    return any(start in COMMANDS for start in starts) or any(name.startswith(f"{call} ") for name in COMMANDS)
