"""`lockhouse namespace`."""

from __future__ import annotations

from typing import Annotated

import typer

from lockhouse.cli.arguments import Namespace
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, facts, short

group = typer.Typer(no_args_is_help=True, help="Namespaces: the owners of names; buckets for S3 clients.")


@command(group, "create")
def create(
    run: Run,
    name: Namespace,
    *,
    region: Annotated[str, typer.Option("--region", help="Its region, for S3 clients.")] = "",
    require_lock: Annotated[
        bool | None, typer.Option("--require-lock/--no-require-lock", help="Whether state writes need a lock.")
    ] = None,
    lock_table: Annotated[
        str,
        typer.Option("--lock-table", metavar="TABLE", help="Make this table for locks, too, unless it is there."),
    ] = "",
    if_not_exists: Annotated[
        bool, typer.Option("--if-not-exists", help="Leave it as it is when it is there; make what is missing.")
    ] = False,
) -> None:
    """Create a namespace, and the table that `dynamodb_table` names.

    Example: lockhouse namespace create acme-terraform-state --lock-table acme-terraform-locks

    A namespace that is there already gets its lock table with --if-not-exists, which may be said again and again.

    Example: lockhouse namespace create acme-terraform-state --if-not-exists --lock-table acme-terraform-locks
    """
    made = run.client.create_namespace(
        name, region=region, require_lock=require_lock, lock_table=lock_table, if_not_exists=if_not_exists
    )
    done = f"{made.name} is there" if if_not_exists else f"created {made.name}"
    run.show(made, done + (f", with the lock table {lock_table}" if lock_table else ""))


@command(group, "list")
def list_all(run: Run) -> None:
    """List the namespaces that you may see.

    Example: lockhouse namespace list
    """
    found = run.client.namespaces()
    rows = [(each.name, each.region, short(each.created_at), "yes" if each.require_lock else "") for each in found]
    run.show(
        found,
        columns(("name", "region", "created", "lock required"), rows, "no namespaces", least=("region", "created")),
    )


@command(group, "require-lock")
def require_lock(
    run: Run,
    name: Namespace,
    *,
    off: Annotated[bool, typer.Option("--off", help="Let states be written without a lock again.")] = False,
) -> None:
    """Refuse state writes without a lock in a namespace.

    Example: lockhouse namespace require-lock terraform-state
    """
    found = run.client.set_namespace_require_lock(name, required=not off)
    run.show(found, facts((("name", found.name), ("lock required", "yes" if found.require_lock else "no"))))


@command(group, "delete")
def delete(run: Run, name: Namespace) -> None:
    """Delete a namespace that has nothing in it.

    Example: lockhouse namespace delete old-terraform-state
    """
    run.client.delete_namespace(name)
    run.done(name=name, text=f"deleted {name}")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="namespace")
