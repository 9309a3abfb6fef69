"""All commands of the program in their groups, and how a command line that makes no sense is answered."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.exceptions import TyperException

from lockhouse.cli import exits
from lockhouse.cli.commands import (
    access,
    audit,
    backups,
    carrying,
    databases,
    encryption,
    here,
    keeping,
    keys,
    locks,
    maintenance,
    moves,
    namespaces,
    retention,
    serve,
    sessions,
    states,
    trash,
    trusts,
    webhooks,
    workspaces,
)
from lockhouse.cli.exits import Exit, say_problem
from lockhouse.review import command as review

app = typer.Typer(
    name="lockhouse",
    help="Keeps Terraform and OpenTofu states and lets one run through at a time.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root() -> None:
    """Keep the program a group of commands even while it has one."""


for _commands in (
    serve,
    access,
    trusts,
    keys,
    namespaces,
    sessions,
    states,
    trash,
    retention,
    keeping,
    workspaces,
    locks,
    maintenance,
    audit,
    webhooks,
    backups,
    moves,
    databases,
    encryption,
    carrying,
    here,
    review,
):
    _commands.register(app)


def run() -> int:
    """Run the command line; the exit code. A mistake in it is told like every other problem, by what and what next."""
    code: int = Exit.OK

    def act() -> None:
        nonlocal code
        code = _run()
        sys.stdout.flush()  # here it can be told that there is no room

    try:
        return exits.run(act) or code
    except Exception as mistake:  # noqa: BLE001 - the edge: whatever went wrong, it is told in a line
        exits.say_mistake(mistake)
        return Exit.FAILED


def _run() -> int:
    try:
        code: int | None = app(standalone_mode=False)
    except typer.Abort as ended:
        if isinstance(ended.__cause__ or ended.__context__, KeyboardInterrupt):
            if sys.stderr.isatty():
                sys.stderr.write("\n")  # the question stands on this line
            raise KeyboardInterrupt from None
        say_problem("cancelled: nothing was done", "")
        return Exit.FAILED
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            raise ended.__context__ from None  # told as that of every other command: not at all
        raise
    except TyperException as wrong:
        message = wrong.format_message()
        context = getattr(wrong, "ctx", None)
        if message.startswith("Usage: "):  # a group alone: this is its help
            sys.stderr.write(f"{message}\n")
            return Exit.USAGE
        hint = " ".join([app.info.name or "", *_named(sys.argv[1:]), "--help"])
        if context is not None:
            usage = " ".join(context.get_usage().removeprefix("Usage: ").split())
            hint = f"{usage} ({context.command_path} --help says more)"
            arguments = any(each.param_type_name == "argument" for each in context.command.params)
            if message.startswith("No such option") and arguments and "(" not in message and "?" not in message:
                hint += "; a name that starts with a dash goes behind --"
        say_problem(message[:1].lower() + message[1:].removesuffix("."), hint)
        return Exit.USAGE
    return code or Exit.OK


def _named(words: list[str]) -> list[str]:
    """The command with which these words begin."""
    command: Any = typer.main.get_command(app)
    for count, word in enumerate(words):
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            return words[:count]
    return words
