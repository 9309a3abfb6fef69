"""`lockhouse state undelete`, `state trash`, `state purge` and `state tag`."""

from __future__ import annotations

from typing import Annotated

import typer

from lockhouse.cli.arguments import Key, Namespace, Yes, confirm
from lockhouse.cli.commands import states
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, facts, optional, short, size
from lockhouse.errors import RequestInvalid

Trashed = Annotated[str, typer.Option("--version", metavar="ID", help="As `state trash` shows it.", show_default=False)]


def undelete(run: Run, namespace: Namespace, key: Key, *, version: Trashed = "") -> None:
    """Bring a deleted state back as it was; or, with --version, a version from the trash.

    Example: lockhouse state undelete terraform-state app/terraform.tfstate
    """
    found = run.client.undelete(namespace, key, version)
    current = "is current again" if found.current else "is in the history again"
    run.show(found, f"version {found.id} of {namespace}/{key} {current}")


def trash(run: Run, namespace: Namespace, key: Key) -> None:
    """List the versions of a state that were deleted by their id or by retention, and can be had back.

    Example: lockhouse state trash terraform-state app/terraform.tfstate
    """
    found = run.client.trash(namespace, key)
    rows = [
        (
            each.version.id,
            optional(each.version.serial),
            size(each.version.size),
            short(each.version.created_at),
            short(each.discarded_at),
            each.by or each.reason,
            short(each.until),
        )
        for each in found
    ]
    titles = ("version", "serial", "size", "created", "deleted", "by", "can be had back until")
    run.show(found, columns(titles, rows, "nothing in the trash", least=("size", "created", "serial")))


def purge(
    run: Run,
    namespace: Namespace,
    key: Key,
    *,
    version: Annotated[str, typer.Option("--version", metavar="ID", help="As `state trash` shows it.")],
    yes: Yes = False,
) -> None:
    """End a version that lies in the trash for good: nobody can have its bytes back.

    Example: lockhouse state purge terraform-state app/terraform.tfstate --version 41.Zk1x2m3n4o5p6q7r
    """
    confirm(f"End version {version} of {namespace}/{key} for good?", yes=yes)
    found = run.client.purge(namespace, key, version)
    run.show(found, f"purged version {version} of {namespace}/{key}")


def tag(
    run: Run,
    namespace: Namespace,
    key: Key,
    tags: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE", help="All tags that it is to have.", show_default=False),
    ] = None,
    *,
    version: Annotated[str, typer.Option("--version", metavar="ID", help="Which; without it, the newest.")] = "",
    none: Annotated[bool, typer.Option("--none", help="Take all tags away.")] = False,
) -> None:
    """Tag a version. Retention rules can keep what is tagged.

    Example: lockhouse state tag terraform-state app/terraform.tfstate release=2026-11
    """
    if bool(tags) == none:
        raise RequestInvalid(
            "cannot tell which tags are meant: name them, or say --none",
            hint="lockhouse state tag NAMESPACE KEY --none, or its tags as NAME=VALUE",
        )
    pairs = dict(each.partition("=")[::2] for each in tags or ())
    found = run.client.set_tags(namespace, key, run.client.version_id(namespace, key, version), pairs)
    shown = " ".join(f"{name}={value}" if value else name for name, value in sorted(found.tags.items()))
    run.show(found, facts((("version", found.id), ("tags", shown or "none"))))


def register(app: typer.Typer) -> None:
    """They belong to the group `state`, which is in `app` already."""
    assert app is not None
    for name, act in (("undelete", undelete), ("trash", trash), ("purge", purge), ("tag", tag)):
        command(states.group, name)(act)
