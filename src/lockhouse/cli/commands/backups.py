"""`lockhouse backup` and `lockhouse restore`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lockhouse.cli.frame import Run, command, data_directory
from lockhouse.cli.places import Blobs, Database, EncryptionKey, check_current, opened, ring_of
from lockhouse.cli.printing import columns, facts, short, size
from lockhouse.cli.progress import Meter
from lockhouse.errors import RequestInvalid

group = typer.Typer(no_args_is_help=True, help="Backups of everything, while the server serves.")

Backup = Annotated[str, typer.Argument(metavar="BACKUP", help="The directory that `backup create` made.")]
Keys = Annotated[
    str,
    typer.Option("--keys", metavar="DIR", help="A directory with the keys: master.key and the others beside it."),
]
KEYS_NOTE = (
    "The keys are not in it: keep a copy of the key files of the data directory somewhere else, since without them "
    "nothing opens it."
)


@command(group, "create")
def create(
    run: Run,
    *,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Take the keys along: whoever has the backup then has everything.")
    ] = False,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="DIR",
            help="Make it here, without asking a server: of a stopped data directory (--data) or of a database.",
        ),
    ] = "",
    database: Database = "",
    blobs: Blobs = "",
    encryption_key: EncryptionKey = "",
) -> None:
    """Copy everything, while it is served, and verify the copy by restoring it into a scratch database.

    Without --to the server does it, into its directory for backups (setting `backups`).

    Example: lockhouse backup create
    Example: lockhouse backup create --to /backups/monday --database-url postgresql://lockhouse@db/lockhouse --blobs s3://bodies
    """
    if to:
        _create_here(run, to, database, blobs, encryption_key, with_keys=with_keys)
        return
    if database or blobs:
        raise RequestInvalid("cannot tell where the backup is to be made", hint="name a new directory: --to DIR")
    try:
        with Meter("copying and verifying on the server"):
            made = run.client.backup(with_keys=with_keys)
    except KeyboardInterrupt:
        sys.stderr.write("note: the server goes on with this backup\n")
        raise
    run.show(
        made,
        facts(
            (
                ("backup", made.path),
                ("at", short(made.at)),
                ("versions", str(made.versions)),
                ("parked", str(made.parked)),
                ("size", size(made.bytes)),
                ("keys inside", ", ".join(made.files)),
            )
        )
        + ("" if made.files else f"{KEYS_NOTE}\n"),
    )


def _create_here(run: Run, to: str, database: str, blobs: str, key: str, *, with_keys: bool) -> None:
    import time

    from lockhouse.bootstrap import BACKUP_FILES
    from lockhouse.storage.carry import backup

    target = Path(to).expanduser()
    with opened(run.connection["data"], database, blobs, ring=ring_of(key)) as place, Meter() as meter:
        check_current(place)
        made = backup.create(
            place, target, now=time.time(), files=BACKUP_FILES if with_keys else (), progress=meter.progress
        )
    document = {
        "path": str(target.absolute()),
        "versions": made.versions,
        "parked": made.parked,
        "blobs": made.blobs,
        "bytes": made.bytes,
        "files": [each.name for each in made.files],
    }
    run.show(
        document,
        f"backed up {made.versions} versions ({size(made.bytes)}) of {place.name} into {target}\n"
        + ("" if made.files else f"{KEYS_NOTE}\n"),
    )


def restore(
    run: Run,
    backup: Backup,
    *,
    data: Annotated[
        str,
        typer.Option("--data", envvar="LOCKHOUSE_DATA", help="The data directory to make; it must be empty or new."),
    ] = "",
    database: Database = "",
    blobs: Blobs = "",
    keys: Keys = "",
) -> None:
    """Fill an empty data directory, or an empty database and blob store, from a backup, and verify everything.

    Nothing that exists is overwritten. A data directory appears when it is whole. A database that was interrupted is
    refused by servers until the same command has gone on and finished.

    Example: lockhouse backup restore /backups/lockhouse-20260101T000000Z --data /var/lib/lockhouse --keys /safe/keys
    Example: lockhouse backup restore /backups/monday --data /var/lib/lockhouse --database-url postgresql://db/lockhouse
    """
    from lockhouse.auth.master import MASTER_KEY_FILE
    from lockhouse.sealing.sources import KEY_FILE
    from lockhouse.storage.carry import backup as carried

    source, directory = Path(backup).expanduser(), data_directory(data)
    files = _key_files(keys)
    with Meter() as meter:
        if database:
            key = ring_of(str(Path(keys).expanduser() / KEY_FILE)) if KEY_FILE in files else None
            with opened(str(directory) if data else "", database, blobs, create=True, ring=key) as place:
                made = carried.restore(source, place, progress=meter.progress)
            where, has_key = place.name, True
        else:
            made = carried.restore_directory(source, directory, files=files, progress=meter.progress)
            where, has_key = str(directory), (directory / MASTER_KEY_FILE).is_file()
    versions, parked = made.tables["versions"].rows, made.tables["parked"].rows
    count = made.found.bytes if made.found is not None else 0
    note = "" if has_key else f"Put {MASTER_KEY_FILE} into it: without it nothing is served.\n"
    if made.found is None:
        note += (
            "The versions were not read: the key that seals them is not here. Put encryption.key into the data "
            "directory (or name where it is: --encryption-key) before you serve it.\n"
        )
    run.show(
        {"data": where, "versions": versions, "parked": parked, "bytes": count},
        f"restored {versions} versions ({size(count)}) into {where}\n{note}",
    )


def verify(run: Run, backup: Backup, *, encryption_key: EncryptionKey = "") -> None:
    """Compare every digest of a backup: of each table, body and file, and of every version as it was written.

    The latter needs the keys that seal the states; without them it says that it has not read any.

    Example: lockhouse backup verify /backups/lockhouse-20260101T000000Z --encryption-key /safe/keys/encryption.key
    """
    from lockhouse.storage.carry import backup as carried

    with Meter() as meter:
        manifest, read = carried.check(Path(backup).expanduser(), ring_of(encryption_key), progress=meter.progress)
    what = "all digests are right" if read else "all digests of what is stored are right, and no version was read"
    run.show(
        {
            "versions": manifest.versions,
            "parked": manifest.parked,
            "blobs": manifest.blobs,
            "bytes": manifest.bytes,
            "read": read,
            "keys": manifest.keys,
        },
        f"{what}: {manifest.versions} versions ({size(manifest.bytes)}), {manifest.parked} parked, "
        f"{manifest.blobs} bodies outside of the tables\n" + ("" if read else _unread(manifest.keys)),
    )


def drill(
    run: Run,
    backup: Backup,
    *,
    scratch: Annotated[str, typer.Option("--scratch", metavar="DIR", help="Where there is room for a while.")] = "",
    encryption_key: EncryptionKey = "",
) -> None:
    """Practise a restore: into a scratch directory that is thrown away, every row compared, every version read.

    Example: lockhouse backup drill /backups/lockhouse-20260101T000000Z --encryption-key /safe/keys/encryption.key
    """
    from lockhouse.storage.carry import backup as carried

    with Meter() as meter:
        done = carried.drill(
            Path(backup).expanduser(),
            Path(scratch).expanduser() if scratch else None,
            ring=ring_of(encryption_key),
            progress=meter.progress,
        )
    rows = [(name, str(table.rows), "equal") for name, table in done.tables.items()]
    run.show(
        done,
        columns(("table", "rows", "compared"), rows, "no tables")
        + facts(
            (
                ("versions read", f"{done.versions} ({size(done.bytes)})" if done.opened else "none: no key"),
                ("restored in", f"{done.restore_seconds:.1f} s"),
                ("verified in", f"{done.verify_seconds:.1f} s"),
            )
        ),
    )


def _unread(keys: tuple[str, ...]) -> str:
    return f"They are sealed with {', '.join(keys)}: name your copy of that key with --encryption-key.\n"


def _key_files(keys: str) -> dict[str, bytes]:
    from lockhouse.bootstrap import BACKUP_FILES

    if not keys:
        return {}
    directory = Path(keys).expanduser()
    found = {name: (directory / name).read_bytes() for name in BACKUP_FILES if (directory / name).is_file()}
    if not found:
        raise RequestInvalid(f"cannot find any key in {directory}", hint=f"it should have {BACKUP_FILES[0]}")
    return found


def register(app: typer.Typer) -> None:
    for act in (restore, verify, drill):
        command(group, act.__name__, connects=False)(act)
    app.add_typer(group, name="backup")
    command(app, "restore", connects=False)(restore)
