"""`lockhouse import` and `lockhouse export`."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.arguments import Output
from lockhouse.cli.exits import Exit
from lockhouse.cli.frame import Run, command
from lockhouse.cli.places import Blobs, Database, EncryptionKey, readable, ring_of
from lockhouse.cli.printing import columns, facts, short, size
from lockhouse.cli.progress import Meter
from lockhouse.errors import FROM_A_BACKUP, EncryptionKeyInvalid, RequestInvalid

_SHOWN = 10
"""Names in a message at the most."""

if TYPE_CHECKING:
    from lockhouse.clients.imports.run import Summary
    from lockhouse.clients.imports.source import Source


def bring(
    run: Run,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="s3://BUCKET[/PREFIX], a directory of states, or an exported tree.",
            show_default=False,
        ),
    ],
    *,
    namespace: Annotated[
        str,
        typer.Option("--namespace", help="Where to; made if missing. Without it: as the bucket or the tree says."),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come; change nothing.")] = False,
    source_endpoint: Annotated[
        str, typer.Option("--source-endpoint", metavar="URL", help="Of an S3-compatible store other than AWS.")
    ] = "",
    region: Annotated[
        str, typer.Option("--region", envvar="AWS_REGION", help="Of the bucket; found out if it is another.")
    ] = "us-east-1",
    profile: Annotated[str, typer.Option("--profile", help="Of the AWS credentials file.")] = "",
    lock_table: Annotated[
        str, typer.Option("--lock-table", metavar="TABLE", help="The DynamoDB table with the locks of the bucket.")
    ] = "",
) -> None:
    """Import states with their whole history; nothing is removed or changed at the source.

    Every version comes in order, with the time at which it was written, and is compared with the source's digest. Run
    again, it goes on: nothing comes twice. A state that was written to here since is left alone and told. Locks that
    are held at the source are told, and not held here. Needs the right `admin`. AWS credentials come from the
    environment or the credentials file.

    Example: lockhouse import s3://acme-terraform-state --lock-table acme-locks --dry-run
    Example: lockhouse import ./states --namespace acme-states
    """
    from lockhouse.clients.imports import run as imports

    opened = _source(source, source_endpoint, region, profile, lock_table)
    if not namespace and source.startswith("s3://"):
        namespace = source.removeprefix("s3://").partition("/")[0]
    if not namespace and not (Path(source).expanduser() / "index.jsonl").is_file():
        raise RequestInvalid("cannot tell where the states are to go", hint="name a namespace: --namespace NAME")
    with Meter() as meter:
        summary = imports.run(
            run.client,
            opened,
            namespace=namespace,
            dry_run=dry_run,
            progress=lambda so_far: meter.tell("versions", so_far.imported + so_far.present, so_far.versions),
        )
    run.show(summary, _text(summary))
    if summary.failed or summary.more_trouble:
        raise typer.Exit(Exit.FAILED)
    if summary.conflicts:
        raise typer.Exit(Exit.CONFLICT)


def export(
    run: Run,
    target: Annotated[str, typer.Argument(metavar="DIR", help="A new directory.", show_default=False)],
    *,
    namespace: Annotated[str, typer.Option("--namespace", help="Only this one.")] = "",
    history: Annotated[bool, typer.Option("--history", help="Every version, not only the newest.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="From the data directory (--data) or database; no server is asked.")
    ] = False,
    backup: Annotated[str, typer.Option("--backup", metavar="DIR", help="From a backup; no server is asked.")] = "",
    database: Database = "",
    blobs: Blobs = "",
    encryption_key: EncryptionKey = "",
) -> None:
    """Write all states as plain files, which need no Lockhouse to be read: break glass.

    The files lie as S3 keys do, so that `aws s3 sync` pushes them into a bucket; a README says how to go on. With
    --offline or --backup it works when the server is dead. `lockhouse import DIR` takes the tree back.

    Example: lockhouse export states --history
    Example: lockhouse export states --offline --data /var/lib/lockhouse
    Example: lockhouse export states --backup /backups/lockhouse-20260101T000000Z
    """
    from lockhouse.clients.exporting import ServerExport
    from lockhouse.storage.carry import tree
    from lockhouse.storage.carry.building import built
    from lockhouse.storage.carry.exporting import PlaceExport

    place = Path(target).expanduser()
    with built(place) as work, Meter() as meter:

        def told(so_far: tree.Exported) -> None:
            meter.tell("versions", so_far.versions)

        if offline or backup or database:
            ring = ring_of(encryption_key)
            with readable(run.connection["data"], database, blobs, backup, ring) as (kept, snapshot):
                made = PlaceExport(kept, snapshot, namespace=namespace, history=history)
                done = tree.write_tree(work, made.keys(), made.fetch, made.locks(), source=kept.name, progress=told)
        else:
            asked = ServerExport(run.client, namespace=namespace, history=history)
            done = tree.write_tree(
                work, asked.keys(), asked.fetch, asked.locks(), source=run.client.endpoint, progress=told
            )
    run.show(
        done,
        f"exported {done.versions} versions of {done.keys} keys ({size(done.bytes)}) into {place}: see its README.md\n",
    )
    if done.withheld:
        shown = ", ".join(done.withheld[:_SHOWN]) + (", …" if len(done.withheld) > _SHOWN else "")
        raise EncryptionKeyInvalid(
            "cannot export what was stored with a customer key (SSE-C) and is not shared; not there, or not with all "
            f"versions: {shown}",
            hint="lockhouse state share-customer-key NAMESPACE KEY for each, or export with --offline or --backup",
            reason="missing",
        )


def decrypt(
    run: Run,
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", show_default=False)] = "",
    key: Annotated[str, typer.Argument(metavar="KEY", show_default=False)] = "",
    *,
    version: Annotated[str, typer.Option("--version", help="Which; without it, the newest.")] = "",
    file: Annotated[
        str, typer.Option("--file", metavar="FILE", help="A stored body under its own name, instead of an address.")
    ] = "",
    data: Annotated[
        str, typer.Option("--data", envvar="LOCKHOUSE_DATA", help="The data directory, whose server is stopped.")
    ] = "",
    backup: Annotated[str, typer.Option("--backup", metavar="DIR", help="A backup, instead of a data directory.")] = "",
    database: Database = "",
    blobs: Blobs = "",
    encryption_key: EncryptionKey = "",
    output: Output = "",
) -> None:
    """Open one version without a server: from a data directory, a database or a backup, with the key file.

    The bytes go to standard output, or to a new file (-o), and are compared with their digest: exit code 1 says that
    what was written must not be used. With --file a body that was saved from a broken disk or bucket is opened; the
    data or the backup says which key opens it.

    Example: lockhouse decrypt acme-states app/terraform.tfstate --data /var/lib/lockhouse -o app.tfstate
    Example: lockhouse decrypt --file 3f0c… --backup /backups/monday --encryption-key /safe/keys/encryption.key
    """
    import hashlib
    import sys

    from lockhouse.core.addresses import Address
    from lockhouse.errors import StorageUnavailable
    from lockhouse.storage.carry import decrypting
    from lockhouse.storage.carry.archive import private

    if bool(file) == bool(namespace and key):
        raise RequestInvalid("cannot tell what to open", hint="name a namespace and a key, or --file FILE")
    if not output and run.as_json:
        raise RequestInvalid("cannot print both bytes and JSON", hint="write the bytes to a file: --output FILE")
    with readable(data, database, blobs, backup, ring_of(encryption_key)) as (place, snapshot):
        if file:
            plain = decrypting.open_file(place, snapshot, Path(file).expanduser())
        else:
            plain = decrypting.open_version(place, snapshot, Address(namespace, key), version)
        digest = hashlib.sha256()
        target = open(output, "xb", opener=private) if output else sys.stdout.buffer  # noqa: SIM115 - closed below
        try:
            with target if output else contextlib.nullcontext():
                for piece in plain.pieces:
                    digest.update(piece)
                    target.write(piece)
                target.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            # A part of a state must not be taken for one: the file was made here, and goes.
            if output:
                Path(output).unlink()
            raise StorageUnavailable(
                f"cannot write {output or 'the bytes'}: {error.strerror}", hint="name another file: -o FILE"
            ) from error
    body = plain.version.body
    if body is None or digest.digest() != body.sha256:
        raise StorageUnavailable(
            f"cannot open {plain.address.lock_id}: its bytes are damaged; do not use what was written",
            hint=FROM_A_BACKUP,
        )
    if output:
        run.done(
            namespace=plain.address.namespace,
            key=plain.address.key,
            version=plain.version.id,
            file=output,
            text=f"wrote {plain.address.lock_id} version {plain.version.id} ({size(body.size)}) to {output}",
        )


def _source(source: str, endpoint: str, region: str, profile: str, table: str) -> Source:
    from lockhouse.clients.imports.s3 import S3Source
    from lockhouse.clients.imports.signing import find_key
    from lockhouse.clients.imports.tree import directory_source

    if source.startswith("s3://"):
        bucket, _, prefix = source.removeprefix("s3://").partition("/")
        if not bucket:
            raise RequestInvalid(
                f"cannot use {source!r} as a source: it names no bucket", hint="lockhouse import s3://BUCKET"
            )
        key = find_key(os.environ, profile)
        endpoint = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3", "") or os.environ.get("AWS_ENDPOINT_URL", "")
        return S3Source(bucket, key, prefix=prefix, endpoint=endpoint, region=region, table=table)
    if "://" in source:
        raise RequestInvalid(
            f"cannot use {source!r} as a source: it must be s3://BUCKET or a directory",
            hint="lockhouse import s3://BUCKET, or lockhouse import DIRECTORY",
        )
    return directory_source(Path(source).expanduser())


def _text(summary: Summary) -> str:
    trouble = [
        *((each.namespace, each.key, "conflict", each.reason) for each in summary.conflicts),
        *((each.namespace, each.key, "failed", each.reason) for each in summary.failed),
    ]
    held = [(each.key, each.who, each.operation, short(each.created), each.id) for each in summary.held_locks]
    text = facts(
        (
            ("source", summary.source),
            ("keys", str(summary.keys)),
            ("versions", f"{summary.versions} ({summary.delete_markers} delete markers, {size(summary.bytes)})"),
            ("would be imported" if summary.dry_run else "imported", str(summary.imported)),
            ("there already", str(summary.present)),
            ("digests of the source", f"{summary.verified_by_source} compared" if not summary.dry_run else ""),
            ("conflicts", str(len(summary.conflicts)) if summary.conflicts else ""),
            ("failed", str(len(summary.failed) + summary.more_trouble) if summary.failed else ""),
        )
    )
    if trouble:
        text += "\n" + columns(("namespace", "key", "what", "reason"), trouble, "", prose=("reason",))
    if held:
        text += "\nheld at the source, and by nobody here:\n"
        text += columns(("key", "who", "operation", "since", "lock id"), held, "", least=("operation", "lock id"))
    return text


def register(app: typer.Typer) -> None:
    command(app, "import")(bring)
    command(app, "export")(export)
    command(app, "decrypt", connects=False)(decrypt)
