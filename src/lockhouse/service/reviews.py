"""Keeping reviews: send, list, open, delete. `core.reviews.may` decides who may.

A caller who may not see all reviews has their own as the whole world: lists, histories and "the previous one" are of
these alone, and the id of another's review is answered as if it did not exist.
"""

from __future__ import annotations

from collections.abc import Sequence

from lockhouse.core import reviews
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, way_in
from lockhouse.core.reviews import Act, ReviewRecord
from lockhouse.errors import AccessDenied, RequestInvalid, ReviewNotFound
from lockhouse.service import audit
from lockhouse.service.callers import Caller

_PAGE = 100


def send(tx: Transaction, caller: Caller, record: ReviewRecord, body: bytes) -> ReviewRecord:
    """Keep a review; the oldest ones over `MAX_PER_ROOT` and `MAX_PER_SENDER` of this sender go.

    `body`: the compressed bytes. Needs `write` anywhere. Errors: `access.denied`."""
    require_sender(caller)
    kept = tx.add_review(record, body)
    audit.note(tx, caller, "review.send", subject=record.id)
    _trim(tx, reviews.MAX_PER_ROOT, kept.principal, kept.root)
    _trim(tx, reviews.MAX_PER_SENDER, kept.principal)
    return kept


def require_sender(caller: Caller) -> None:
    """AccessDenied (`access.denied`) unless the caller may send reviews."""
    if not reviews.may(caller.who, Act.SEND):
        raise AccessDenied(
            f"cannot keep a review of {caller.who.name}: it has no grant of 'write' anywhere",
            hint=way_in(caller.who, Right.WRITE, "NAMESPACE"),
            right="write",
        )


def list_reviews(
    tx: Reader, caller: Caller, root: str = "", before: int = 0, limit: int = 100, *, newest_only: bool = False
) -> Sequence[ReviewRecord]:
    """Reviews that the caller may see, newest first; with a root its history; `newest_only`: one of each root.

    Errors: `request.invalid` for a root that is no text."""
    if not _is_text(root):
        raise RequestInvalid(
            "cannot list the reviews of this root: it is not text",
            hint="encode it in UTF-8 and then in percents",
            argument="root",
        )
    return tx.reviews(root, _only(caller), before, limit, newest_only=newest_only)


def get(tx: Reader, caller: Caller, review_id: str) -> ReviewRecord:
    """Errors: `review.not_found` (also for one that the caller may not see)."""
    found = tx.review(review_id) if _is_text(review_id) else None
    if found is None or not reviews.may(caller.who, Act.SEE, found.principal):
        raise ReviewNotFound(f"cannot find the review {review_id[:80]!r}", hint="see the list of reviews")
    return found


def body(tx: Reader, caller: Caller, review_id: str) -> tuple[ReviewRecord, bytes]:
    """A review and its compressed bytes. Errors as `get`."""
    found = get(tx, caller, review_id)
    raw = tx.review_body(review_id)
    assert raw is not None
    return found, raw


def previous(tx: Reader, caller: Caller, record: ReviewRecord) -> ReviewRecord | None:
    """The newest older review of the same root that the caller may see."""
    found = tx.reviews(record.root, _only(caller), record.seq, 1)
    return found[0] if found else None


def delete(tx: Transaction, caller: Caller, review_id: str) -> ReviewRecord:
    """Errors: `review.not_found`, `access.denied`."""
    found = get(tx, caller, review_id)
    if not reviews.may(caller.who, Act.DELETE, found.principal):
        raise AccessDenied(
            f"cannot delete the review {review_id}: {found.name} sent it and {caller.who.name} does not administer "
            "this server",
            hint=f"ask {found.name}, or an administrator of the server",
            right="admin",
        )
    tx.delete_review(review_id)
    audit.note(tx, caller, "review.delete", subject=review_id)
    return found


def _only(caller: Caller) -> str:
    """Whose reviews the caller sees; empty: everybody's."""
    return "" if reviews.may(caller.who, Act.SEE) else caller.who.principal


def _is_text(given: str) -> bool:
    """Whether it has a UTF-8 form: what was percent-encoded in an address may have none."""
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def _trim(tx: Transaction, most: int, principal: str, root: str = "") -> None:
    kept = tx.reviews(root, principal, 0, most)
    if len(kept) < most:
        return
    while old := tx.reviews(root, principal, kept[-1].seq, _PAGE):
        for each in old:
            tx.delete_review(each.id)
