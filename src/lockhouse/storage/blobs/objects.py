"""Blobs as objects in a bucket that speaks S3: `PREFIX/ab12…`, under random names.

A blob of up to `PART_BYTES` is one conditional PUT, which never replaces an object; a larger one is a multipart upload
that becomes visible when it is complete, under 128 random bits that nobody else has. Reading asks for ranges: the first
answer tells the size and brings the beginning, reads in order fetch ahead. Everything here waits for a network and
belongs into threads. What the store does not answer in time is `storage.unavailable`; the next request tries again.

Sources: Amazon S3 API Reference (PutObject with If-None-Match, CreateMultipartUpload, GetObject with Range,
ListObjectsV2). Specification: `core.blobs.Blobs`.
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import threading
from collections.abc import Iterable, Iterator
from datetime import timedelta

import obstore
from msgspec.structs import replace
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, PreconditionError
from obstore.store import S3Store

from lockhouse.errors import FROM_A_BACKUP, StorageUnavailable
from lockhouse.storage.blobs.bucket import Bucket, explain
from lockhouse.storage.blobs.given import Given
from lockhouse.storage.blobs.owner import OWNER

PART_BYTES = 8 * 1024 * 1024
"""S3 takes parts from 5 MiB, and 10,000 of them."""
UPLOADS_AT_ONCE = 2
"""Parts of one blob that are under way at a time."""
FIRST_BYTES = 1024 * 1024 + 16 * 1024
"""What opening brings: a sealed frame and what is around it."""
AHEAD_BYTES = 4 * 1024 * 1024
_FAILURES = (BaseError, OSError, ValueError, RuntimeError)
"""What the library raises."""
_NAME = re.compile(r"[0-9a-f]{32}")
_log = logging.getLogger("lockhouse.storage")


class ObjectBlobs:
    """`core.blobs.Blobs` in a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._prefix = f"{bucket.prefix.strip('/')}/" if bucket.prefix.strip("/") else ""
        self._store = _connect(bucket)
        self._asked = _connect(replace(bucket, request_seconds=bucket.ask_seconds))
        self._where = f"s3://{bucket.name}/{self._prefix}"
        self.given = Given()
        self.sweeping = threading.Lock()

    def create(self) -> ObjectWriter:
        return ObjectWriter(self)

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        """Beyond the port, for whoever carries blobs here from elsewhere: durable under the name that it had there."""
        self._path(name)
        writer = ObjectWriter(self, name)
        try:
            for piece in pieces:
                writer.write(piece)
            writer.finish()
        except BaseException:
            writer.abort()
            raise

    def open(self, name: str) -> ObjectReader:
        return ObjectReader(self._store, self._path(name), name)

    def local_path(self, name: str) -> str | None:  # noqa: ARG002 - never one
        return None

    def delete(self, name: str) -> None:
        with _answers(f"delete body {name}"), contextlib.suppress(NotFoundError, FileNotFoundError):
            obstore.delete(self._store, self._path(name))
        self.given.forget(name)

    def names(self) -> Iterator[tuple[str, float]]:
        with _answers(f"list {self._where}"):
            for batch in obstore.list(self._store, self._prefix or None, chunk_size=1000):
                for each in batch:
                    name = each["path"].removeprefix(self._prefix)
                    if _NAME.fullmatch(name):
                        yield name, each["last_modified"].timestamp()

    def finished_within(self, name: str, seconds: float) -> bool:
        return self.given.within(name, seconds)

    def check(self) -> None:
        try:
            obstore.list_with_delimiter(self._asked, f"{self._prefix}0000000000")
        except _FAILURES as error:
            raise explain(self._bucket, str(error)) from error

    def claim(self, house: str) -> str:
        path = f"{self._prefix}{OWNER}"
        with _answers("claim the bucket", ""):
            with contextlib.suppress(NotFoundError, FileNotFoundError):
                return bytes(obstore.get(self._asked, path).bytes()).decode("utf-8", "replace").strip()
            with contextlib.suppress(AlreadyExistsError, PreconditionError):
                obstore.put(self._asked, path, house.encode(), mode="create", use_multipart=False)
            return bytes(obstore.get(self._asked, path).bytes()).decode("utf-8", "replace").strip()

    def explain_owner(self) -> tuple[str, str]:
        at = f" --endpoint-url {self._bucket.endpoint}" if self._bucket.endpoint else ""
        return self._where.rstrip("/"), f"aws s3 rm {self._where}{OWNER}{at}"

    def _path(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise StorageUnavailable("cannot open a body: its name is damaged", hint=FROM_A_BACKUP)
        return f"{self._prefix}{name}"


class ObjectWriter:
    """One blob being written. Memory: the parts that are under way."""

    def __init__(self, blobs: ObjectBlobs, name: str = "") -> None:
        self._blobs = blobs
        self._replaces = bool(name)
        self._name = name or secrets.token_hex(16)
        self._held = bytearray()
        self._parts: obstore.WritableFile | None = None
        self._using = threading.RLock()
        self._over = False

    def write(self, data: bytes | memoryview) -> None:
        with self._using:
            if self._parts is None and len(self._held) + len(data) <= PART_BYTES:
                self._held += data
                return
            with _answers(f"store body {self._name}"):
                if self._parts is None:
                    self._parts = obstore.open_writer(
                        self._blobs._store,  # noqa: SLF001 - one class in two halves
                        self._blobs._path(self._name),  # noqa: SLF001 - as above
                        buffer_size=PART_BYTES,
                        max_concurrency=UPLOADS_AT_ONCE,
                    )
                    self._parts.write(bytes(self._held))
                    self._held = bytearray()
                self._parts.write(bytes(data))

    def finish(self) -> str:
        with self._using, _answers(f"store body {self._name}"):
            self._over = True
            self._blobs.given.note(self._name)
            if self._parts is not None:
                self._parts.close()
            else:
                obstore.put(
                    self._blobs._store,  # noqa: SLF001 - as above
                    self._blobs._path(self._name),  # noqa: SLF001 - as above
                    bytes(self._held),
                    mode="overwrite" if self._replaces else "create",
                    use_multipart=False,
                )
            self._held = bytearray()
            return self._name

    def abort(self) -> None:
        """What was sent is left as an unfinished upload, which the store removes by its own rules."""
        with self._using:
            self._over = True
            self._held = bytearray()
            self._parts = None


class ObjectReader:
    """An open blob. Reads in order fetch ahead."""

    def __init__(self, store: S3Store, path: str, name: str) -> None:
        self._store = store
        self._path = path
        self._what = f"read body {name}"
        with _answers(self._what):
            self.size, self._bytes = self._first()
        self._start = 0

    def read(self, offset: int, size: int) -> bytes:
        end = min(offset + size, self.size)
        if offset >= end:
            return b""
        held_end = self._start + len(self._bytes)
        if not self._start <= offset <= end <= held_end:
            ahead = AHEAD_BYTES if self._start < offset <= held_end else 0
            if ahead and offset < held_end:  # what is held already need not come again
                kept = self._bytes[offset - self._start :]
                self._bytes = kept + self._range(held_end, min(self.size, max(end, held_end + ahead)))
            else:
                self._bytes = self._range(offset, min(self.size, max(end, offset + ahead)))
            self._start = offset
        return self._bytes[offset - self._start : end - self._start]

    def read_into(self, offset: int, room: memoryview) -> int:
        found = self.read(offset, len(room))
        room[: len(found)] = found
        return len(found)

    def at_hand(self, offset: int, size: int) -> bool:
        return self._start <= offset and offset + size <= self._start + len(self._bytes)

    def close(self) -> None:
        self._bytes = b""
        self._start = 0

    def _first(self) -> tuple[int, bytes]:
        try:
            found = obstore.get(self._store, self._path, options={"range": (0, FIRST_BYTES)})
        except (NotFoundError, FileNotFoundError):
            raise
        except BaseError:
            # Of an empty object no range can be had.
            size = obstore.head(self._store, self._path)["size"]
            if size:
                raise
            return 0, b""
        return found.meta["size"], bytes(found.bytes())

    def _range(self, start: int, end: int) -> bytes:
        with _answers(self._what):
            found = bytes(obstore.get_range(self._store, self._path, start=start, end=end))
        if len(found) != end - start:
            raise StorageUnavailable(f"cannot {self._what}: it is cut off", hint=FROM_A_BACKUP)
        return found


def _connect(bucket: Bucket) -> S3Store:
    given = {
        "endpoint": bucket.endpoint,
        "region": bucket.region,
        "access_key_id": bucket.access_key_id,
        "secret_access_key": bucket.secret_access_key,
    }
    try:
        return S3Store(
            bucket.name,
            virtual_hosted_style_request=bucket.virtual_host,
            client_options={
                "connect_timeout": timedelta(seconds=bucket.connect_seconds),
                "timeout": timedelta(seconds=bucket.request_seconds),
                "allow_http": bucket.endpoint.startswith("http://"),
            },
            retry_config={
                "max_retries": 3,
                "retry_timeout": timedelta(seconds=bucket.retry_seconds),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=1),
                    "base": 2,
                },
            },
            **{name: value for name, value in given.items() if value},  # type: ignore[arg-type]
        )
    except BaseError as error:
        raise StorageUnavailable(
            f"cannot use the bucket {bucket.name}: {_short(error)}",
            hint="try again; does the bucket answer, and is the endpoint in --blobs (LOCKHOUSE_BLOBS) right?",
        ) from None


@contextlib.contextmanager
def _answers(what: str, thing: str = " a large body") -> Iterator[None]:
    """What the store says names places inside of a network: it is for the log, and clients are told what it means."""
    try:
        yield
    except _FAILURES as error:
        _log.warning("Cannot %s error=%s", what, _short(error))
        if isinstance(error, NotFoundError | FileNotFoundError):
            message, hint = "it is not there", "does the setting blobs name the place where large bodies are?"
        else:
            message, hint = (
                "it does not answer as it should",
                "try again in a minute; the server's log has what it said",
            )
        act = f"{what.partition(' ')[0]}{thing}" if thing else what
        raise StorageUnavailable(f"cannot {act} in the object store: {message}", hint=hint) from error


def _short(error: BaseException) -> str:
    """The first line, without what debugging adds; object stores answer with whole documents."""
    return type(error).__name__ if not str(error) else str(error).splitlines()[0][:200]
