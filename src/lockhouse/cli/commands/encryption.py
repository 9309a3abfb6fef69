"""`lockhouse encryption`: the keys that seal states."""

from __future__ import annotations

import typer

from lockhouse.cli.frame import Run, command

group = typer.Typer(no_args_is_help=True, help="The keys that seal states.")


@command(group, "key", connects=False)
def key(run: Run) -> None:
    """Make a key-encryption key and print it, for a file or variable that you keep yourself.

    Example: lockhouse encryption key >> /etc/lockhouse/encryption.key
    """
    import secrets

    from lockhouse.sealing.ring import KEK_BYTES, key_id, key_text

    made = secrets.token_bytes(KEK_BYTES)
    run.show({"id": key_id(made), "key": key_text(made)}, f"{key_text(made)}  # {key_id(made)}")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="encryption")
