"""Webhooks: who wants to be told of what, and in which words.

An event is an entry of the audit log: it has its number there, so a receiver can tell what it has seen, and nothing
that is in the log can fail to be sent. A webhook chooses by the entry's action, place and size; the names that can be
chosen are those of `ACTIONS`. It is told in the order of the log, at least once.

What a receiver is sent is either this server's own JSON or the message form that Slack and its likes take
(`{"text": …}`; Slack, "Sending messages using incoming webhooks"). Nothing in it is secret: an entry never is.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from lockhouse.core.audit import ALLOWED, REFUSED, Entry

ACTIONS: dict[str, str] = {
    "lock.taken": "somebody took a lock",
    "lock.joined": "the holder took a second facet of its lock",
    "lock.facet-released": "one facet of a lock was released",
    "lock.released": "a lock was released",
    "lock.forced": "a lock was taken away from its holder",
    "lock.withdrawn": "a lock was given back that its client was not told of: it had gone, or its batch was refused",
    "lock.waiting": "somebody has been waiting long for a lock",
    "lock.stale": "a lock's holder is not there any more, by evidence",
    "lock.seen-again": "a holder that looked gone was seen again",
    "version.write": "a version was written; its detail says whether by an override, a rollback or an accepted write",
    "version.rolled-back": "an older version was made current again; `version.write` is told of it, too",
    "version.park": "a write was refused and its bytes kept",
    "version.delete": "a version was deleted",
    "version.undelete": "a deleted state or version was brought back",
    "version.purge": "a version was removed for good",
    "state.delete": "a state was deleted",
    "state.shrunk": "a version has fewer resources than the one before",
    "state.first-read": "a principal read a state for the first time",
    "state.change": "a setting of a state was changed",
    "parked.accept": "a parked write became the current version",
    "parked.drop": "a parked write was dropped",
    "credential.refused": "somebody presented a credential that is unknown, wrong, revoked or over",
    "signin.failed": "somebody failed to sign in to the console or for terraform login",
    "session": "somebody signed in, or a session was ended",
    "principal": "a principal was made, changed or revoked",
    "credential": "a credential was made, rotated or revoked",
    "team": "a team has other members",
    "namespace": "a namespace was made, changed or deleted",
    "maintenance": "maintenance was started, changed or ended",
}
"""What can be chosen, and when it happens. A name without a dot stands for all that begin with it."""
ROLLBACK = ", rollback"
"""How the detail of a write ends that goes back to an older version (`service.objects`)."""
DEFAULT = ("lock.forced", "lock.stale", "lock.waiting", "version.park", "state.shrunk", "state.delete")
_REFUSALS = ("credential.unknown", "credential.expired", "signature.mismatch")
_SIGN_IN = ("console:POST /console/sign-in", "console:GET /console/sign-in")
"""Actions of the log that begin so are attempts to sign in: a token, and the ways to a provider and back."""


class Form(StrEnum):
    """How a receiver wants to be told."""

    JSON = "json"
    SLACK = "slack"


class Webhook(msgspec.Struct, frozen=True, omit_defaults=True):
    """One receiver."""

    id: str
    name: str
    url: str
    events: tuple[str, ...]
    at: float
    by: str
    nonce: bytes
    """Input of the derivation of its signing secret."""
    namespace: str = ""
    prefix: str = ""
    form: Form = Form.JSON
    shrink_percent: int = 50
    """`state.shrunk` is told of from this much on."""
    enabled: bool = True

    def wants(self, entry: Entry) -> bool:
        """Whether its receiver is to be told of this entry."""
        kind = kind_of(entry)
        if self.namespace not in ("", entry.namespace) or not self._reaches(kind, entry.key):
            return False
        if kind == "state.shrunk" and entry.count < self.shrink_percent:
            return False
        return bool({kind, entry.action, kind.partition(".")[0]} & set(self.events))

    def _reaches(self, kind: str, key: str) -> bool:
        """Whether it is about the webhook's keys. The key of maintenance is a prefix: of all of them, or of some."""
        return key.startswith(self.prefix) or (kind.startswith("maintenance.") and self.prefix.startswith(key))


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a receiver has been told."""

    number: int = 0
    """Of the last entry that was looked at."""
    failures: int = 0
    """Attempts at the next entry that failed so far."""
    since: float = 0.0
    """When the first of them was."""
    next_at: float = 0.0
    """Not before."""
    problem: str = ""
    """What the last attempt came to; empty: all is well."""
    delivered: int = 0
    delivered_at: float = 0.0
    skipped: int = 0
    """Entries that were given up."""


FIRST_RETRY = 2.0
LAST_RETRY = 900.0
GIVE_UP_SECONDS = 3 * 86_400.0
"""How long one entry is tried for before the next one is."""


def kind_of(entry: Entry) -> str:
    """The event that an entry is: its action; `version.rolled-back` for a write that goes back, `signin.failed` for an
    attempt to sign in that did not succeed, and `credential.refused` for any other request that did not prove who it
    is."""
    if entry.outcome != ALLOWED and entry.action.startswith(_SIGN_IN):
        return "signin.failed"
    if entry.action == "version.write" and entry.detail.endswith(ROLLBACK):
        return "version.rolled-back"
    if entry.outcome == REFUSED and entry.code in _REFUSALS and not entry.principal:
        return "credential.refused"
    return entry.action


def after_success(progress: Progress, number: int, now: float) -> Progress:
    """The receiver has it."""
    return Progress(number=number, delivered=progress.delivered + 1, delivered_at=now, skipped=progress.skipped)


def after_failure(progress: Progress, number: int, now: float, problem: str) -> Progress:
    """It does not: try again after a pause that doubles, or go on to the next entry when that lasted too long."""
    since = progress.since or now
    if now - since >= GIVE_UP_SECONDS:
        return Progress(
            number=number,
            delivered=progress.delivered,
            delivered_at=progress.delivered_at,
            skipped=progress.skipped + 1,
            problem=problem,
        )
    pause = min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(progress.failures, 16))
    return msgspec.structs.replace(
        progress, failures=progress.failures + 1, since=since, next_at=now + pause, problem=problem
    )


class Told(msgspec.Struct, frozen=True):
    """The document of form `json`."""

    id: int
    """The entry's number in the audit log: the same event has the same id however often it is sent."""
    event: str
    at: float
    server: str
    outcome: str
    code: str
    by: str
    principal: str
    protocol: str
    peer: str
    request: str
    namespace: str
    key: str
    subject: str
    detail: str
    count: int


