"""An S3 bucket, with its whole history, as the source of an import; and a DynamoDB lock table beside it.

Reads only: ListObjectVersions, GetObject, Scan. A key's versions come newest first and are put in the order in which
they were written. Lock objects (`KEY.tflock`) have no history worth keeping: those that are there now are told as held
locks. Specification: Amazon S3 API Reference; DynamoDB API, "Scan".
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_plus, urlsplit
from xml.etree import ElementTree as ET

import httpx
import msgspec

from lockhouse.clients.imports.signing import AwsKey, sign, target_of
from lockhouse.clients.imports.source import Fetched, HeldLock, SourceKey, SourceVersion
from lockhouse.core.addresses import lockfile_target
from lockhouse.errors import Refusal, ServerUnreachable

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_TRIES = 5
_MD5 = re.compile(r"[0-9a-f]{32}")
_MAX_LOCK = 64 * 1024
_AGAIN = frozenset({429, 500, 502, 503, 504})


class _Text(msgspec.Struct):
    S: str = ""


class _Item(msgspec.Struct):
    LockID: _Text = msgspec.field(default_factory=_Text)
    Info: _Text | None = None


class _Page(msgspec.Struct):
    """What a Scan answers, as far as it is about locks."""

    Items: list[_Item] = []
    LastEvaluatedKey: msgspec.Raw = msgspec.Raw()
    """Empty on the last page."""


class S3Source:
    """One bucket, or the keys in it that start with a prefix."""

    def __init__(
        self,
        bucket: str,
        key: AwsKey,
        *,
        prefix: str = "",
        endpoint: str = "",
        region: str = "us-east-1",
        table: str = "",
        table_endpoint: str = "",
        pause: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`endpoint`: of an S3-compatible store; without it, AWS's own in the region. `table`: a lock table."""
        self.name = f"s3://{bucket}/{prefix}"
        self._bucket = bucket
        self._prefix = prefix
        self._key = key
        self._region = region
        self._table = table
        self._endpoint = endpoint.rstrip("/") or f"https://s3.{region}.amazonaws.com"
        self._table_endpoint = table_endpoint.rstrip("/") or (
            self._endpoint if endpoint else f"https://dynamodb.{region}.amazonaws.com"
        )
        self._pause = pause
        self._now = now
        self._http = httpx.Client(timeout=_TIMEOUT, follow_redirects=False)
        self._locks: list[HeldLock] = []
        self._noting = threading.Lock()

    def close(self) -> None:
        self._http.close()

    def keys(self) -> Iterator[SourceKey]:
        key, entries = "", list[SourceVersion]()
        latest = ""
        for name, entry, is_latest in self._entries():
            if name != key:
                yield from self._key_of(key, entries, latest)
                key, entries, latest = name, [], ""
            entries.append(entry)
            if is_latest:
                latest = entry.id
        yield from self._key_of(key, entries, latest)

    @contextmanager
    def fetch(self, key: SourceKey, version: SourceVersion) -> Iterator[Fetched]:
        number = version.id.partition(" ")[0]
        query = [("versionId", number)] if number != "null" else []
        with self._get(key.key, query) as answer:
            encrypted = answer.headers.get("x-amz-server-side-encryption", "").startswith("aws:")
            yield Fetched(
                answer.iter_raw(),
                "" if encrypted else version.md5,
                answer.headers.get("content-type", ""),
                {
                    name.removeprefix("x-amz-meta-"): value
                    for name, value in answer.headers.items()
                    if name.startswith("x-amz-meta-")
                },
            )

    def held_locks(self) -> list[HeldLock]:
        found = list(self._locks)
        if self._table:
            found += self._table_locks()
        return found

    # Listing ----------------------------------------------------------------------------------------------------------

    def _entries(self) -> Iterator[tuple[str, SourceVersion, bool]]:
        marks: list[tuple[str, str]] = []
        pending: list[tuple[str, SourceVersion, bool]] = []
        while True:
            query = [("versions", ""), ("prefix", self._prefix), ("encoding-type", "url"), *marks]
            with self._get("", query) as answer:
                root = _xml(answer.read(), self._endpoint)
            # Some stores list the delete markers of a page after its versions: they are put together again by key.
            encoded = _text(root, "EncodingType") == "url"
            pending += [_entry(each, encoded=encoded) for each in root if _tag(each) in ("Version", "DeleteMarker")]
            pending.sort(key=lambda entry: entry[0].encode())
            if _text(root, "IsTruncated") != "true":
                yield from pending
                return
            marks = [("key-marker", _name(_text(root, "NextKeyMarker"), encoded=encoded))]
            if number := _text(root, "NextVersionIdMarker"):
                marks.append(("version-id-marker", number))
            # The last key may go on on the next page.
            last = pending[-1][0] if pending else ""
            yield from (entry for entry in pending if entry[0] != last)
            pending = [entry for entry in pending if entry[0] == last]

    def _key_of(self, key: str, entries: Sequence[SourceVersion], latest: str) -> Iterator[SourceKey]:
        if not entries:
            return
        # Newest first in the listing; its times are whole seconds, so they alone do not tell the order.
        ordered = list(entries)
        ordered.reverse()
        ordered.sort(key=lambda entry: (entry.id == latest, entry.at))
        found = SourceKey("", key, tuple(ordered))
        locked = lockfile_target(key)
        if locked is None:
            yield found
        elif not ordered[-1].deleted and ordered[-1].id == latest:
            self._note_lock(locked, found)

    def _note_lock(self, locked: str, key: SourceKey) -> None:
        with self.fetch(key, key.versions[-1]) as fetched:
            raw = b"".join(fetched.pieces)[:_MAX_LOCK]
        with self._noting:
            self._locks.append(_lock(locked, raw, "lockfile"))

    # The lock table ---------------------------------------------------------------------------------------------------

    def _table_locks(self) -> list[HeldLock]:
        found: list[HeldLock] = []
        start = msgspec.Raw()
        while True:
            asked: dict[str, object] = {"TableName": self._table, "ConsistentRead": True}
            if start:
                asked["ExclusiveStartKey"] = start
            page = self._scan(msgspec.json.encode(asked))
            for item in page.Items:
                bucket, _, key = item.LockID.S.partition("/")
                if item.Info is not None and bucket == self._bucket and key.startswith(self._prefix):
                    found.append(_lock(key, item.Info.S.encode(), "table"))
            start = page.LastEvaluatedKey
            if not start:
                return found

    def _scan(self, body: bytes) -> _Page:
        headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.Scan"}
        parts = urlsplit(self._table_endpoint)
        for left in reversed(range(_TRIES)):
            signed = sign(
                self._key,
                method="POST",
                host=parts.netloc,
                target=("/", ""),
                region=self._region,
                service="dynamodb",
                now=self._now(),
                body=body,
                headers=headers,
            )
            answer = self._http.post(f"{self._table_endpoint}/", content=body, headers=signed)
            if answer.status_code == 200:
                try:
                    return msgspec.json.decode(answer.content, type=_Page)
                except msgspec.ValidationError as wrong:
                    raise Refusal(
                        "request.invalid",
                        f"cannot use {self._table}: it is not a lock table of Terraform ({wrong})",
                        "",
                    ) from None
            if answer.status_code == 400 and b"ResourceNotFoundException" in answer.content:
                raise Refusal(
                    "table.not_found",
                    f"cannot find the lock table {self._table} at {self._table_endpoint}",
                    "name it as it is: --lock-table NAME",
                )
            if answer.status_code not in _AGAIN or not left:
                raise Refusal(
                    "access.denied" if answer.status_code in (400, 403) else "storage.unavailable",
                    f"cannot read the lock table {self._table}: {self._table_endpoint} answered {answer.status_code}",
                    "name it as it is: --lock-table NAME",
                )
            self._pause(2.0 ** (_TRIES - left - 2))
        raise AssertionError

    # Requests ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def _get(self, key: str, query: Sequence[tuple[str, str]]) -> Iterator[httpx.Response]:
        answer = self._answer(key, query)
        try:
            yield answer
        except httpx.HTTPError as wrong:
            raise ServerUnreachable(f"cannot read {self.name}: {wrong}", hint="run it again: it goes on") from wrong
        finally:
            answer.close()

    def _answer(self, key: str, query: Sequence[tuple[str, str]]) -> httpx.Response:
        """A good answer, not yet read. Waits and asks again where the store says that it is busy."""
        for left in reversed(range(_TRIES)):
            answer: httpx.Response | None = None
            try:
                answer = self._http.send(self._request(key, query), stream=True)
            except httpx.HTTPError as wrong:
                if not left:
                    raise ServerUnreachable(f"cannot reach {self._endpoint}: {wrong}", hint="run it again") from None

            if answer is not None:
                if answer.status_code == 200:
                    return answer
                answer.read()
                answer.close()
                region = answer.headers.get("x-amz-bucket-region", "")
                if region and region != self._region and answer.status_code in (301, 307, 400):
                    self._endpoint = self._endpoint.replace(f"//s3.{self._region}.", f"//s3.{region}.")
                    self._region = region
                    continue
                if answer.status_code not in _AGAIN or not left:
                    raise self._refusal(key, answer)
            self._pause(2.0 ** (_TRIES - left - 2))
        raise ServerUnreachable(
            f"cannot read {self.name}: it was asked {_TRIES} times", hint="run it again: it goes on"
        )

    def _request(self, key: str, query: Sequence[tuple[str, str]]) -> httpx.Request:
        parts = urlsplit(self._endpoint)
        path, text = target_of(f"{parts.path}/{self._bucket}" + (f"/{key}" if key else ""), query)
        headers = sign(
            self._key,
            method="GET",
            host=parts.netloc,
            target=(path, text),
            region=self._region,
            service="s3",
            now=self._now(),
        )
        request = self._http.build_request("GET", f"{parts.scheme}://{parts.netloc}/", headers=headers)
        # Sent as it was signed: keys such as `a//b` and `../c` are names, not paths to be tidied.
        request.extensions["target"] = (path + (f"?{text}" if text else "")).encode("ascii")
        return request

    def _refusal(self, key: str, answer: httpx.Response) -> Refusal:
        code = ""
        if answer.content[:1] == b"<":
            code = _text(_xml(answer.content, self._endpoint), "Code")
        what = f"s3://{self._bucket}/{key}"
        known = {403: "access.denied", 404: "namespace.not_found" if not key else "version.not_found"}
        return Refusal(
            known.get(answer.status_code, "storage.unavailable"),
            f"cannot read {what}: {urlsplit(self._endpoint).hostname} answered {answer.status_code} {code}".rstrip(),
            "the key needs s3:ListBucketVersions, s3:GetObject and s3:GetObjectVersion"
            if answer.status_code == 403
            else "",
        )


