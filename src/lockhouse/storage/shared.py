"""The storage of one replica of several: a PostgreSQL database that all share, and a directory with what is its own.

    DIR/database-marks.json   what this replica has seen of the database (`storage.sql.postgres_marks`)
    DIR/blobs/                bodies too large for rows, until they have a place that all replicas reach

All replicas must have the same master key: the database keeps its fingerprint, and a replica with another key refuses
to start, since every access key would have another secret there.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path

from lockhouse.durable import sync_directory
from lockhouse.errors import DataInvalid, StorageUnavailable
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.blobs.owner import new_house
from lockhouse.storage.sql.postgres import PostgresStore
from lockhouse.storage.sql.postgres_marks import MARKS_FILE

_FINGERPRINT = "master-key"
_HOUSE = "house"


@dataclass(frozen=True)
class SharedStorage:
    """The opened parts. `close` commits what is queued."""

    path: Path
    store: PostgresStore
    blobs: FileBlobs

    def check_master_key(self, fingerprint: bytes) -> None:
        """See below."""
        check_master_key(self.store, fingerprint)

    def house(self) -> str:
        """The name of the house, as the first of its servers made it."""
        return self.store.claim_fact(_HOUSE, new_house().encode()).decode()

    def close(self) -> None:
        self.store.close()


def check_master_key(store: PostgresStore, fingerprint: bytes, *, replace: bool = False) -> None:
    """DataInvalid (`data.invalid`) unless all replicas have this master key; the first one tells the database.

    `replace`: the other one is lost, and all replicas are to have this one from now on."""
    kept = store.claim_fact(_FINGERPRINT, fingerprint, replace=replace)
    if not hmac.compare_digest(kept, fingerprint):
        raise DataInvalid(
            "cannot serve this database: its other servers use another master key",
            hint="give every server the same file: --master-key-file FILE",
        )


def open_shared(path: Path, url: str, *, connections: int, password_file: Path | None = None) -> SharedStorage:
    """Open the database and the directory. Errors: `storage.unavailable`, `setting.invalid`, `data.invalid`."""
    try:
        missing = [each for each in (path, *path.parents) if not each.exists()]
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
            sync_directory(each.parent)
        blobs = FileBlobs(path / "blobs")
        password = password_file.read_text().strip() if password_file is not None else ""
    except OSError as error:
        raise StorageUnavailable(
            f"cannot use {error.filename or path}: {error.strerror}", hint="may this user write there?"
        ) from error
    store = PostgresStore(url, password=password, marks=path / MARKS_FILE, connections=connections)
    return SharedStorage(path, store, blobs)
