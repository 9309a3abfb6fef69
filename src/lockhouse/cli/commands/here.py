"""Commands about this program and this machine: `version`, `status`, `env`, `login`, `logout`, `admin`."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

import lockhouse
from lockhouse.cli.frame import Run, command, data_directory
from lockhouse.cli.printing import facts
from lockhouse.errors import RequestInvalid, ServerUnreachable

admin = typer.Typer(no_args_is_help=True, help="For whoever owns the data directory, while no server runs.")

Data = Annotated[
    str, typer.Option("--data", envvar="LOCKHOUSE_DATA", help="The data directory; without it, lockhouse-data.")
]


def version(run: Run) -> None:
    """Print the version of this program."""
    run.show({"version": lockhouse.__version__}, lockhouse.__version__)


def status(run: Run) -> None:
    """Say which server is meant, whether it answers, and who you are there."""
    found = run.client.status()
    rights = "; ".join(f"{','.join(each.rights)} on {each.namespace}/{each.prefix}" for each in found.grants)
    run.show(
        found,
        facts(
            (
                ("server", run.client.endpoint),
                ("version", found.version),
                ("you are", f"{found.name} ({found.kind})"),
                ("grants", rights),
                ("locks held", str(found.held_locks)),
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
    """Forget the saved login. The token itself stays valid: `token revoke` ends it."""
    from lockhouse.clients import discovery

    path = discovery.login_file()
    path.unlink(missing_ok=True)
    run.done(file=str(path), text="logged out")


@command(admin, "reset-credentials", connects=False)
def reset_credentials(
    run: Run,
    *,
    data: Data = "",
    new_master_key: Annotated[
        bool, typer.Option("--new-master-key", help="When master.key is lost: make another. All access keys end.")
    ] = False,
) -> None:
    """Make new credentials for the administrator and end the old ones. Stop the server first.

    Example: lockhouse admin reset-credentials --data /var/lib/lockhouse
    """
    from lockhouse.auth.master import open_master_key
    from lockhouse.bootstrap import first_start
    from lockhouse.errors import DataInvalid
    from lockhouse.storage.directory import DATABASE, open_directory

    directory = data_directory(data)
    if not (directory / DATABASE).is_file():
        raise DataInvalid(f"cannot find a Lockhouse in {directory}", hint="name its data directory: --data DIR")
    opened = open_directory(directory)
    try:
        master = open_master_key(directory, create=new_master_key)
        made = first_start.reset(opened.store, master, directory, now=time.time())
    finally:
        opened.close()
    run.show(
        {"file": str(directory / first_start.CREDENTIALS_FILE), "access_key_id": made.access_key_id},
        f"new credentials are in {directory / first_start.CREDENTIALS_FILE}",
    )


def register(app: typer.Typer) -> None:
    for act, connects in ((status, True), (version, False), (env, False), (login, False), (logout, False)):
        command(app, act.__name__, connects=connects)(act)
    app.add_typer(admin, name="admin")
