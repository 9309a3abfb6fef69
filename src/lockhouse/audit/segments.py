"""Sealed entries in one piece: built, packed, opened again and checked.

A segment's body is one Zstandard frame of, for each entry, its length (4 bytes, big endian), its bytes and its hash (32
bytes). The hashes are kept so that the first wrong entry can be named; what proves them is the next segment's `before`,
the signature, and checkpoints that were kept elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import zstandard

from lockhouse.audit.signing import Checkpoint, Signer, is_signature
from lockhouse.core.audit import START, Break, Segment, chain, check, decode_time
from lockhouse.errors import DataInvalid

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
        times.append(decode_time(raw).at)
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
    found = _unpack(segment)
    if found is None or len(found) != segment.last - segment.first + 1:
        raise _damaged(segment)
    return found


def _unpack(segment: Segment) -> list[tuple[bytes, bytes]] | None:
    """What the body holds, however many entries that is; None when it cannot be read."""
    try:
        unpacked = _contexts.decompressor.decompress(segment.body, max_output_size=MAX_BODY)
    except zstandard.ZstdError:
        return None
    found: list[tuple[bytes, bytes]] = []
    place = 0
    while place < len(unpacked):
        start = place + _LENGTH
        end = start + int.from_bytes(unpacked[place:start], "big")
        place = end + _HASH
        if place > len(unpacked):
            return None
        found.append((unpacked[start:end], unpacked[end:place]))
    return found


class Chain:
    """Checks segments one after the other, from the oldest that is kept.

    An entry that does not have its hash is named itself. Hashes need no key, so somebody may have computed them anew
    from some entry on: then nothing after the last signature or checkpoint that fits can be trusted, and that place is
    named."""

    def __init__(self, public_key: bytes, checkpoints: Sequence[Checkpoint] = ()) -> None:
        """`checkpoints`: kept elsewhere; each must agree with the entry that it speaks of."""
        self._public_key = public_key
        self._claims = {each.number: each.hash for each in checkpoints}
        self._genuine = all(each.is_genuine(public_key) for each in checkpoints)
        self._begin = 0
        self._vouched = 0
        """The newest entry that agrees with a checkpoint."""
        self.previous: Segment | None = None
        self.checked = 0
        """Entries found in order."""

    def follow(self, segment: Segment) -> Break | None:
        """What is wrong with the next segment, naming the first entry that cannot be trusted; None: nothing."""
        previous = self.previous
        self._begin = self._begin or segment.first
        if not self._genuine:
            return Break(self._begin, "a checkpoint is not signed by this server")
        if previous is not None and segment.first != previous.last + 1:
            return Break(previous.last + 1, f"entries up to {segment.first - 1} are missing")
        if segment.before != (previous.hash if previous is not None else segment.before):
            return Break(segment.first, "it does not follow the entry before it")
        if previous is None and segment.first == 1 and segment.before != START:
            return Break(1, "the log does not begin with it")
        pairs = _unpack(segment)
        if pairs is None:
            return Break(segment.first, "its segment is damaged")
        link, wrong = check(segment.before, segment.first, pairs)
        if wrong is not None:
            return wrong
        following = segment.first + len(pairs)
        if following != segment.last + 1:
            return Break(min(following, segment.last + 1), "its segment does not end where it was sealed")
        if link != segment.hash:
            return Break(segment.first, "the hashes of its segment were computed anew")
        if not is_signature(self._public_key, segment.signature, segment.last, link, segment.sealed_at):
            return Break(segment.first, "its segment is not signed by this server")
        for number in sorted(each for each in self._claims if segment.first <= each <= segment.last):
            if self._claims.pop(number) != pairs[number - segment.first][1].hex():
                return Break(max(self._begin, self._vouched + 1), f"a checkpoint tells another entry {number}")
            self._vouched = number
        self.previous = segment
        self.checked += len(pairs)
        return None

    def end(self) -> Break | None:
        """What is wrong when no segment follows: entries that a checkpoint speaks of may be missing."""
        missing = max((each for each in self._claims if each >= self._begin), default=0)
        if not missing:
            return None
        last = self.previous.last if self.previous is not None else 0
        return Break(last + 1, f"entries up to {missing} are missing: a checkpoint speaks of them")


def check_all(
    segments: Iterable[Segment], public_key: bytes, checkpoints: Sequence[Checkpoint] = ()
) -> tuple[int, Segment | None, Break | None]:
    """(entries in order, the last segment that is right, the first thing that is wrong) of segments in order."""
    followed = Chain(public_key, checkpoints)
    for segment in segments:
        wrong = followed.follow(segment)
        if wrong is not None:
            return followed.checked, followed.previous, wrong
    return followed.checked, followed.previous, followed.end()


def _damaged(segment: Segment) -> DataInvalid:
    return DataInvalid(
        f"cannot read audit entries {segment.first} to {segment.last}: their segment is damaged",
        hint="compare with an export or a backup: lockhouse audit verify",
    )
