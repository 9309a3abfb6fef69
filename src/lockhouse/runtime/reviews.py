"""Reviews in and out: encoded and compressed on the way in, opened on the way out. Rules: `service.reviews`."""

from __future__ import annotations

import msgspec

from lockhouse.core import reviews as rule
from lockhouse.core.ports import Reader
from lockhouse.core.reviews import Change, Review, ReviewRecord
from lockhouse.runtime.house import House
from lockhouse.runtime.packing import compress, decompress
from lockhouse.service import reviews
from lockhouse.service.callers import Caller

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Review).decode


async def keep(house: House, caller: Caller, review: Review) -> ReviewRecord:
    """The record of a review that is kept now. Errors as `service.reviews.send`."""
    reviews.require_sender(caller)
    raw = _encode(review)
    record = rule.summarize(review, review_id=house.engine.nonce(), at=caller.now, who=caller.who, size=len(raw))
    packed = compress(raw)
    return await house.write(lambda tx: reviews.send(tx, caller, record, packed))


async def fetch(house: House, caller: Caller, review_id: str) -> tuple[ReviewRecord, Review]:
    """A kept review. Errors: `review.not_found`."""
    record, packed = await house.read(lambda tx: reviews.body(tx, caller, review_id))
    return record, _opened(record, packed)


async def fetch_with_changes(
    house: House, caller: Caller, review_id: str
) -> tuple[ReviewRecord, Review, ReviewRecord | None, tuple[Change, ...]]:
    """A kept review, the one before it of the same root, and what differs. Errors: `review.not_found`."""

    def query(tx: Reader) -> tuple[ReviewRecord, bytes, ReviewRecord | None, bytes]:
        record, packed = reviews.body(tx, caller, review_id)
        before = reviews.previous(tx, caller, record)
        return record, packed, before, reviews.body(tx, caller, before.id)[1] if before is not None else b""

    record, packed, before, old = await house.read(query)
    review = _opened(record, packed)
    changes = rule.compare(_opened(before, old), review) if before is not None else ()
    return record, review, before, changes


def _opened(record: ReviewRecord, packed: bytes) -> Review:
    return _decode(decompress(packed, record.size))
