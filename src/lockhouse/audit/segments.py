"""Sealed entries in one piece: built, packed, opened again and checked.

A segment's body is one Zstandard frame of, for each entry, its length (4 bytes, big endian), its bytes and its hash (32
bytes). The hashes are kept so that the first wrong entry can be named; what proves them is the next segment's `before`
and the signature.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import zstandard

from lockhouse.audit.signing import Signer, is_signature
from lockhouse.core.audit import START, Break, Segment, chain, check, decode
from lockhouse.errors import DataInvalid

MAX_ENTRIES = 500
MAX_BODY = 64 * 1024 * 1024
"""Bytes that a body may have when it is unpacked."""
_HASH = 32
_LENGTH = 4


class _Contexts(threading.local):
    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=3, write_content_size=True)
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def build(after: Segment | None, raws: Sequence[bytes], sealed_at: float, signer: Signer) -> Segment:
    """The segment of these entries (at least one), which follow those of `after`. The same entries and time give the
    same segment."""
    first = after.last + 1 if after is not None else 1
    before = link = after.hash if after is not None else START
    pieces: list[bytes] = []
    times: list[float] = []
    for number, raw in enumerate(raws, first):
        link = chain(link, number, raw)
        pieces += (len(raw).to_bytes(_LENGTH, "big"), raw, link)
        times.append(decode(raw).at)
    last = first + len(raws) - 1
    return Segment(
        first=first,
        last=last,
        began=min(times),
        ended=max(times),
        before=before,
        hash=link,
        body=_contexts.compressor.compress(b"".join(pieces)),
        sealed_at=sealed_at,
        signature=signer.sign(last, link, sealed_at),
    )


def entries(segment: Segment) -> list[tuple[bytes, bytes]]:
    """(bytes, hash) of each entry as stored. Errors: `data.invalid` when the body is damaged."""
    try:
        unpacked = _contexts.decompressor.decompress(segment.body, max_output_size=MAX_BODY)
    except zstandard.ZstdError:
        raise _damaged(segment) from None
    found: list[tuple[bytes, bytes]] = []
    place = 0
    while place < len(unpacked):
        start = place + _LENGTH
        end = start + int.from_bytes(unpacked[place:start], "big")
        place = end + _HASH
        if place > len(unpacked):
            raise _damaged(segment)
        found.append((unpacked[start:end], unpacked[end:place]))
    if len(found) != segment.last - segment.first + 1:
        raise _damaged(segment)
    return found


class Chain:
    """Checks segments one after the other, from the oldest that is kept."""

    def __init__(self, public_key: bytes) -> None:
        self._public_key = public_key
        self.previous: Segment | None = None
        self.checked = 0
        """Entries found in order."""

    def follow(self, segment: Segment) -> Break | None:
        """What is wrong with the next segment, naming the first entry that cannot be trusted; None: nothing."""
        previous = self.previous
        if previous is not None and segment.first != previous.last + 1:
            return Break(previous.last + 1, f"entries up to {segment.first - 1} are missing")
        if segment.before != (previous.hash if previous is not None else segment.before):
            return Break(segment.first, "it does not follow the entry before it")
        if previous is None and segment.first == 1 and segment.before != START:
            return Break(1, "the log does not begin with it")
        try:
            pairs = entries(segment)
        except DataInvalid:
            return Break(segment.first, "its segment is damaged")
        link, wrong = check(segment.before, segment.first, pairs)
        if wrong is not None:
            return wrong
        if link != segment.hash:
            return Break(segment.last, "its hash is not that of its segment")
        if not is_signature(self._public_key, segment.signature, segment.last, link, segment.sealed_at):
            return Break(segment.first, "its segment is not signed by this server")
        self.previous = segment
        self.checked += len(pairs)
        return None


def check_all(segments: Iterable[Segment], public_key: bytes) -> tuple[int, Break | None]:
    """(entries in order, the first thing that is wrong) of segments in order."""
    followed = Chain(public_key)
    for segment in segments:
        wrong = followed.follow(segment)
        if wrong is not None:
            return followed.checked, wrong
    return followed.checked, None


def _damaged(segment: Segment) -> DataInvalid:
    return DataInvalid(
        f"cannot read audit entries {segment.first} to {segment.last}: their segment is damaged",
        hint="compare with an export or a backup: lockhouse audit verify",
    )
