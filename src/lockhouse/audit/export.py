"""The log outside of the server: JSON lines that prove themselves, and comma-separated values for spreadsheets.

A JSONL export begins with `{"lockhouse_audit":1,"first":N,"before":HEX}`, has one line `{"number","hash","entry"}` for
each entry, whose `entry` is the sealed bytes themselves, and ends with `{"checkpoint":{…}}` (`audit.signing`). `check`
computes every hash anew. Cells that a spreadsheet would take for a formula get a leading apostrophe in CSV.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from lockhouse.audit.segments import entries
from lockhouse.audit.signing import Checkpoint
from lockhouse.core.audit import Break, Entry, Segment, chain, decode
from lockhouse.errors import DataInvalid

_T = TypeVar("_T")

VERSION = 1
FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = tuple(field.name for field in msgspec.structs.fields(Entry))


class _Head(msgspec.Struct, frozen=True):
    lockhouse_audit: int
    first: int
    before: str


class _Line(msgspec.Struct, frozen=True):
    number: int
    hash: str
    entry: msgspec.Raw


class _Tail(msgspec.Struct, frozen=True):
    checkpoint: Checkpoint


_encode = msgspec.json.Encoder().encode


def json_lines(segments: Iterable[Segment], public_key: bytes) -> Iterator[bytes]:
    """Lines, each with its end. Errors: `data.invalid` for a damaged segment."""
    last: Segment | None = None
    for segment in segments:
        if last is None:
            yield _encode(_Head(VERSION, segment.first, segment.before.hex())) + b"\n"
        for number, (raw, link) in enumerate(entries(segment), segment.first):
            yield _encode(_Line(number, link.hex(), msgspec.Raw(raw))) + b"\n"
        last = segment
    if last is not None:
        yield _encode(_Tail(checkpoint_of(last, public_key))) + b"\n"


def csv_lines(segments: Iterable[Segment]) -> Iterator[str]:
    """A header and one line for each entry. Errors: `data.invalid` for a damaged segment."""
    yield _row(("number", *COLUMNS))
    for segment in segments:
        for number, (raw, _) in enumerate(entries(segment), segment.first):
            entry = decode(raw)
            yield _row((str(number), *(_cell(getattr(entry, name)) for name in COLUMNS)))


def checkpoint_of(segment: Segment, public_key: bytes) -> Checkpoint:
    """The signed statement about a segment's last entry."""
    return Checkpoint(segment.last, segment.hash.hex(), segment.sealed_at, public_key.hex(), segment.signature.hex())


def check(
    lines: Iterable[bytes], public_key: bytes | None = None, others: Sequence[Checkpoint] = ()
) -> tuple[int, Checkpoint | None, Break | None]:
    """(entries in order, the export's own checkpoint, the first thing that is wrong) of a JSONL export.

    Without a public key the checkpoint's own is used: then only accidents are found. Each of `others` must be signed,
    and agree with the entry that it speaks of. Errors: `data.invalid` when the lines are no export."""
    source = iter(lines)
    head = _read(next(source, b""), _Head)
    if head.lockhouse_audit != VERSION:
        raise DataInvalid(
            f"cannot check this export: it has version {head.lockhouse_audit}",
            hint="use the Lockhouse that wrote it, or a later one",
        )
    walk = _Walk(head, others)
    for text in source:
        wrong = walk.follow(text)
        if wrong is not None:
            return walk.count, walk.tail, wrong
    wrong = walk.end(public_key)
    return walk.count, walk.tail, wrong


class _Walk:
    """An export, line by line.

    Hashes need no key: whoever computed them anew may have begun anywhere after what a checkpoint vouches for."""

    def __init__(self, head: _Head, checkpoints: Sequence[Checkpoint]) -> None:
        self._checkpoints = checkpoints
        self._claims = {each.number: each.hash for each in checkpoints}
        self._first = self._number = head.first
        self._link = bytes.fromhex(head.before)
        self._vouched = head.first - 1
        self.tail: Checkpoint | None = None

    @property
    def count(self) -> int:
        """Entries in order."""
        return self._number - self._first

    def follow(self, text: bytes) -> Break | None:
        """What is wrong with the next line."""
        number = self._number
        if self.tail is not None:
            return Break(number, "lines follow the checkpoint")
        if text.startswith(b'{"checkpoint"'):
            self.tail = _read(text, _Tail).checkpoint
            return None
        line = _read(text, _Line)
        if line.number != number:
            return Break(number, f"entry {line.number} stands in its place")
        self._link = chain(self._link, number, bytes(line.entry))
        if line.hash != self._link.hex():
            return Break(number, "its bytes are not those that were sealed")
        if number in self._claims:
            if self._claims.pop(number) != line.hash:
                return Break(self._vouched + 1, f"a checkpoint tells another entry {number}")
            self._vouched = number
        self._number += 1
        return None

    def end(self, public_key: bytes | None) -> Break | None:
        """What is wrong when no line follows."""
        tail, number = self.tail, self._number
        if tail is None:
            return Break(number, "the export is cut off: it has no checkpoint")
        if tail.number != number - 1:
            return Break(min(number, tail.number + 1), "its last entry is not that of its checkpoint")
        if tail.hash != self._link.hex():
            return Break(self._vouched + 1, "the hashes from here on were computed anew")
        key = public_key or bytes.fromhex(tail.public_key)
        if not all(each.is_genuine(key) for each in self._checkpoints):
            return Break(self._first, "a checkpoint is not signed by this server")
        if not tail.is_genuine(key):
            return Break(self._vouched + 1, "the export is not signed by this server")
        missing = max((each for each in self._claims if each >= self._first), default=None)
        if missing is not None:
            return Break(number, f"entries up to {missing} are missing: a checkpoint speaks of them")
        return None


def _read(line: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DataInvalid(
            "cannot read this export: a line is not one of Lockhouse", hint="lockhouse audit export"
        ) from None


def _cell(value: object) -> str:
    text = "" if value in ("", 0) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _row(cells: Iterable[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(list(cells))
    return written.getvalue()
