"""Which version is packed against which: a pure plan over the numbers of the versions of one address.

A version is packed against a *newer* one: the newest is always whole, and what retention takes, the oldest, is what
nothing depends on. The base of version `n` is `n` plus its lowest bit set (5 → 6 → 8 → 16 → …), and multiples of
`KEY_EVERY` are whole. So any version is at most `log2(KEY_EVERY)` steps from a whole one, and on the average its base
is only a few versions away, which is what a delta costs by.

While that base does not exist yet, or no longer, the best one that does takes its place; once it exists the version is
packed again, once. Versions in the trash are packed and stay readable, but are nobody's base: what depends on them is
packed anew, so that they can go.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence

import msgspec

KEY_EVERY = 128
MAX_DEPTH = 24
"""Steps from a version to a whole one; gaps in the numbers can make more of them than the rule does."""
MAX_BYTES = 64 * 1024 * 1024
"""Larger bodies stay whole and are nobody's base."""
MIN_BYTES = 512
"""Smaller ones are not worth it."""


class Entry(msgspec.Struct, frozen=True):
    """What the plan must know of one version with bytes."""

    seq: int
    size: int
    base: int = 0
    """What it is packed against now; 0: whole."""
    judged: int = 0
    """What it was packed against in vain: the delta was no smaller."""
    plain: bool = False
    """Its bytes lie uncompressed in a blob."""
    opaque: bool = False
    """Encrypted by the client: no two versions have anything in common."""
    trashed: bool = False


class Move(msgspec.Struct, frozen=True):
    """Pack this version against that one; `base` 0: whole, compressed."""

    seq: int
    base: int


def plan(entries: Sequence[Entry]) -> list[Move]:
    """What to pack, the oldest first: a base that is still whole is the quickest to read. Empty: all is done."""
    bases = sorted(each.seq for each in entries if _is_packable(each) and not each.trashed)
    known = frozenset(bases)
    newest = max((each.seq for each in entries if not each.trashed), default=0)
    moves: dict[int, Move] = {}
    depths: dict[int, int] = {}
    for entry in sorted(entries, key=lambda each: -each.seq):
        if not _is_packable(entry) or (entry.seq >= newest and not entry.base):
            depths[entry.seq] = 0
            continue
        base = _base(entry, bases, known)
        depth = depths.get(base, 0) + 1 if base else 0
        if depth > MAX_DEPTH:
            base, depth = 0, 0
        depths[entry.seq] = depth
        if base != entry.base or (not base and entry.plain and not entry.judged):
            moves[entry.seq] = Move(entry.seq, base)
    return [moves[seq] for seq in sorted(moves)]


def _is_packable(entry: Entry) -> bool:
    return MIN_BYTES <= entry.size <= MAX_BYTES and not entry.opaque


def _base(entry: Entry, bases: Sequence[int], known: Collection[int]) -> int:
    """The base that this version should have now. `bases` in order; `known` the same as a set."""
    seq = entry.seq
    first = bisect_right(bases, seq)
    if seq % KEY_EVERY == 0 or first == len(bases):
        return 0
    ideal = seq + (seq & -seq)
    if ideal in known:
        return 0 if entry.judged == ideal else ideal
    if entry.base in known:
        return entry.base
    if entry.judged in known:
        return 0
    between = bases[first : bisect_left(bases, ideal)]
    return max(between, key=lambda base: (base & -base, -base)) if between else bases[first]
