"""Finding the server and a token: what was said, a saved login, or the data directory on this machine.

First an endpoint and token from the command line or the environment; then, where a data directory was named, its
`credentials.json`; then a saved login (`lockhouse login`); then `credentials.json` in the default data directory. An
endpoint without a token takes the token that one of these has for the same endpoint, never another server's.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from lockhouse.bootstrap.certificates import CERTIFICATE_FILE
from lockhouse.bootstrap.first_start import read_credentials
from lockhouse.clients.client import Client
from lockhouse.config import SETTINGS
from lockhouse.durable import replace_durably
from lockhouse.errors import ServerUnreachable


class Login(msgspec.Struct, frozen=True):
    """A server, and how to be known there."""

    endpoint: str
    token: str
    ca_file: str = ""


def connect(*, endpoint: str, token: str, data: str, ca_file: str) -> Client:
    """The client for what was said. Errors: `server.unreachable` when no server can be told, `data.invalid`."""
    login = find(endpoint=endpoint.rstrip("/"), token=token, data=data)
    return Client(login.endpoint, login.token, ca_file or login.ca_file)


def find(*, endpoint: str, token: str, data: str) -> Login:
    """As `connect`, without connecting."""
    if endpoint and token:
        return Login(endpoint, token)
    known = _known(data)
    if endpoint:
        found = next((login for login in known if login.endpoint == endpoint), None)
        if found is None:
            raise ServerUnreachable(
                f"cannot tell who you are at {endpoint}: no token", hint="set LOCKHOUSE_TOKEN, or: lockhouse login"
            )
        return found
    if not known:
        where = f"{data}/credentials.json cannot be read" if data else "no endpoint, no saved login, no data directory"
        raise ServerUnreachable(
            f"cannot tell which server is meant: {where}",
            hint="lockhouse login, or set LOCKHOUSE_ENDPOINT and LOCKHOUSE_TOKEN, or LOCKHOUSE_DATA on its machine",
        )
    return Login(known[0].endpoint, token, known[0].ca_file) if token else known[0]


def _known(data: str) -> list[Login]:
    if data:
        found = [_of_directory(Path(data).expanduser())]
    else:
        found = [_saved(), _of_directory(Path(str(SETTINGS["data"].default)))]
    return [login for login in found if login is not None]


def _of_directory(directory: Path) -> Login | None:
    credentials = read_credentials(directory)
    if credentials is None:
        return None
    certificate = directory / CERTIFICATE_FILE
    trusted = str(certificate) if credentials.endpoint.startswith("https:") and certificate.is_file() else ""
    return Login(credentials.endpoint, credentials.token, trusted)


def login_file() -> Path:
    """Where the login is saved: `$XDG_CONFIG_HOME/lockhouse/login.json`."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "lockhouse" / "login.json"


def save(login: Login) -> Path:
    """Remember a login (mode 0600)."""
    path = login_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_durably(path, msgspec.json.encode(login) + b"\n")
    return path


def _saved() -> Login | None:
    try:
        return msgspec.json.decode(login_file().read_bytes(), type=Login)
    except OSError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ServerUnreachable(
            f"cannot read the saved login in {login_file()}", hint="lockhouse logout, then lockhouse login"
        ) from None
