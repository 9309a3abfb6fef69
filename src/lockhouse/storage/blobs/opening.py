"""Which store of blobs the setting `blobs` names.

    embedded                       files in the data directory
    database                       rows in the database
    s3://BUCKET[/PREFIX][?OPTION…] a bucket that speaks S3; options: endpoint=URL, region=NAME, virtual_host=true,
                                   credentials=FILE (JSON with access_key_id and secret_access_key)

Without `credentials` these are found as AWS clients find them. No secret stands in the setting itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

import msgspec

from lockhouse.core.blobs import Blobs
from lockhouse.core.ports import Store
from lockhouse.errors import SettingInvalid, StorageUnavailable
from lockhouse.storage.blobs.bucket import Bucket
from lockhouse.storage.blobs.owner import Claimable, of_another
from lockhouse.storage.blobs.reach import Reach
from lockhouse.storage.blobs.rows import RowBlobs

EMBEDDED = "embedded"
DATABASE = "database"
_OPTIONS = frozenset({"endpoint", "region", "virtual_host", "credentials"})


class KeptBlobs(Blobs, Claimable, Protocol):
    """What a server needs of its blobs beyond reading and writing them."""

    sweeping: Lock
    """Held by whoever removes blobs."""

    def finished_within(self, name: str, seconds: float) -> bool:
        """Whether this process gave the name out so recently: its version may not be committed yet."""
        ...

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        """Durable under this name, whole or not at all."""
        ...

    def names(self) -> Iterator[tuple[str, float]]: ...


class _Credentials(msgspec.Struct, frozen=True):
    access_key_id: str
    secret_access_key: str


def open_blobs(setting: str, embedded: KeptBlobs, store: Store) -> KeptBlobs:
    """The blobs that the setting names; `embedded` are those of the data directory. A bucket is asked whether it
    answers. Errors: SettingInvalid (`setting.invalid`), `storage.unavailable`."""
    blobs = _named(setting, embedded, store)
    try:
        blobs.check()
    except StorageUnavailable as problem:
        raise _for_good(problem) or problem from None
    return blobs


def open_to_serve(setting: str, embedded: KeptBlobs, store: Store, house: Callable[[], str]) -> tuple[KeptBlobs, Reach]:
    """As `open_blobs`, but a place that does not answer now may do so later: the log tells, and it is asked again. The
    log tells too when it is hardly the place where the bodies are. It is claimed for the house. Errors: SettingInvalid,
    also when it is another's."""
    blobs = _named(setting, embedded, store)
    reach = Reach(blobs, store, setting, house)
    problem = reach.ask()
    if problem is None and is_elsewhere(setting):
        try:
            if another := of_another(blobs, house()):
                raise another
        except StorageUnavailable as away:
            problem = away
    if problem is not None and (wrong := _for_good(problem)):
        raise wrong
    reach.note(problem)
    return blobs, reach


def is_elsewhere(setting: str) -> bool:
    """Whether the place can be away while the database is there."""
    return setting not in (EMBEDDED, DATABASE)


def _named(setting: str, embedded: KeptBlobs, store: Store) -> KeptBlobs:
    if not is_elsewhere(setting):
        return embedded if setting == EMBEDDED else RowBlobs(store)
    from lockhouse.storage.blobs.objects import ObjectBlobs  # noqa: PLC0415 - 5 MB of memory, only for a bucket

    return ObjectBlobs(read_bucket(setting))


def _for_good(problem: StorageUnavailable) -> SettingInvalid | None:
    """The problem as one of the setting, when waiting would not end it."""
    if "setting" not in problem.details:
        return None
    return SettingInvalid(problem.message, hint=problem.hint, **problem.details)


def read_bucket(setting: str) -> Bucket:
    """What `s3://…` says. SettingInvalid when it is wrong."""
    parts = urlsplit(setting)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - _OPTIONS)
    endpoint = options.get("endpoint", "").rstrip("/")
    if endpoint and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", endpoint):
        raise SettingInvalid(
            f"cannot use blobs {setting.partition('?')[0]!r}: its endpoint must be http://HOST:PORT or https://HOST:PORT",
            hint=f"correct it in --blobs (LOCKHOUSE_BLOBS): '{setting.partition('?')[0]}?endpoint=https://…'",
            setting="blobs",
        )
    if parts.scheme != "s3" or not parts.hostname or unknown or "@" in parts.netloc:
        wrong = f"there is no option {unknown[0]}" if unknown else "it must be s3://BUCKET/PREFIX?OPTION=…"
        raise SettingInvalid(
            f"cannot use blobs {setting.partition('?')[0]!r}: {wrong}",
            hint="correct it in --blobs (LOCKHOUSE_BLOBS): s3://BUCKET/PREFIX?endpoint=URL",
            setting="blobs",
        )
    key = _Credentials("", "")
    if file := options.get("credentials"):
        try:
            key = msgspec.json.decode(Path(file).expanduser().read_bytes(), type=_Credentials)
        except (OSError, msgspec.DecodeError) as error:
            raise SettingInvalid(
                f"cannot read the keys of the bucket in {file}: {type(error).__name__}",
                hint='it must be JSON: {"access_key_id": "…", "secret_access_key": "…"}',
                setting="blobs",
            ) from None
    return Bucket(
        name=parts.netloc,
        prefix=parts.path.strip("/"),
        endpoint=endpoint,
        region=options.get("region", ""),
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key,
        virtual_host=options.get("virtual_host") == "true",
    )