def _entry(element: ET.Element, *, encoded: bool) -> tuple[str, SourceVersion, bool]:
    etag = _text(element, "ETag").strip('"')
    number = _text(element, "VersionId") or "null"
    changed = _text(element, "LastModified")
    version = SourceVersion(
        # Without versioning there is but one version, called null: its content tells one from the next.
        number if number != "null" else f"null {etag} {changed}",
        _seconds(changed),
        int(_text(element, "Size") or 0),
        etag if _MD5.fullmatch(etag) else "",
        deleted=_tag(element) == "DeleteMarker",
    )
    return _name(_text(element, "Key"), encoded=encoded), version, _text(element, "IsLatest") == "true"


def _lock(key: str, raw: bytes, through: str) -> HeldLock:
    try:
        document = json.loads(raw)
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    lock_id, who, operation, created = (str(document.get(name, "")) for name in ("ID", "Who", "Operation", "Created"))
    return HeldLock(key, lock_id, who, operation, created, through)


def _xml(raw: bytes, endpoint: str) -> ET.Element:
    if b"<!DOCTYPE" in raw[:1000] or b"<!ENTITY" in raw:
        raise ServerUnreachable(
            f"cannot read the answer of {endpoint}: it is not what S3 answers",
            hint="is it the endpoint of S3? --source-endpoint URL",
        )
    try:
        return ET.fromstring(raw)  # noqa: S314 - no entities, as just checked
    except ET.ParseError as wrong:
        raise ServerUnreachable(
            f"cannot read the answer of {endpoint}: {wrong}", hint="is it the endpoint of S3? --source-endpoint URL"
        ) from None


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: ET.Element, name: str) -> str:
    return next((child.text or "" for child in element if _tag(child) == name), "")


def _name(text: str, *, encoded: bool) -> str:
    return unquote_plus(text) if encoded else text


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return parsedate_to_datetime(text).timestamp()
