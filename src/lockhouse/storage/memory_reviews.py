"""Reviews of the reference store, in the plainest words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from lockhouse.core.reviews import ReviewRecord


@dataclass
class ReviewMaps:
    """The maps that reviews need."""

    last_review: int = 0
    reviews: dict[str, ReviewRecord] = field(default_factory=dict)
    review_bodies: dict[str, bytes] = field(default_factory=dict)


class ReviewReads:
    """The part of `Reader` about reviews."""

    _maps: ReviewMaps

    def review(self, review_id: str) -> ReviewRecord | None:
        return self._maps.reviews.get(review_id)

    def review_body(self, review_id: str) -> bytes | None:
        return self._maps.review_bodies.get(review_id)

    def reviews(
        self, root: str = "", principal: str = "", before: int = 0, limit: int = 100, *, newest_only: bool = False
    ) -> Sequence[ReviewRecord]:
        found = [
            each
            for each in self._maps.reviews.values()
            if root in ("", each.root) and principal in ("", each.principal)
        ]
        if newest_only:
            found = list({each.root: each for each in sorted(found, key=lambda each: each.seq)}.values())
        found = [each for each in found if each.seq < before or before <= 0]
        return sorted(found, key=lambda each: -each.seq)[:limit]


class ReviewWrites(ReviewReads):
    """The part of `Transaction` about reviews."""

    def add_review(self, record: ReviewRecord, body: bytes) -> ReviewRecord:
        if record.id in self._maps.reviews:
            raise ValueError(f"review {record.id!r} is there already")
        self._maps.last_review += 1
        kept = msgspec.structs.replace(record, seq=self._maps.last_review)
        self._maps.reviews[record.id] = kept
        self._maps.review_bodies[record.id] = body
        return kept

    def delete_review(self, review_id: str) -> None:
        self._maps.reviews.pop(review_id, None)
        self._maps.review_bodies.pop(review_id, None)
