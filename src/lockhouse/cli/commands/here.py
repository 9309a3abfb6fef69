"""Commands about this program and this machine: `version`, `status`, `env`, `login`, `logout`, `admin`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import lockhouse
from lockhouse.cli.commands.access import shown_grants
from lockhouse.cli.frame import Run, command, data_directory
from lockhouse.cli.printing import facts, short
from lockhouse.errors import RequestInvalid, ServerUnreachable

if TYPE_CHECKING:
    from lockhouse.core.ports import Store

admin = typer.Typer(no_args_is_help=True, help="For whoever owns the data directory, while no server runs.")

Data = Annotated[
    str, typer.Option("--data", envvar="LOCKHOUSE_DATA", help="The data directory; without it, lockhouse-data.")
]


def version(run: Run) -> None:
    """Print the version of this program.

    Example: lockhouse version --json
    """
    run.show({"version": lockhouse.__version__}, lockhouse.__version__)


def status(run: Run) -> None:
    """Say which server is meant, whether it answers, and who you are there.

    Example: lockhouse status
    """
    found = run.client.status()
    run.show(
        found,
        facts(
            (
                ("server", run.client.endpoint),
                ("version", found.version),
                ("you are", f"{found.name} ({found.kind})"),
                ("grants", shown_grants(found.grants)),
                ("locks held", str(found.held_locks)),
                *((("certificate", f"ends {short(found.certificate_end)}"),) if found.certificate_end else ()),
            )
        ),
    )


def env(run: Run, *, data: Data = "") -> None:
    """Print the environment for Terraform and the AWS CLI, from the data directory's credentials.json.

    Example: eval "$(lockhouse env)"
    """
    from lockhouse.bootstrap.backends import environment
    from lockhouse.bootstrap.first_start import read_credentials
    from lockhouse.config import SETTINGS

    directory = data_directory(data)
    credentials = read_credentials(directory)
    if credentials is None:
        raise ServerUnreachable(
            f"cannot read {directory}/credentials.json", hint="name the server's data directory: --data DIR"
        )
    if not credentials.endpoint:
        raise ServerUnreachable(
            f"cannot tell where the server of {directory}/credentials.json is: none was started on it yet",
            hint="start one; or write its address into the file, as endpoint",
        )
    values = environment(credentials, str(SETTINGS["region"].default), directory)
    run.show(values, export(values))


def export(values: dict[str, str]) -> str:
    """Lines for a shell."""
    import shlex

    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def login(
    run: Run,
    *,
    endpoint: Annotated[str, typer.Option("--endpoint", envvar="LOCKHOUSE_ENDPOINT", help="Where the server is.")],
    ca_file: Annotated[str, typer.Option("--ca-file", help="Certificates to trust for https, as PEM.")] = "",
) -> None:
    """Save a server and a token, so that commands need neither option. The token is read from standard input.

    Example: lockhouse login --endpoint https://states.example.org:7373 < token
    """
    from lockhouse.clients import discovery
    from lockhouse.clients.client import Client

    if sys.stdin.isatty():
        token = str(typer.prompt("API token", hide_input=True, err=True)).strip()
    else:
        token = sys.stdin.readline().strip()
    if not token:
        raise RequestInvalid("cannot log in without a token", hint="lockhouse token create")
    client = Client(endpoint, token, ca_file)
    try:
        who = client.status().name
    finally:
        client.close()
    path = discovery.save(discovery.Login(endpoint.rstrip("/"), token, ca_file))
    run.done(endpoint=endpoint, name=who, text=f"logged in to {endpoint} as {who}; saved in {path}")


def logout(run: Run) -> None:
    """Forget the saved login. The token itself stays valid: `token revoke` ends it.

    Example: lockhouse logout
    """
    from lockhouse.clients import discovery

    path = discovery.login_file()
    path.unlink(missing_ok=True)
    run.done(file=str(path), text="logged out")


@command(admin, "reset-credentials", connects=False)
def reset_credentials(
    run: Run,
    *,
    data: Data = "",
    database_url: Annotated[
        str,
        typer.Option(
            "--database-url",
            metavar="URL",
            envvar="LOCKHOUSE_DATABASE_URL",
            help="The database that has the records, instead of SQLite; the password in it, in PGPASSWORD, or in the "
            "file of PGPASSFILE.",
        ),
    ] = "",
    master_key_file: Annotated[
        str,
        typer.Option(
            "--master-key-file",
            metavar="FILE",
            envvar="LOCKHOUSE_MASTER_KEY_FILE",
            help="The master key that the servers are given; without it, the one in the data directory.",
        ),
    ] = "",
    new_master_key: Annotated[
        bool, typer.Option("--new-master-key", help="When the master key is lost: use another. All access keys end.")
    ] = False,
) -> None:
    """Make new credentials for the administrator and end the old ones.

    Stop the server first. Servers that share a database may run, unless their master key is replaced.

    Example: lockhouse admin reset-credentials --data /var/lib/lockhouse
    Example: lockhouse admin reset-credentials --data . --database-url postgresql://lockhouse@db/lockhouse
    --master-key-file master.key
    """
    from lockhouse.bootstrap import first_start

    directory = data_directory(data)
    with _records(directory, database_url) as store:
        master = _master_key(directory, master_key_file, create=new_master_key, shared=bool(database_url))
        if database_url:
            _agree(store, master, replace=new_master_key)
        made = first_start.reset(store, master, directory, now=time.time())
    run.show(
        {"file": str(directory / first_start.CREDENTIALS_FILE), "access_key_id": made.access_key_id},
        f"new credentials are in {directory / first_start.CREDENTIALS_FILE}",
    )


@contextmanager
def _records(directory: Path, database_url: str) -> Iterator[Store]:
    """What is served, there: credentials of a place that was moved away open nothing, and those of the place that it
    was moved to are in the same directory. Errors: `data.invalid`, `storage.unavailable`."""
    from lockhouse.errors import DataInvalid
    from lockhouse.storage.carry.carrying import check_served
    from lockhouse.storage.directory import DATABASE, open_directory

    if database_url:
        from lockhouse.storage.sql.postgres import PostgresStore

        with closing(PostgresStore(database_url, connections=2)) as store:
            store.read(check_served)
            yield store
        return
    if not (directory / DATABASE).is_file():
        raise DataInvalid(
            f"cannot find a Lockhouse in {directory}",
            hint="name its data directory (--data DIR), or its database (--database-url URL)",
        )
    with closing(open_directory(directory)) as opened:
        opened.store.read(check_served)
        yield opened.store


def _master_key(directory: Path, file: str, *, create: bool, shared: bool) -> bytes:
    from lockhouse.auth.master import MASTER_KEY_FILE, open_master_key, read_master_key
    from lockhouse.errors import DataInvalid

    if file:
        return read_master_key(Path(file).expanduser())
    if shared and not create and not (directory / MASTER_KEY_FILE).exists():
        raise DataInvalid(
            f"cannot find the master key in {directory}",
            hint="name the file that the servers of this database are given: --master-key-file FILE",
        )
    return open_master_key(directory, create=create)


def _agree(store: Store, master: bytes, *, replace: bool) -> None:
    from lockhouse.auth.master import fingerprint
    from lockhouse.storage.shared import check_master_key
    from lockhouse.storage.sql.postgres import PostgresStore

    assert isinstance(store, PostgresStore)
    check_master_key(store, fingerprint(master), replace=replace)


def register(app: typer.Typer) -> None:
    for act, connects in ((status, True), (version, False), (env, False), (login, False), (logout, False)):
        command(app, act.__name__, connects=connects)(act)
    app.add_typer(admin, name="admin")
