"""`lockhouse workspace`."""

from __future__ import annotations

from typing import Annotated

import typer

from lockhouse.cli.arguments import Key, Namespace
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, facts

group = typer.Typer(no_args_is_help=True, help="Workspaces: names of states, for cloud and remote blocks.")


@command(group, "list")
def list_all(run: Run, namespace: Namespace) -> None:
    """List the workspaces of a namespace, with the states behind them.

    Example: lockhouse workspace list terraform-state
    """
    found = run.client.workspaces(namespace)
    rows = [(each.name, each.key, each.project, " ".join(each.tags)) for each in found]
    run.show(
        found, columns(("name", "key", "project", "tags"), rows, "no workspaces", least=("project",), prose=("tags",))
    )


@command(group, "name")
def name(
    run: Run,
    namespace: Namespace,
    key: Key,
    new_name: Annotated[str, typer.Argument(metavar="NAME", help="The workspace name.", show_default=False)],
) -> None:
    """Give a state a workspace name, or another one.

    Example: lockhouse workspace name terraform-state app/prod/terraform.tfstate app-prod
    """
    found = run.client.name_workspace(namespace, key, new_name)
    run.show(found, facts((("name", found.name), ("key", found.key), ("id", found.id))))


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="workspace")
