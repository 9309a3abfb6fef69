"""The audit log of the reference store, in the plainest words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lockhouse.core.audit import Segment


@dataclass
class AuditMaps:
    """The maps that the audit log needs."""

    last_entry: int = 0
    audit_entries: dict[int, bytes] = field(default_factory=dict)
    audit_segments: dict[int, Segment] = field(default_factory=dict)


class AuditReads:
    """The part of `Reader` about the audit log."""

    _maps: AuditMaps

    def unsealed(self, limit: int = 1000, *, newest_first: bool = False) -> Sequence[tuple[int, bytes]]:
        return sorted(self._maps.audit_entries.items(), reverse=newest_first)[:limit]

    def last_segment(self) -> Segment | None:
        return next(iter(self.segments_before(0, 1)), None)

    def segments(self, after: int = 0, limit: int = 100) -> Sequence[Segment]:
        return [segment for first, segment in sorted(self._maps.audit_segments.items()) if first > after][:limit]

    def segments_before(self, before: int = 0, limit: int = 100) -> Sequence[Segment]:
        ordered = sorted(self._maps.audit_segments.items(), reverse=True)
        return [segment for first, segment in ordered if first < before or before <= 0][:limit]


class AuditWrites(AuditReads):
    """The part of `Transaction` about the audit log."""

    def add_entry(self, raw: bytes) -> None:
        self._maps.last_entry += 1
        self._maps.audit_entries[self._maps.last_entry] = raw

    def seal(self, segment: Segment, ids: Sequence[int]) -> None:
        if segment.first in self._maps.audit_segments:
            raise ValueError(f"segment {segment.first} is there already")
        for each in ids:
            if each not in self._maps.audit_entries:
                raise ValueError("an entry was sealed twice")
            del self._maps.audit_entries[each]
        self._maps.audit_segments[segment.first] = segment

    def delete_segments(self, before: int) -> None:
        newest = max(self._maps.audit_segments, default=0)
        for first in [each for each in self._maps.audit_segments if each < min(before, newest)]:
            del self._maps.audit_segments[first]
