"""The backup format, the same for every store: docs/reference/backup-format.md.

    BACKUP/manifest.json            what is in it, with the digest of each part and of itself
    BACKUP/tables/NAME.jsonl.zst    the rows of a table, one JSON array on each line, bytes in base64, Zstandard
    BACKUP/blobs.jsonl.zst          name, size and SHA-256 of each blob
    BACKUP/blobs/ab/ab12…           the blobs, as they were stored (sealed where the store seals)
    BACKUP/files/NAME               small files of the data directory, only when they were asked for

The manifest is written last. Nothing here knows where the rows come from or go to.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec
import zstandard

from lockhouse.durable import sync_file
from lockhouse.errors import RequestInvalid, StorageUnavailable
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.carry.layout import Column, Kind, Table, layout, newest_schema
from lockhouse.storage.carry.rows import Digester, TableFacts, decoder, encode_row
from lockhouse.storage.sql.records import Row

MANIFEST = "manifest.json"
FORMAT = 2
BLOBS = "blobs"
FILES = "files"
TABLES = "tables"
_INDEX = Table(
    "blobs",
    (Column("name", Kind.TEXT), Column("size", Kind.INTEGER), Column("sha256", Kind.TEXT)),
    ("name",),
)
_PIECE = 1024 * 1024
_MAX_LINE = 64 * 1024 * 1024


class FileFacts(msgspec.Struct, frozen=True):
    name: str
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds. `at` in seconds since 1970, `bytes` of bodies as clients sent them (0: not known)."""

    format: int
    at: float
    program: str
    """The version of Lockhouse that made it."""
    schema: int
    versions: int
    parked: int
    blobs: int
    bytes: int
    tables: dict[str, TableFacts]
    index: TableFacts
    """Of the list of blobs."""
    numbers: dict[str, int]
    """The last number given, of tables whose numbers are never given again."""
    files: tuple[FileFacts, ...] = ()
    keys: tuple[str, ...] = ()
    """Names of the key-encryption keys without which the bodies cannot be opened. The keys are not in the backup
    unless a file in `files` has them."""
    digest: str = ""
    """SHA-256 of this document as written, with this field empty."""


class BlobFacts(msgspec.Struct, frozen=True):
    """One blob of a backup; `sha256` in hex, of the stored bytes."""

    name: str
    size: int
    sha256: str


def write_table(work: Path, table: Table, rows: Iterable[Row], progress: Callable[[int], object] = bool) -> TableFacts:
    """The rows of a table, durable."""
    (work / TABLES).mkdir(mode=0o700, exist_ok=True)
    return _write_lines(work / TABLES / f"{table.name}.jsonl.zst", rows, progress)


def write_index(work: Path, blobs: Iterable[BlobFacts]) -> TableFacts:
    return _write_lines(work / "blobs.jsonl.zst", ((each.name, each.size, each.sha256) for each in blobs), bool)


def write_manifest(work: Path, manifest: Manifest) -> Manifest:
    """With its own digest, durable."""
    manifest = msgspec.structs.replace(manifest, digest=_digest(manifest))
    with open(work / MANIFEST, "xb", opener=private) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        file.flush()
        sync_file(file.fileno())
    return manifest


