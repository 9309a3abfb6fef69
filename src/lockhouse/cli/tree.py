"""All commands of the program in their groups."""

from __future__ import annotations

import typer

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
