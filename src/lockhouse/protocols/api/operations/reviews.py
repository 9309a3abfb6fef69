"""Reviews of repositories: take one in, list, show, delete."""

from __future__ import annotations

from lockhouse.core.ports import Reader
from lockhouse.core.reviews import Review
from lockhouse.protocols.api import views, wire_reviews
from lockhouse.protocols.api.call import Call
from lockhouse.runtime import reviews as desk
from lockhouse.service import reviews

_MAX_SEQ = 2**62
_MAX_ROOT = 4096


async def send(call: Call) -> wire_reviews.SentReview:
    kept = await desk.keep(call.house, call.caller, call.document(Review))
    return wire_reviews.SentReview(
        id=kept.id, url=f"{call.api.settings.public_url.rstrip('/')}/console/reviews/{kept.id}"
    )


async def list_all(call: Call) -> wire_reviews.Reviews:
    limit, before = call.limit(), call.number("before", 0, _MAX_SEQ)
    root = call.query.get("root", "")[:_MAX_ROOT]

    def query(tx: Reader) -> wire_reviews.Reviews:
        found = reviews.list_reviews(tx, call.caller, root, before, limit, newest_only=not root)
        return wire_reviews.Reviews(
            reviews=tuple(views.review_line(each) for each in found),
            next=found[-1].seq if len(found) == limit else 0,
        )

    return await call.house.read(query)


async def show(call: Call) -> wire_reviews.ReviewDocument:
    record, review, before, changes = await desk.fetch_with_changes(call.house, call.caller, call.path["id"])
    return wire_reviews.ReviewDocument(
        about=views.review_line(record),
        previous=before.id if before is not None else "",
        changes=tuple(views.review_change(each) for each in changes),
        review=review,
    )


async def delete(call: Call) -> None:
    await call.house.write(lambda tx: reviews.delete(tx, call.caller, call.path["id"]))
