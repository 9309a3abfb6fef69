"""All commands of the program, as the program itself knows them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import lru_cache
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


_PROGRAM: Any = typer.main.get_command(app)
COMMANDS = _walk(_PROGRAM, "")


def names() -> list[str]:
    return sorted(COMMANDS)


@lru_cache
def help_of(name: str) -> str:
    done = _runner.invoke(app, [*name.split(), "--help"])
    assert done.exit_code == 0, done.output
    return done.output


def refused(words: list[str]) -> str:
    """Why the program does not take these words (after `lockhouse`); nothing is done."""
    command = _PROGRAM
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    if hasattr(command, "commands"):
        return "it is no command"
    try:
        command.make_context("lockhouse", [word for word in words if word != "2>&1"])
    except Exception as wrong:  # noqa: BLE001 - whatever the library for command lines raises
        return str(wrong) or type(wrong).__name__
    return ""


def is_command(call: str) -> bool:
    """Whether these words (after `lockhouse`) begin with a command, or are a group of them."""
    words = call.split()
    starts = [" ".join(words[:size]) for size in range(1, len(words) + 1)]
    return any(start in COMMANDS for start in starts) or any(name.startswith(f"{call} ") for name in COMMANDS)


_MENTION = re.compile(r"(?<![\w./@-])lockhouse (?=[a-z])((?:'[^']*'|\"[^\"]*\"|,(?=\S)|[^;,()`|&>\n])+)")


def mentions(text: str) -> Iterator[str]:
    """What follows `lockhouse ` wherever a sentence names a command, up to where its clause ends."""
    for found in _MENTION.finditer(text):
        yield re.split(r": |(?<=\S)\.(?:\s|$)| (?:or|and|then|to|is|for|in|with) (?!-)", found[1])[0].strip()


@lru_cache
def misnamed(call: str, *, whole: bool = True) -> str:
    """Why what a sentence names is no command that can be given so; prose may follow it.

    A command alone names itself (`lockhouse key grant`). `whole`: as soon as arguments or options stand behind it,
    nothing that it needs may be missing, for it will be pasted."""
    try:
        words = [word for word in shlex.split(call) if word != "--help"]
    except ValueError:
        return "its quotation marks are not closed"
    command = _PROGRAM
    given = words
    while given and given[0] in getattr(command, "commands", {}):
        command, given = command.commands[given[0]], given[1:]
    path = words[: len(words) - len(given)]
    if not path or (given and hasattr(command, "commands")):
        return "it is no command"
    for size in range(len(words), len(path), -1):
        if not refused(words[:size]):
            return "" if not any(word.startswith("--") for word in words[size:]) else refused(words)
    if not given or re.fullmatch(r"[a-z]+[.:]?", given[0]):
        return ""
    wrong = refused(words)
    return "" if not whole and ("Missing parameter" in wrong or "requires an argument" in wrong) else wrong
