"""Where key-encryption keys come from, and whether they are the ones that the data needs.

    (nothing)          DIR/encryption.key, made at the first start
    file:PATH          a file of that form, made at the first start too
    env:NAME           the environment variable NAME
    aws-kms:KEY        a key of AWS KMS, by id, ARN or alias (`sealing.kms`): the database keeps the ring, encrypted
    off                nothing is sealed

A file holds keys as text, oldest first (`ring.read_keys`), mode 0600. A key is entered in the store (`KeyRecord`)
before anything is wrapped with it; so a server that lacks a key that the data may need says so when it starts, and
serves nothing. No key is ever made in place of one that is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl

from lockhouse.core.data_keys import KeyRecord
from lockhouse.core.ports import Store, Transaction
from lockhouse.durable import replace_durably
from lockhouse.errors import DataInvalid, SettingInvalid
from lockhouse.sealing.ring import KEK_BYTES, Ring, key_id, key_text, read_keys

KEY_FILE = "encryption.key"
_HEAD = """\
# Key-encryption keys of Lockhouse, oldest first: the last one seals what is new, the others open what they sealed.
# Without this file no state of this server can be read, by anybody. Keep a copy of it apart from the backups.
"""


class Source(Protocol):
    """Where the keys are kept."""

    @property
    def kind(self) -> str: ...

    def load(self, records: Sequence[KeyRecord]) -> list[bytes]:
        """All keys, oldest first; empty when there are none yet. Errors: `data.invalid`, `storage.unavailable`."""
        ...

    def make(self, now: float, known: Sequence[bytes] = ()) -> tuple[bytes, KeyRecord]:
        """A new key, kept durably where it belongs, and its record. `known`: keys that a running server has, oldest
        first; what has lost them since gets them back, for they may be nowhere else.

        Errors: `data.invalid` where people make them, or where it cannot be kept."""
        ...

    def where(self) -> str:
        """To name it to people."""
        ...


@dataclass(frozen=True)
class KeyFile:
    """Keys in a file."""

    path: Path
    kind: str = "file"

    def load(self, records: Sequence[KeyRecord]) -> list[bytes]:  # noqa: ARG002 - the file knows
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return []
        except OSError as wrong:
            raise DataInvalid(
                f"cannot open {self.path}: {wrong.strerror}", hint="may the user that the server runs as read it?"
            ) from None
        with os.fdopen(descriptor, "r", encoding="ascii", errors="replace") as file:
            if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
                raise DataInvalid(
                    f"cannot use {self.path}: others may read it", hint=f"chmod 600 {shlex.quote(str(self.path))}"
                )
            return _read(file.read(1 << 20), str(self.path))

    def make(self, now: float, known: Sequence[bytes] = ()) -> tuple[bytes, KeyRecord]:
        kek = secrets.token_bytes(KEK_BYTES)
        with _alone(self.path.parent):  # whoever adds one at the same time would write the file without this one
            there = self.load(())
            self.keep([*(each for each in known if each not in there), *there, kek])
        return kek, KeyRecord(key_id(kek), now, self.kind)

    def keep(self, keys: Sequence[bytes]) -> None:
        """Write the file with these keys, oldest first."""
        lines = [key_text(each) + "\n" for each in keys]
        try:
            replace_durably(self.path, (_HEAD + "".join(lines)).encode())
        except OSError as wrong:
            raise DataInvalid(
                f"cannot write {self.path}: {wrong.strerror}",
                hint="may the user that the server runs as write there, and is there room?",
            ) from None

    def where(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class KeyVariable:
    """Keys in an environment variable."""

    name: str
    environment: Mapping[str, str]
    kind: str = "env"

    def load(self, records: Sequence[KeyRecord]) -> list[bytes]:  # noqa: ARG002 - the variable knows
        keys = _read(self.environment.get(self.name, ""), f"the variable {self.name}")
        if not keys:
            raise SettingInvalid(
                f"cannot read key-encryption keys: the variable {self.name} is empty",
                hint="make one: lockhouse encryption key",
                setting="encryption_key",
            )
        return keys

    def make(self, now: float, known: Sequence[bytes] = ()) -> tuple[bytes, KeyRecord]:  # noqa: ARG002 - people make these
        raise DataInvalid(
            f"cannot add a key to the variable {self.name}: its keys are made by you",
            hint=f"lockhouse encryption key; put it after the others in {self.name} and start again",
        )

    def where(self) -> str:
        return f"variable {self.name}"


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Nobody else on this machine is in here for this directory; nor on another one, where its file system can say."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # what is wrong with the directory is told when the file is written
            descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def choose_source(setting: str, directory: Path, environment: Mapping[str, str]) -> Source | None:
    """What the setting `encryption_key` names; None: `off`. Errors: SettingInvalid."""
    kind, _, rest = setting.partition(":")
    match kind:
        case "off":
            return None
        case "":
            return KeyFile(directory / KEY_FILE)
        case "file":
            return KeyFile(Path(rest).expanduser())
        case "env":
            return KeyVariable(rest, environment)
        case "aws-kms":
            return _kms(rest, directory, environment)
    raise SettingInvalid(
        f"cannot use encryption_key {kind!r}",
        hint="--encryption-key auto, off, file:PATH, env:NAME or aws-kms:KEY; docs/guide/encryption.md",
        setting="encryption_key",
    )


def _kms(text: str, directory: Path, environment: Mapping[str, str]) -> Source:
    from lockhouse.sealing.kms import KmsKeys  # noqa: PLC0415 - an HTTP client, 7 MB of memory, only for AWS KMS

    key, _, query = text.partition("?")
    options = dict(parse_qsl(query))
    region = options.get("region") or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or ""
    if key.startswith("arn:"):
        region = region or key.split(":")[3]
    if not region or set(options) - {"region", "endpoint"}:
        raise SettingInvalid(
            "cannot use AWS KMS: it takes the options region and endpoint, and the region is needed",
            hint="--encryption-key aws-kms:KEY?region=eu-central-1",
            setting="encryption_key",
        )
    return KmsKeys(
        key,
        region,
        options.get("endpoint", "").rstrip("/"),
        environment,
        lambda: KeyFile(directory / KEY_FILE).load(()),
    )


def named_source(text: str, environment: Mapping[str, str]) -> Source | None:
    """As the setting, for commands that may also name the file alone."""
    known = text.partition(":")[0] in ("off", "file", "env", "aws-kms")
    return choose_source(text if known else f"file:{text}", Path(), environment)


@dataclass(frozen=True)
class Opened:
    """A ring that has every key that the data needs."""

    ring: Ring
    source: Source
    made: bool
    """Whether this start made the first key: somebody must be told to keep it."""


def open_ring(source: Source | None, store: Store, now: float) -> Opened | None:
    """The ring for this data, made with its first key if there is none; None when nothing is sealed.

    Errors: `data.invalid` when a key that the data needs is missing, or `off` and the data is sealed.
    """
    records = store.read(lambda tx: tx.key_records())
    if source is None:
        if records:
            raise DataInvalid(
                f"cannot serve with encryption off: the data is sealed with {records[-1].id}",
                hint="name where that key is: --encryption-key file:PATH",
            )
        return None
    keys = source.load(records)
    made = not keys and not records
    if made:
        kek, record = source.make(now)
        keys = [kek]
    elif keys:
        record = KeyRecord(key_id(keys[-1]), now, source.kind)
    refuse_missing(source, {key_id(each) for each in keys}, records)
    if record.id not in {each.id for each in records}:
        store.write(enter_key(source, record, {key_id(each) for each in keys}))
    return Opened(Ring(keys, lambda: source.load(store.read(lambda tx: tx.key_records()))), source, made)


def enter_key(source: Source, record: KeyRecord, have: set[str]) -> Callable[[Transaction], None]:
    """The command that enters a key: before anything is wrapped with it."""

    def command(tx: Transaction) -> None:
        # Two servers may have made the first key of one database at the same time: one of them must not go on.
        refuse_missing(source, have, tx.key_records())
        tx.save_key_record(record)

    return command


def refuse_missing(source: Source, have: set[str], records: Sequence[KeyRecord]) -> None:
    """DataInvalid (`data.invalid`) when data may be sealed with a key that is not there."""
    for record in records:
        if record.id not in have:
            raise DataInvalid(
                f"cannot open this data: it is sealed with the key-encryption key {record.id}, which is not in "
                f"{source.where()}",
                hint="bring that key back; nothing is served, and no key is made in its place: "
                "docs/guide/encryption.md",
            )


def _read(text: str, where: str) -> list[bytes]:
    try:
        return read_keys(text)
    except ValueError as wrong:
        raise DataInvalid(
            f"cannot read the key-encryption keys in {where}: {wrong}",
            hint="bring back your copy of them: docs/guide/encryption.md",
        ) from None
