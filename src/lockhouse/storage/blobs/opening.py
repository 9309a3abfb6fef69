"""Which store of blobs the setting `blobs` names.

    embedded                       files in the data directory
    database                       rows in the database
    s3://BUCKET[/PREFIX][?OPTION…] a bucket that speaks S3; options: endpoint=URL, region=NAME, virtual_host=true,
                                   credentials=FILE (JSON with access_key_id and secret_access_key)

Without `credentials` these are found as AWS clients find them. No secret stands in the setting itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, urlsplit

import msgspec

from lockhouse.core.blobs import Blobs
from lockhouse.core.ports import Store
from lockhouse.errors import SettingInvalid, StorageUnavailable
from lockhouse.storage.blobs.rows import RowBlobs

if TYPE_CHECKING:
    from lockhouse.storage.blobs.objects import Bucket

EMBEDDED = "embedded"
DATABASE = "database"
_SAMPLE = 4
_log = logging.getLogger("lockhouse.storage")
_OPTIONS = frozenset({"endpoint", "region", "virtual_host", "credentials"})


class KeptBlobs(Blobs, Protocol):
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
    if setting == EMBEDDED:
        return embedded
    if setting == DATABASE:
        return RowBlobs(store)
    from lockhouse.storage.blobs.objects import ObjectBlobs  # noqa: PLC0415 - 5 MB of memory, only for a bucket

    blobs = ObjectBlobs(read_bucket(setting))
    blobs.check()
    return blobs


def open_to_serve(setting: str, embedded: KeptBlobs, store: Store) -> KeptBlobs:
    """As `open_blobs`; the log tells when it is hardly the place where the bodies are."""
    blobs = open_blobs(setting, embedded, store)
    if lacks_bodies(blobs, store):
        _log.error("Found none of the large bodies that were looked for: are they elsewhere? blobs=%s", setting)
    return blobs


def lacks_bodies(blobs: Blobs, store: Store) -> bool:
    """Whether none of a few bodies that the records refer to is there: then this is hardly the place where they are."""

    def is_there(name: str) -> bool:
        try:
            blobs.open(name).close()
        except StorageUnavailable:
            return False
        return True

    names = store.read(lambda tx: tx.blob_names(limit=_SAMPLE))
    return bool(names) and not any(is_there(name) for name in names)


def read_bucket(setting: str) -> Bucket:
    """What `s3://…` says. SettingInvalid when it is wrong."""
    from lockhouse.storage.blobs.objects import Bucket  # noqa: PLC0415 - as above

    parts = urlsplit(setting)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - _OPTIONS)
    if parts.scheme != "s3" or not parts.hostname or unknown or "@" in parts.netloc:
        wrong = f"there is no option {unknown[0]}" if unknown else "it must be s3://BUCKET/PREFIX?OPTION=…"
        raise SettingInvalid(f"cannot use blobs {setting.partition('?')[0]!r}: {wrong}", setting="blobs")
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
        endpoint=options.get("endpoint", ""),
        region=options.get("region", ""),
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key,
        virtual_host=options.get("virtual_host") == "true",
    )
