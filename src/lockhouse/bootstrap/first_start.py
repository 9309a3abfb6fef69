"""The first administrator, namespace and lock table, and `DIR/credentials.json` (mode 0600) that tells of them.

The file is written before the records are committed: a start that dies in between leaves a file that nobody accepts,
and the next start, which still finds no principal, writes another. The other way round a token would be lost.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import msgspec

from lockhouse.auth import keys
from lockhouse.core.items import lock_table
from lockhouse.core.ports import Reader, Store, Transaction
from lockhouse.core.principals import Credential, Grant, Right
from lockhouse.durable import replace_durably
from lockhouse.errors import DataInvalid
from lockhouse.service import access, namespaces, tables
from lockhouse.service.access import HOUSE, NewPrincipal
from lockhouse.service.callers import Caller

CREDENTIALS_FILE = "credentials.json"
ADMINISTRATOR = "administrator"
LOCK_TABLE = "terraform-locks"


class FirstCredentials(msgspec.Struct, frozen=True):
    """`credentials.json`, in this order."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    token: str
    namespace: str


class _Made(msgspec.Struct, frozen=True):
    access_key: Credential
    token: keys.NewToken
    shown: FirstCredentials


def is_first_start(store: Store) -> bool:
    """Whether nobody exists yet."""
    return store.read(lambda tx: not tx.principals(limit=1))


def begin(
    store: Store, master: bytes, directory: Path, *, namespace: str, region: str, require_lock: bool, now: float
) -> bool:
    """Make the administrator and the first namespace unless somebody exists already; True if it was the first start.

    Of several servers that start on one database at once, one makes them; the others write no file."""
    if not is_first_start(store):
        return False
    made = _make(master, namespace, now)
    caller = _house(now)

    table = lock_table(LOCK_TABLE, str(uuid.uuid4()), now)

    def command(tx: Transaction) -> bool:
        if tx.principals(limit=1):
            return False
        _add_administrator(tx, caller, made)
        tables.ensure_lock_table(tx, caller, table)
        if tx.namespace(namespace) is None:
            namespaces.create(tx, caller, namespace, region, require_lock=require_lock)
        _write(directory, made.shown)  # before the commit; by now nobody else is making one
        return True

    return store.write(command)


def reset(store: Store, master: bytes, directory: Path, *, now: float) -> FirstCredentials:
    """New credentials for the administrator, and the end of all old ones, while no server runs."""
    known = read_credentials(directory)
    namespace = known.namespace if known is not None else store.read(first_namespace)
    made = _make(master, namespace, now)
    if known is not None:
        made = msgspec.structs.replace(made, shown=msgspec.structs.replace(made.shown, endpoint=known.endpoint))
    _write(directory, made.shown)
    caller = _house(now)

    def command(tx: Transaction) -> None:
        old = tx.principal_named(ADMINISTRATOR)
        if old is not None:
            tx.save_principal(msgspec.structs.replace(old, revoked_at=now))
            for credential in tx.credentials(old.id):
                if not credential.revoked_at:
                    tx.save_credential(msgspec.structs.replace(credential, revoked_at=now))
        _add_administrator(tx, caller, made)

    store.write(command)
    return made.shown


def read_credentials(directory: Path) -> FirstCredentials | None:
    """What `credentials.json` says, or None when it is not there or not readable for this user."""
    try:
        raw = (directory / CREDENTIALS_FILE).read_bytes()
    except OSError:
        return None
    try:
        return msgspec.json.decode(raw, type=FirstCredentials)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DataInvalid(
            f"cannot read {directory / CREDENTIALS_FILE}: it is not what Lockhouse wrote",
            hint="lockhouse admin reset-credentials",
        ) from None


def tell_endpoint(directory: Path, endpoint: str) -> FirstCredentials | None:
    """Keep the endpoint in `credentials.json` true (port 0 is another one at every start); None without that file."""
    known = read_credentials(directory)
    if known is not None and known.endpoint != endpoint:
        known = msgspec.structs.replace(known, endpoint=endpoint)
        _write(directory, known)
    return known


def first_namespace(tx: Reader) -> str:
    """A namespace to name in examples; empty when there is none."""
    found = tx.namespaces(limit=1)
    return found[0].name if found else ""


def _make(master: bytes, namespace: str, now: float) -> _Made:
    principal = keys.new_principal_id()
    access_key = keys.new_access_key(principal, now)
    token = keys.new_token(principal, now)
    secret = keys.secret_of(master, access_key).decode()
    return _Made(access_key, token, FirstCredentials("", access_key.id, secret, token.text, namespace))


def _add_administrator(tx: Transaction, caller: Caller, made: _Made) -> None:
    access.create(
        tx,
        caller,
        NewPrincipal(
            id=made.access_key.principal,
            name=ADMINISTRATOR,
            grants=(Grant(access.ANYWHERE, "", (Right.ADMIN,)),),
            kind="administrator",
            credentials=(made.access_key, made.token.credential),
        ),
    )


def _house(now: float) -> Caller:
    return Caller(who=HOUSE, now=now, protocol="cli")


def _write(directory: Path, credentials: FirstCredentials) -> None:
    text = json.dumps(msgspec.to_builtins(credentials), indent=2) + "\n"
    replace_durably(directory / CREDENTIALS_FILE, text.encode())
