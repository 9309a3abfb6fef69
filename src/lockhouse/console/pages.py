"""Values to HTML. Every template has one typed context, and everything that it prints is escaped.

Characters that cannot be seen or that turn the writing direction are printed as their code: a file name must not be
able to look like another. Long reviews are cut, and say so: the whole is in the JSON.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from lockhouse.core.reviews import Change, Evidence, Review, ReviewRecord, ServiceReview, Status, User
from lockhouse.core.sessions import Session
from lockhouse.core.times import timestamp
from lockhouse.core.traffic import Tally

_TEMPLATES = Path(__file__).with_name("templates")
MAX_EVIDENCE = 100
"""Places that are shown of one service under one user."""
MAX_ROWS = 500
"""Findings, unknowns and violations that are shown."""
USER_WORDS = {
    User.APPLICATION: "The application",
    User.PLATFORM: "The platform that the application runs on",
    User.TOOLING: "Terraform's own tooling",
    User.DELIVERY: "Delivery",
}
STATUS_WORDS = {
    Status.USED: "used",
    Status.PERMISSION_ONLY: "permission only",
    Status.DECLARED_UNUSED: "declared, not used",
    Status.EXAMPLE_ONLY: "example or test only",
    Status.DOCS_ONLY: "documents only",
    Status.LOCK_FILE_ONLY: "lock file only",
    Status.NOT_PRESENT: "not present",
    Status.UNKNOWN: "unknown",
}
FACET_WORDS = {
    "table": "DynamoDB table",
    "lockfile": "S3 lock file",
    "http": "HTTP backend",
    "workspace": "cloud workspace",
}
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


@dataclass(frozen=True)
class Frame:
    """What every page of somebody who has signed in shares."""

    name: str
    form_token: str


@dataclass(frozen=True)
class SignIn:
    """The page that asks who comes."""

    form_token: str
    target: str
    problem: str = ""
    label: str = ""
    """Of the identity provider; empty: there is none."""
    query: str = ""
    """The target, escaped for a query."""


@dataclass(frozen=True)
class SessionLine:
    """One session of the visitor."""

    id: str
    began: str
    seen: str
    ends: str
    method: str
    peer: str
    agent: str
    current: bool


@dataclass(frozen=True)
class SessionsPage:
    """Where the visitor is signed in."""

    rows: tuple[SessionLine, ...]


@dataclass(frozen=True)
class Message:
    """Something that went wrong, in words."""

    title: str
    text: str
    hint: str = ""


@dataclass(frozen=True)
class Line:
    """One review in a list."""

    id: str
    root: str
    history: str
    """The address of the list of all reviews of this root."""
    at: str
    by: str
    commit: str
    verdicts: tuple[tuple[str, str, int], ...]
    """(status, in words, services)."""
    findings: int
    violations: int


@dataclass(frozen=True)
class ReviewList:
    """The newest review of every root, or the history of one."""

    lines: tuple[Line, ...]
    root: str
    more: str
    """The address of the next page; empty: that was all."""


@dataclass(frozen=True)
class Shown:
    """A service under one user (or under no user): only this user's evidence."""

    service: ServiceReview
    status: str
    evidence: tuple[Evidence, ...]
    left_out: int


@dataclass(frozen=True)
class Group:
    """Services of one user."""

    title: str
    anchor: str
    services: tuple[Shown, ...]


@dataclass(frozen=True)
class ChangeLine:
    """One difference, in words."""

    service: str
    name: str
    text: str


@dataclass(frozen=True)
class ReviewPage:
    """One review."""

    line: Line
    review: Review
    previous: Line | None
    changes: tuple[ChangeLine, ...]
    groups: tuple[Group, ...]
    limit: int


@dataclass(frozen=True)
class Client:
    """One row of the lock traffic."""

    facet: str
    facet_words: str
    row: Tally
    first: str
    last: str


@dataclass(frozen=True)
class TrafficPage:
    """Who locked through what."""

    clients: tuple[Client, ...]
    through_table: tuple[Client, ...]
    since: str
    complete: bool
    days: int


Context = SignIn | SessionsPage | Message | ReviewList | ReviewPage | TrafficPage
_NAMES: dict[type[Context], str] = {
    SignIn: "sign_in.html",
    SessionsPage: "sessions.html",
    Message: "message.html",
    ReviewList: "reviews.html",
    ReviewPage: "review.html",
    TrafficPage: "traffic.html",
}