class Archive:
    """A backup, read. Everything that is read is compared with its digest; what differs is `storage.unavailable`."""

    def __init__(self, path: Path, manifest: Manifest | None = None) -> None:
        """`manifest`: of one that is being made. Errors: `request.invalid` when it is no backup, or of a later format;
        `storage.unavailable` when it is damaged."""
        self.path = path
        self.manifest = manifest or read_manifest(path)
        self.schema = self.manifest.schema
        if self.schema > newest_schema():
            raise StorageUnavailable(
                f"cannot use {path}: it has schema {self.schema} and this Lockhouse knows up to {newest_schema()}",
                hint="it was made by a newer Lockhouse: use that version or a later one",
            )
        self.tables = layout(self.schema)
        missing = {table.name for table in self.tables} ^ set(self.manifest.tables)
        if missing:
            raise StorageUnavailable(
                f"cannot use {path}: its tables are not those of its schema: {min(missing)}", hint="use another backup"
            )
        self.blobs = FileBlobs(path / BLOBS, read_only=True)

    def rows(self, table: Table, after: Row | None = None) -> Iterator[Row]:
        """As `Snapshot.rows`; the whole table is compared with its digest at the end."""
        lines = self._lines(self.path / TABLES / f"{table.name}.jsonl.zst", self.manifest.tables[table.name])
        decode = decoder(table)
        for line in lines:
            row = decode(line)
            if after is None or table.key_of(row) > after:
                yield row

    def index(self) -> Iterator[BlobFacts]:
        decode = decoder(_INDEX)
        for line in self._lines(self.path / "blobs.jsonl.zst", self.manifest.index):
            yield BlobFacts(*decode(line))

    def numbers(self, tables: Sequence[Table]) -> dict[str, int]:
        return {table.name: self.manifest.numbers.get(table.name, 0) for table in tables if table.numbered}

    def read_file(self, facts: FileFacts) -> bytes:
        try:
            raw = (self.path / FILES / facts.name).read_bytes()
        except OSError as error:
            raise StorageUnavailable(
                f"cannot use {self.path}: its file {facts.name} is missing", hint="use another backup"
            ) from error
        if hashlib.sha256(raw).hexdigest() != facts.sha256:
            raise self._damaged(f"its file {facts.name}")
        return raw

    def _lines(self, path: Path, facts: TableFacts) -> Iterator[bytes]:
        digester = Digester()
        try:
            with path.open("rb") as file:
                for line in _split(zstandard.ZstdDecompressor().stream_reader(file)):
                    digester.add(line)
                    yield line
        except (OSError, zstandard.ZstdError, msgspec.DecodeError) as error:
            raise self._damaged(path.name) from error
        if digester.facts != facts:
            raise self._damaged(path.name)

    def _damaged(self, what: str) -> StorageUnavailable:
        return StorageUnavailable(
            f"cannot use {self.path}: {what} is damaged", hint="use another backup; nothing was changed"
        )


def read_manifest(path: Path) -> Manifest:
    """What a backup says of itself."""
    try:
        raw = (path / MANIFEST).read_bytes()
        version = msgspec.json.decode(raw, type=_AnyFormat).format
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        hint = "name the directory that lockhouse backup create made"
        if (path / "backup.json").is_file():
            hint = "it was made by an earlier Lockhouse and is a data directory: copy it, and serve the copy"
        raise RequestInvalid(f"cannot use {path}: it is not a complete backup ({MANIFEST})", hint=hint) from error
    if version != FORMAT:
        raise RequestInvalid(
            f"cannot use {path}: this Lockhouse does not know its format {version}",
            hint="it was made by a newer Lockhouse: use that version or a later one",
        )
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageUnavailable(f"cannot use {path}: its {MANIFEST} is damaged", hint="use another backup") from error
    if manifest.digest != _digest(manifest) or any(Path(each.name).name != each.name for each in manifest.files):
        raise StorageUnavailable(f"cannot use {path}: its {MANIFEST} is damaged", hint="use another backup")
    return manifest


def private(path: str, flags: int) -> int:
    """An opener: only the owner may read what is written."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


class _AnyFormat(msgspec.Struct, frozen=True):
    format: int


def _digest(manifest: Manifest) -> str:
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(manifest, digest=""))).hexdigest()


def _write_lines(path: Path, rows: Iterable[Row], progress: Callable[[int], object]) -> TableFacts:
    digester = Digester()
    with open(path, "xb", opener=private) as file:
        with zstandard.ZstdCompressor(level=3).stream_writer(file, closefd=False) as out:
            for number, row in enumerate(rows):
                line = encode_row(row)
                digester.add(line)
                out.write(line)
                if number % 1000 == 0:
                    progress(number)
        file.flush()
        sync_file(file.fileno())
    return digester.facts


def _split(stream: zstandard.ZstdDecompressionReader | IO[bytes]) -> Iterator[bytes]:
    """Lines with their ends. ZstdError for one that does not end."""
    left = b""
    while piece := stream.read(_PIECE):
        *lines, left = (left + piece).split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(left) > _MAX_LINE:
            raise zstandard.ZstdError("a line is too long")
    if left:
        raise zstandard.ZstdError("the last line does not end")
