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
        raise DataInvalid(f"cannot check this export: it has version {head.lockhouse_audit}")
    claims = {each.number: each for each in others}
    number, link = head.first, bytes.fromhex(head.before)
    tail: Checkpoint | None = None
    for text in source:
        if tail is not None:
            return number - head.first, tail, Break(number, "lines follow the checkpoint")
        if text.startswith(b'{"checkpoint"'):
            tail = _read(text, _Tail).checkpoint
            continue
        line = _read(text, _Line)
        if line.number != number:
            return number - head.first, tail, Break(number, f"entry {line.number} stands in its place")
        link = chain(link, number, bytes(line.entry))
        claim = claims.pop(number, None)
        if line.hash != link.hex() or (claim is not None and claim.hash != link.hex()):
            return number - head.first, tail, Break(number, "its bytes are not those that were sealed")
        number += 1
    count = number - head.first
    if tail is None:
        return count, None, Break(number, "the export is cut off: it has no checkpoint")
    if tail.number != number - 1 or tail.hash != link.hex():
        return count, tail, Break(number, "entries are missing before the checkpoint")
    if not all(each.is_genuine(public_key or bytes.fromhex(tail.public_key)) for each in (tail, *others)):
        return count, tail, Break(number - 1, "a checkpoint is not signed by this server")
    missing = min((each for each in claims if each >= head.first), default=None)
    if missing is not None:
        return count, tail, Break(number, f"entries up to {missing} are missing: a checkpoint speaks of them")
    return count, tail, None


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