class Pages:
    """The templates, read once."""

    def __init__(self) -> None:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=visible,
        )
        environment.globals["status_words"] = {str(status): words for status, words in STATUS_WORDS.items()}
        self._templates = {kind: environment.get_template(name) for kind, name in _NAMES.items()}
        self.style = _TEMPLATES.with_name("style.css").read_bytes()

    def render(self, context: Context, frame: Frame | None = None) -> bytes:
        """The page. `frame`: of who has signed in; None: nobody."""
        text = self._templates[type(context)].render(page=context, frame=frame)
        return text.encode("utf-8", "replace")


def visible(value: object) -> object:
    """Text with its unseen characters as codes; what is no plain text stays as it is."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _UNSEEN.sub(lambda found: f"\\u{{{ord(found.group()):x}}}", value)


def line(record: ReviewRecord) -> Line:
    """A record for a list."""
    return Line(
        id=record.id,
        root=record.root,
        history=f"/console/reviews?root={quote(record.root, safe='')}",
        at=timestamp(float(int(record.at))),
        by=record.name,
        commit=record.commit,
        verdicts=tuple(
            (str(status), words, record.statuses[status])
            for status, words in STATUS_WORDS.items()
            if record.statuses.get(status)
        ),
        findings=record.findings,
        violations=record.violations,
    )


def review_list(records: Sequence[ReviewRecord], root: str, limit: int) -> ReviewList:
    """A page of the list."""
    more = ""
    if len(records) == limit:
        more = f"/console/reviews?before={records[-1].seq}" + (f"&root={quote(root, safe='')}" if root else "")
    return ReviewList(tuple(line(each) for each in records), root, more)


def review_page(
    record: ReviewRecord, review: Review, before: ReviewRecord | None, changes: Sequence[Change]
) -> ReviewPage:
    """One review, its services grouped by who uses them."""
    groups = [
        Group(words, str(user), tuple(_shown(each, user) for each in review.services if user in each.users))
        for user, words in USER_WORDS.items()
    ]
    rest = tuple(_shown(each, None) for each in review.services if not each.users)
    groups.append(Group("Not used by anybody", "nobody", rest))
    return ReviewPage(
        line=line(record),
        review=review,
        previous=line(before) if before is not None else None,
        changes=tuple(ChangeLine(each.service, each.name, _said(each)) for each in changes),
        groups=tuple(each for each in groups if each.services),
        limit=MAX_ROWS,
    )


def sessions_page(found: Sequence[Session], current: str) -> SessionsPage:
    """A visitor's sessions; `current`: the id of this one."""
    return SessionsPage(
        tuple(
            SessionLine(
                each.id,
                timestamp(float(int(each.began))),
                timestamp(float(int(each.seen))),
                timestamp(float(int(each.ends))),
                each.method,
                each.peer,
                each.agent,
                each.id == current,
            )
            for each in found
        )
    )


def traffic_page(rows: Sequence[Tally], since: float, days: int, *, complete: bool) -> TrafficPage:
    """Who locked through what, and first of all who through the table."""
    clients = tuple(
        Client(
            facet=row.facet,
            facet_words=FACET_WORDS.get(row.facet, row.facet),
            row=row,
            first=timestamp(float(int(row.first))),
            last=timestamp(float(int(row.last))),
        )
        for row in rows
    )
    through_table = tuple(each for each in clients if each.facet == "table")
    return TrafficPage(clients, through_table, timestamp(float(int(since))), complete, days)


def _shown(service: ServiceReview, user: User | None) -> Shown:
    own = [each for each in service.evidence if user is None or each.user is user]
    return Shown(service, STATUS_WORDS[service.status], tuple(own[:MAX_EVIDENCE]), max(0, len(own) - MAX_EVIDENCE))


def _said(change: Change) -> str:
    before, after = change.before, change.after
    if before is None and after is not None:
        told = f"new: {STATUS_WORDS[after]}"
    elif after is None and before is not None:
        told = f"gone; it was {STATUS_WORDS[before]}"
    elif before is not None and after is not None and before is not after:
        told = f"{STATUS_WORDS[before]} before, {STATUS_WORDS[after]} now"
    else:
        told = "other users"
    users = [f"now also {user}" for user in change.gained] + [f"no longer {user}" for user in change.lost]
    return f"{told} ({', '.join(users)})" if users else told