class Message(msgspec.Struct, frozen=True):
    """The document of form `slack`."""

    text: str


def document(form: Form, number: int, entry: Entry, server: str) -> bytes:
    """The body to send."""
    if form is Form.SLACK:
        return msgspec.json.encode(Message(sentence(entry, server)))
    return msgspec.json.encode(
        Told(
            id=number,
            event=kind_of(entry),
            at=entry.at,
            server=server,
            outcome=entry.outcome,
            code=entry.code,
            by=entry.name,
            principal=entry.principal,
            protocol=entry.protocol,
            peer=entry.peer,
            request=entry.request,
            namespace=entry.namespace,
            key=entry.key,
            subject=entry.subject,
            detail=entry.detail,
            count=entry.count,
        )
    )


_SENTENCES = {
    "lock.taken": "{by} locked {where}",
    "lock.released": "{by} unlocked {where}",
    "lock.forced": "{by} took the lock of {where} away",
    "lock.waiting": "{by} has been waiting for the lock of {where}",
    "lock.stale": "the lock of {where} looks stale",
    "lock.seen-again": "the holder of the lock of {where} was seen again",
    "version.write": "{by} wrote {where}",
    "version.rolled-back": "{by} went back to an older version of {where}",
    "version.park": "a write of {by} to {where} was refused and parked as {subject}",
    "state.delete": "{by} deleted {where}",
    "maintenance.start": "{by} started maintenance of {where}",
    "maintenance.change": "{by} changed the maintenance of {where}",
    "maintenance.end": "{by} ended the maintenance of {where}",
    "state.shrunk": "{where} has fewer resources",
    "state.first-read": "{by} read {where} for the first time",
    "credential.refused": "a credential was refused from {peer}",
    "signin.failed": "somebody failed to sign in from {peer}",
    "session.begin": "{by} signed in",
}


def sentence(entry: Entry, server: str) -> str:
    """The entry in words. Characters that Slack would read as markup are escaped (Slack, "Formatting text")."""
    where = f"{entry.namespace}/{entry.key}" if entry.key else entry.namespace or "the server"
    kind = kind_of(entry)
    words = _SENTENCES.get(kind, f"{kind}: {{by}} on {{where}}")
    text = words.format(by=entry.name or "somebody", where=where, subject=entry.subject, peer=entry.peer)
    text = f"{text} ({entry.detail})" if entry.detail else text
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"{escaped} — {server}" if server else escaped
