"""`lockhouse state diff`, and what `lockhouse state parked show` says of the difference to the current version.

Both bodies are read and compared here, on the user's machine; names are shown and never values, which may be secrets.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.arguments import Key, Namespace
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import progress
from lockhouse.core.addresses import Address
from lockhouse.core.differences import Differences, compare
from lockhouse.errors import DataInvalid, Refusal

if TYPE_CHECKING:
    from lockhouse.protocols.api.wire import ParkedDocument


def diff(
    run: Run,
    namespace: Namespace,
    key: Key,
    *,
    version: Annotated[
        str, typer.Option("--version", help="As `state versions` shows it, or its number.", show_default=False)
    ],
    base: Annotated[str, typer.Option("--from", help="Compared with this one; without it, the current one.")] = "",
) -> None:
    """Show which resources and outputs a version has and another has not (`+`), lacks (`-`) or has otherwise (`~`).

    Without --from that is what restoring the version would change. Values are not shown: they may be secrets.

    Example: lockhouse state diff terraform-state app/terraform.tfstate --version 3.Zk1x…
    """
    base, version = (run.client.version_id(namespace, key, each) for each in (base, version))
    old = _whole(run.client.download(namespace, key, base))
    found = compare(old, _whole(run.client.download(namespace, key, version)))
    if found is None:
        raise DataInvalid(
            f"cannot compare versions of {namespace}/{key}: one of them is encrypted, or no state",
            hint=f"lockhouse state download {Address(namespace, key).words} --version ID -o FILE",
        )
    run.show(found, f"from {base or 'the current version'} to {version}\n{lines(found)}")


def parked_text(run: Run, found: ParkedDocument) -> str:
    """How a parked write compares with the current version, as lines."""
    try:
        current = _whole(run.client.download(found.namespace, found.key))
    except Refusal as refusal:
        if refusal.code not in ("state.not_found", "state.deleted"):
            raise
        current = b""
    differences = compare(current, _whole(run.client.download_parked(found.id)))
    if differences is None:
        return "It cannot be compared with the current version: one of them is encrypted, or no state.\n"
    return f"Accepting it would change the current version so:\n{lines(differences)}"


def lines(found: Differences) -> str:
    """One line for each name, and a last one that counts them."""
    marked = (("+", found.added), ("-", found.removed), ("~", found.changed))
    shown = "".join(f"  {mark} {_one_line(name)}\n" for mark, names in marked for name in names)
    if not shown:
        return "  nothing: resources and outputs are the same\n"
    return f"{shown}  {len(found.added)} more, {len(found.removed)} fewer, {len(found.changed)} other\n"


def _whole(download: AbstractContextManager[tuple[int, Iterator[bytes]]]) -> bytes:
    with download as (total, pieces):
        return b"".join(progress(pieces, total, "downloading"))


def _one_line(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def register(app: typer.Typer) -> None:
    command(app, "diff")(diff)
