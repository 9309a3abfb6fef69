"""`lockhouse encryption`: the keys that seal states."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, facts, short

if TYPE_CHECKING:
    from lockhouse.protocols.api.wire_encryption import EncryptionDocument

group = typer.Typer(no_args_is_help=True, help="The keys that seal states.")
_ASK_SECONDS = 0.5


@command(group, "status")
def status(run: Run) -> None:
    """Say where the keys are, and how many bodies need each. For administrators.

    Example: lockhouse encryption status
    """
    _show(run, run.client.encryption())


@command(group, "rotate")
def rotate(
    run: Run,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Return when nothing needs an older key any more.")] = False,
) -> None:
    """Make a key, seal with it from now on, and wrap the data keys of all that is sealed with it, while it is served.

    Keep a copy of the key file afterwards: it has one key more. Older keys stay in it, for earlier backups.

    Example: lockhouse encryption rotate --wait
    """
    found = run.client.rotate_encryption()
    while wait and found.rotating:
        time.sleep(_ASK_SECONDS)
        found = run.client.encryption()
    _show(run, found)


@command(group, "retire")
def retire(
    run: Run, key: Annotated[str, typer.Argument(metavar="KEY", help="Its id, as `encryption status` shows it.")]
) -> None:
    """Forget a key that nothing needs any more: servers then start without it.

    Earlier backups still need it; destroy it when these may not be read any more.

    Example: lockhouse encryption retire kek-0123456789abcdef
    """
    _show(run, run.client.retire_encryption(key))


@command(group, "key", connects=False)
def key(run: Run) -> None:
    """Make a key-encryption key and print it, for a file or variable that you keep yourself.

    Example: lockhouse encryption key >> /etc/lockhouse/encryption.key
    """
    import secrets

    from lockhouse.sealing.ring import KEK_BYTES, key_id, key_text

    made = secrets.token_bytes(KEK_BYTES)
    run.show({"id": key_id(made), "key": key_text(made)}, f"{key_text(made)}  # {key_id(made)}")


def _show(run: Run, found: EncryptionDocument) -> None:
    rows = [
        (each.id, short(each.made), each.source, str(each.wraps), "newest" if each.newest else "")
        for each in found.keys
    ]
    doing = "wrapping data keys anew" if found.rotating else "on" if found.on else "off"
    run.show(
        found,
        facts((("sealing", doing), ("keys are in", found.source)))
        + columns(("key", "made", "source", "bodies", ""), rows, "no keys", least=("source", "made")),
    )


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="encryption")
