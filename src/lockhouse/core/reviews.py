"""Reviews of repositories: their fixed shape, who may send, see and delete them, and what differs between two.

The shape is `lockhouse.review/1` as the review command prints it (docs/reference/reviews-api.md). A field that
is not known here is dropped, since a newer command may say more; one that is known must have its type.

A review quotes file names and lines of a repository, so it is its sender's: whoever has `write` anywhere may send one
and sees their own; who reads everything sees all; who administers everything may delete all.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from lockhouse.core.principals import Identity, Right, allows

MAX_PER_ROOT = 20
"""Reviews that are kept of one root and one sender: the oldest goes when one more comes."""
MAX_PER_SENDER = 500
"""Reviews that are kept of one sender, whatever their roots."""

Text = Annotated[str, msgspec.Meta(max_length=20_000)]
Line = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Id = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9./-]{0,99}\Z")]


class User(StrEnum):
    """Who uses a service."""

    APPLICATION = "application"
    PLATFORM = "platform"
    TOOLING = "tooling"
    DELIVERY = "delivery"


class Status(StrEnum):
    """The verdict on one service."""

    USED = "used"
    PERMISSION_ONLY = "permission_only"
    DECLARED_UNUSED = "declared_unused"
    EXAMPLE_ONLY = "example_only"
    DOCS_ONLY = "docs_only"
    LOCK_FILE_ONLY = "lock_file_only"
    NOT_PRESENT = "not_present"
    UNKNOWN = "unknown"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One place that says something about a service."""

    user: User | None
    """None: not a use."""
    role: Text
    file: Text
    line: Line
    column: Line = 1
    snippet: Text = ""
    rule: Text = ""
    component: Text = ""
    link: Text | None = None
    certainty: Text = ""
    purpose: Text | None = None
    name: Text | None = None
    operations: tuple[Text, ...] = ()


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """IAM actions."""

    needed: tuple[Text, ...] = ()
    granted: tuple[Text, ...] = ()
    missing: tuple[Text, ...] = ()
    excessive: tuple[Text, ...] = ()
    note: Text = ""


class CostLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the arithmetic."""

    what: Text
    quantity: Text
    price: Text
    monthly_usd: float


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a service costs; `monthly_usd` None: the repository does not say."""

    monthly_usd: float | None = None
    text: Text = ""
    as_of: Text = ""
    lines: tuple[CostLine, ...] = ()
    assumptions: tuple[Text, ...] = ()
    warning: Text | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A place that still names a service."""

    file: Text
    line: Line
    what: Text = ""


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a service can go, and in which steps."""

    answer: Text = ""
    reason: Text = ""
    steps: tuple[Text, ...] = ()
    places: tuple[Place, ...] = ()


class ServiceReview(msgspec.Struct, frozen=True, kw_only=True):
    """One service."""

    service: Id
    name: Text
    users: Annotated[tuple[User, ...], msgspec.Meta(max_length=4)]
    status: Status
    certainty: Text = ""
    purpose: Text = ""
    because: Text | None = None
    evidence: tuple[Evidence, ...] = ()
    permissions: Permissions = Permissions()
    cost: Cost = Cost()
    removable: Removal = Removal()


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something to act on."""

    rule: Text
    level: Literal["error", "warning", "note"]
    message: Text
    file: Text
    line: Line
    service: Text | None = None
    hint: Text = ""


class UnknownPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A place that makes an answer unknown."""

    scope: Text
    file: Text
    line: Line
    rule: Text
    reason: Text
    snippet: Text = ""


class Searched(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at."""

    files: Count = 0
    manifests: Count = 0
    lock_files: Count = 0
    source: Count = 0
    infrastructure: Count = 0
    scripts: Count = 0
    documents: Count = 0
    other: Count = 0
    skipped: Count = 0
    names: Count = 0


class SkippedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was not read."""

    file: Text
    reason: Text


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of the repository that does not hold."""

    rule: Text
    message: Text
    service: Text = ""
    user: Text = ""
    file: Text = ""
    line: Line = 0


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """One review."""

    schema: Literal["lockhouse.review/1"]
    root: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    commit: Annotated[str, msgspec.Meta(max_length=200)] | None
    services: Annotated[tuple[ServiceReview, ...], msgspec.Meta(max_length=5000)]
    findings: tuple[Finding, ...]
    searched: Searched
    asked: Text | None = None
    unknowns: tuple[UnknownPlace, ...] = ()
    skipped: tuple[SkippedFile, ...] = ()
    violations: tuple[Violation, ...] = ()


class ReviewRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept beside a review's bytes: enough for lists."""

    seq: int
    """Rising in the order of arrival; the store numbers them."""
    id: str
    at: float
    root: str
    commit: str
    principal: str
    """Who sent it."""
    name: str
    size: int
    """Bytes of the review, not compressed."""
    statuses: dict[str, int]
    """How many services have each status that occurs."""
    findings: int = 0
    violations: int = 0


class Change(msgspec.Struct, frozen=True):
    """One service whose verdict or users are not what they were. None: it was, or is, not in the review."""

    service: str
    name: str
    before: Status | None
    after: Status | None
    gained: tuple[User, ...]
    lost: tuple[User, ...]


class Act(StrEnum):
    """What may be done with a review."""

    SEND = "send"
    SEE = "see"
    DELETE = "delete"


def may(who: Identity, act: Act, sender: str = "") -> bool:
    """Whether `who` may do this with the reviews of `sender` (a principal's id); with an empty sender: of everybody.

    The one decision about reviews. Sending has no sender yet: it needs `write` in any place."""
    writes = any(Right.WRITE in grant.rights or Right.ADMIN in grant.rights for grant in who.grants)
    match act:
        case Act.SEND:
            return writes
        case Act.SEE:
            return (sender != "" and sender == who.principal) or allows(who.grants, Right.READ, "*")
        case Act.DELETE:
            return (sender != "" and sender == who.principal and writes) or allows(who.grants, Right.ADMIN, "*")


def summarize(review: Review, *, review_id: str, at: float, who: Identity, size: int) -> ReviewRecord:
    """The record of a review that was just sent."""
    statuses: dict[str, int] = {}
    for service in review.services:
        statuses[str(service.status)] = statuses.get(str(service.status), 0) + 1
    return ReviewRecord(
        seq=0,
        id=review_id,
        at=at,
        root=review.root,
        commit=review.commit or "",
        principal=who.principal,
        name=who.name,
        size=size,
        statuses=statuses,
        findings=len(review.findings),
        violations=len(review.violations),
    )


def compare(before: Review, after: Review) -> tuple[Change, ...]:
    """What differs from one review to a later one, by service id. A service that is not in a review and one that the
    review says is not present are the same."""
    old = {each.service: each for each in before.services if each.status is not Status.NOT_PRESENT}
    new = {each.service: each for each in after.services if each.status is not Status.NOT_PRESENT}
    changes: list[Change] = []
    for service in sorted(old.keys() | new.keys()):
        was, now = old.get(service), new.get(service)
        had, has = set(was.users) if was else set(), set(now.users) if now else set()
        if was is None or now is None or was.status is not now.status or had != has:
            named = now or was
            assert named is not None
            changes.append(
                Change(
                    service=service,
                    name=named.name,
                    before=was.status if was else None,
                    after=now.status if now else None,
                    gained=tuple(user for user in User if user in has - had),
                    lost=tuple(user for user in User if user in had - has),
                )
            )
    return tuple(changes)
