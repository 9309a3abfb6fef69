"""`lockhouse state` and `lockhouse state parked`."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.arguments import Key, Namespace, Output, ParkedId, Yes, confirm
from lockhouse.cli.commands import comparing
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, facts, optional, progress, short, size
from lockhouse.core.addresses import Address
from lockhouse.core.agents import program
from lockhouse.errors import RequestInvalid

if TYPE_CHECKING:
    from lockhouse.protocols.api.wire import VersionDocument

group = typer.Typer(no_args_is_help=True, help="States: their versions, and going back.")
parked_group = typer.Typer(no_args_is_help=True, help="Parked writes: what had to be refused, kept until you decide.")


@command(group, "list")
def list_all(
    run: Run,
    namespace: Namespace,
    *,
    prefix: Annotated[str, typer.Option("--prefix", help="Only keys that start with this.")] = "",
    deleted: Annotated[bool, typer.Option("--deleted", help="Those that were deleted: state undelete.")] = False,
) -> None:
    """List the states of a namespace.

    Example: lockhouse state list terraform-state --prefix apps/
    """
    found = run.client.states(namespace, prefix, deleted=deleted)
    rows = [
        (
            each.key,
            optional(each.serial),
            optional(each.resources),
            size(each.size),
            short(each.updated_at),
            each.by,
            each.locked_by,
            str(each.parked) if each.parked else "",
        )
        for each in found
    ]
    titles = ("key", "serial", "resources", "size", "updated", "by", "locked by", "parked")
    run.show(
        found,
        columns(
            titles, rows, f"no states in {namespace} that you may read", least=("resources", "size", "serial", "by")
        ),
    )


@command(group, "show")
def show(run: Run, namespace: Namespace, key: Key) -> None:
    """Show a state: its current version, its lock, its parked writes.

    Example: lockhouse state show terraform-state app/terraform.tfstate
    """
    found = run.client.state(namespace, key)
    held = found.lock
    run.show(
        found,
        facts(
            (
                ("state", f"{found.namespace}/{found.key}"),
                *(_version(found.current) if found.current else (("current", "none"),)),
                ("versions", str(found.versions)),
                ("parked", str(found.parked) if found.parked else ""),
                ("lock required", "yes" if found.require_lock else ""),
                ("customer key shared", "yes" if found.share_customer_key else ""),
                ("locked by", f"{held.name} ({held.who}) since {short(held.since)}, id {held.id}" if held else ""),
            )
        ),
    )


def by_run(found: Sequence[VersionDocument]) -> list[tuple[VersionDocument, int]]:
    """The last version of each run, newest first, with how many snapshots the same run wrote before it."""
    runs: list[tuple[VersionDocument, int]] = []
    for each in found:
        last = runs[-1] if runs else None
        if last is not None and each.lock_id and each.lock_id == last[0].lock_id and not (each.deleted or each.mark):
            runs[-1] = (last[0], last[1] + 1)
        else:
            runs.append((each, 0))
    return runs


@command(group, "versions")
def versions(
    run: Run,
    namespace: Namespace,
    key: Key,
    *,
    limit: Annotated[int, typer.Option("--limit", help="How many, newest first.", min=1)] = 100,
    everything: Annotated[bool, typer.Option("--all", help="Show the snapshots within a run one by one.")] = False,
) -> None:
    """List the versions of a state, newest first.

    What one run wrote under one lock is shown as one line, its last version, with the number of snapshots before it;
    `--all` and `--json` show each. The mark says how a version came about: `unlocked` (without a lock),
    `override` (past the serial rule), `rollback`, `accepted` (it had been parked).

    Example: lockhouse state versions terraform-state app/terraform.tfstate
    """
    found = run.client.versions(namespace, key, limit)
    rows = [
        (
            "*" if each.current else "",
            each.id,
            str(snapshots) if snapshots else "",
            "deleted" if each.deleted else optional(each.serial),
            optional(each.resources),
            size(each.size) if not each.deleted else "",
            short(each.created_at),
            each.by,
            each.protocol,
            each.mark,
            each.lock_id,
        )
        for each, snapshots in (((each, 0) for each in found) if everything else by_run(found))
    ]
    titles = ("", "version", "snapshots", "serial", "resources", "size", "created", "by", "through", "mark", "lock id")
    least = ("lock id", "snapshots", "through", "size", "resources")
    run.show(found, columns(titles, rows, "no versions", least=least))


@command(group, "download")
def download(
    run: Run,
    namespace: Namespace,
    key: Key,
    *,
    version: Annotated[str, typer.Option("--version", help="Which; without it, the current one.")] = "",
    output: Output = "",
) -> None:
    """Download a version, byte for byte, to standard output or a file.

    Example: lockhouse state download terraform-state app/terraform.tfstate -o app.tfstate
    """
    _save(run, run.client.download(namespace, key, run.client.version_id(namespace, key, version)), output)


comparing.register(group)


@command(group, "restore")
def restore(
    run: Run,
    namespace: Namespace,
    key: Key,
    *,
    version: Annotated[
        str, typer.Option("--version", help="As `state versions` shows it, or its number.", show_default=False)
    ],
) -> None:
    """Make an old version current again, as a new version with the highest serial plus one. Nothing is removed.

    Example: lockhouse state restore terraform-state app/terraform.tfstate --version 3.Zk1x…
    """
    old = run.client.version_id(namespace, key, version)
    made = run.client.restore(namespace, key, old)
    run.show(made, f"restored {old} as {made.id} with serial {made.serial}")


@command(group, "require-lock")
def require_lock(
    run: Run,
    namespace: Namespace,
    key: Key,
    *,
    off: Annotated[bool, typer.Option("--off", help="Let it be written without a lock again.")] = False,
) -> None:
    """Refuse writes of a state without a lock.

    Example: lockhouse state require-lock terraform-state app/terraform.tfstate
    """
    found = run.client.set_state_require_lock(namespace, key, required=not off)
    run.show(found, facts((("state", f"{namespace}/{key}"), ("lock required", "yes" if found.require_lock else "no"))))


@command(group, "share-customer-key")
def share_customer_key(
    run: Run,
    namespace: Namespace,
    key: Key,
    *,
    off: Annotated[bool, typer.Option("--off", help="Keep it to S3 again.")] = False,
) -> None:
    """Let a state with a customer's key (S3's SSE-C) be read over http, cloud and these commands, too.

    Only S3 asks for that key; elsewhere everybody with the right to read can read it then.

    Example: lockhouse state share-customer-key terraform-state app/terraform.tfstate
    """
    found = run.client.set_state_share_customer_key(namespace, key, shared=not off)
    shared = "yes" if found.share_customer_key else "no"
    run.show(found, facts((("state", f"{namespace}/{key}"), ("customer key shared", shared))))


@command(group, "delete")
def delete(
    run: Run,
    namespace: Namespace,
    key: Key,
    *,
    force: Annotated[bool, typer.Option("--force", help="Even while it describes resources.")] = False,
) -> None:
    """Delete a state. Its versions stay: `state undelete` brings it back.

    Example: lockhouse state delete terraform-state old/app.tfstate
    """
    deleted = run.client.delete_state(namespace, key, force=force)
    back = f"lockhouse state undelete {Address(namespace, key).words}"
    run.show(deleted, f"deleted {namespace}/{key}; to have it back: {back}")


@command(parked_group, "list")
def parked_list(
    run: Run,
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help="Only of this one.")] = "",
    key: Annotated[str, typer.Argument(metavar="KEY", help="Only of this state.")] = "",
) -> None:
    """List parked writes: all, those of a namespace, or those of one state.

    Example: lockhouse state parked list terraform-state app/terraform.tfstate
    """
    found = run.client.parked_writes(namespace, key)
    rows = [
        (
            each.id,
            f"{each.namespace}/{each.key}",
            each.reason,
            optional(each.serial),
            optional(each.current_serial),
            short(each.created_at),
            each.by,
        )
        for each in found
    ]
    titles = ("id", "state", "reason", "serial", "current serial", "created", "by")
    run.show(found, columns(titles, rows, "no parked writes that you may read", least=("current serial", "serial")))


@command(parked_group, "show")
def parked_show(run: Run, parked: ParkedId) -> None:
    """Show a parked write: why it was refused, and how it compares with the current version.

    Example: lockhouse state parked show 4f1d0a
    """
    found = run.client.parked(parked)
    compared = "" if run.as_json else "\n" + comparing.parked_text(run, found)
    run.show(
        found,
        facts(
            (
                ("id", found.id),
                ("state", f"{found.namespace}/{found.key}"),
                ("refused", found.message),
                ("reason", found.reason),
                ("serial", optional(found.serial)),
                ("current serial", optional(found.current_serial)),
                ("lineage", found.lineage),
                ("size", size(found.size)),
                ("created", short(found.created_at)),
                ("by", f"{found.by} from {found.peer} {program(found.agent)}".strip()),
                ("accept it", f"lockhouse state parked accept {found.id}"),
                ("drop it", f"lockhouse state parked drop {found.id}"),
            )
        )
        + compared,
    )


@command(parked_group, "download")
def parked_download(run: Run, parked: ParkedId, *, output: Output = "") -> None:
    """Download the bytes of a parked write, to standard output or a file.

    Example: lockhouse state parked download 4f1d0a --output parked.tfstate
    """
    _save(run, run.client.download_parked(parked), output)


@command(parked_group, "accept")
def parked_accept(run: Run, parked: ParkedId) -> None:
    """Make a parked write the current version, byte for byte. The version before it stays.

    Example: lockhouse state parked accept 4f1d0a
    """
    made = run.client.accept_parked(parked)
    run.show(made, f"accepted {parked} as version {made.id} with serial {optional(made.serial)}")


@command(parked_group, "drop")
def parked_drop(run: Run, parked: ParkedId, *, yes: Yes = False) -> None:
    """Forget a parked write. It may be the only copy: download it first.

    Example: lockhouse state parked drop 4f1d0a
    """
    confirm(f"Forget the parked write {parked} for good?", yes=yes)
    run.client.drop_parked(parked)
    run.done(id=parked, text=f"dropped {parked}")


def _version(found: VersionDocument) -> tuple[tuple[str, str], ...]:
    return (
        ("version", f"{found.id}{' (deleted)' if found.deleted else ''}"),
        ("serial", optional(found.serial)),
        ("lineage", found.lineage),
        ("terraform", found.terraform_version),
        ("resources", "encrypted by OpenTofu" if found.encrypted else optional(found.resources)),
        ("outputs", optional(found.outputs)),
        ("size", size(found.size) if not found.deleted else ""),
        ("sha-256", found.sha256),
        ("written", f"{short(found.created_at)} by {found.by} through {found.protocol}"),
        ("mark", found.mark),
    )


def _save(run: Run, download: AbstractContextManager[tuple[int, Iterator[bytes]]], output: str) -> None:
    if not output and run.as_json:
        raise RequestInvalid("cannot print a state and a JSON document at once", hint="name a file: --output FILE")
    with download as (total, pieces):
        watched = progress(pieces, total, "downloading")
        if not output:
            for piece in watched:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        save_file(Path(output), watched)
    run.show({"file": output, "size": total}, f"saved {size(total)} to {output}")


def save_file(path: Path, pieces: Iterator[bytes]) -> None:
    """Write a private file (mode 0600) that appears only when it is whole."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for piece in pieces:
                file.write(piece)
        scratch.replace(path)
    except OSError as wrong:
        scratch.unlink(missing_ok=True)
        raise RequestInvalid(
            f"cannot write {path}: {wrong.strerror}", hint="name another file: --output FILE"
        ) from None
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def register(app: typer.Typer) -> None:
    group.add_typer(parked_group, name="parked")
    app.add_typer(group, name="state")
