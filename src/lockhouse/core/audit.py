"""The audit log: what was decided, by whom, on what, through which protocol, from where; the chain that proves it.

An entry is written in the transaction of the change that it tells of. Transactions commit in any order, so it gets
its place in the chain later, when it is *sealed*: entries are taken in the order in which they were written, numbered
without gaps from 1, and packed into a segment. The hash of an entry covers the one before it,

    hash(0) = 32 zero bytes
    hash(n) = SHA-256("lockhouse/audit/1" | hash(n-1) | n as 8 bytes, big endian | the entry's bytes)

so whoever knows a later hash can tell whether any earlier entry was changed, left out or put in, and which one is the
first that is wrong. The entry's bytes are its JSON exactly as it was stored; nothing is encoded a second time. An entry
holds names and ids, never a secret, a state's content or a lock's document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from lockhouse.core.addresses import Address

ALLOWED = "allowed"
REFUSED = "refused"
START = bytes(32)
"""The hash before the first entry."""
_CONTEXT = b"lockhouse/audit/1"
MAX_TEXT = 300
"""Characters that are kept of any text of a client."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One decision. The order of the fields is that of the JSON."""

    at: float
    """Seconds since 1970-01-01T00:00:00Z."""
    action: str
    """What was decided: a change by its name here (`lock.take`, `version.write`), any other request by the name of its
    operation in its protocol (`s3:GetObject`, `http:GET`)."""
    outcome: str = ALLOWED
    code: str = ""
    """Of the problem that refused it, e.g. `lock.held`."""
    principal: str = ""
    name: str = ""
    credential: str = ""
    session: str = ""
    protocol: str = ""
    peer: str = ""
    agent: str = ""
    request: str = ""
    namespace: str = ""
    key: str = ""
    subject: str = ""
    """What else it was done to: a version id, a lock id, a principal's name."""
    detail: str = ""
    """In words: rights that were granted, the reason of a force-unlock."""
    count: int = 0
    """Of how many requests or versions this entry tells, where it stands for several; of `state.shrunk` how many
    percent."""

    @property
    def address(self) -> Address:
        return Address(self.namespace, self.key)


class Segment(msgspec.Struct, frozen=True):
    """Sealed entries, signed as a whole."""

    first: int
    """Number of the first entry."""
    last: int
    began: float
    """Time of the earliest entry in it, seconds since 1970."""
    ended: float
    """Time of the latest entry in it."""
    before: bytes
    """Hash of the entry before the first."""
    hash: bytes
    """Hash of the last entry."""
    body: bytes
    """The entries, packed (`audit.segments`)."""
    sealed_at: float
    signature: bytes
    """Over `last`, `hash` and `sealed_at` (`audit.signing`)."""


class Time(msgspec.Struct, frozen=True, gc=False):
    """When an entry was, of all that it says."""

    at: float


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Entry).decode
decode_time = msgspec.json.Decoder(Time).decode


def chain(before: bytes, number: int, raw: bytes) -> bytes:
    """The hash of entry `number` with the bytes `raw`, after an entry with the hash `before`."""
    return hashlib.sha256(b"".join((_CONTEXT, before, number.to_bytes(8, "big"), raw))).digest()


def clipped(text: str) -> str:
    """A client's text as the log keeps it: bounded, and without characters that are no text."""
    if len(text) <= MAX_TEXT and text.isascii():
        return text
    return text[:MAX_TEXT].encode("utf-8", "replace").decode()


class Wanted(msgspec.Struct, frozen=True):
    """Which entries somebody asks for; empty: any."""

    namespace: str = ""
    prefix: str = ""
    """Of keys."""
    principal: str = ""
    """A principal's id or name."""
    action: str = ""
    """A whole action, or its beginning up to `.` or `:` (`lock`, `s3`)."""
    outcome: str = ""
    since: float = 0.0
    until: float = 0.0

    def matches(self, entry: Entry) -> bool:
        return (
            self.namespace in ("", entry.namespace)
            and (not self.prefix or entry.key.startswith(self.prefix))
            and self.principal in ("", entry.principal, entry.name)
            and (not self.action or _is_action(self.action, entry.action))
            and self.outcome in ("", entry.outcome)
            and entry.at >= self.since
            and (not self.until or entry.at < self.until)
        )


def _is_action(wanted: str, action: str) -> bool:
    return action == wanted or (action.startswith(wanted) and action[len(wanted)] in ".:")


class Break(msgspec.Struct, frozen=True):
    """Where a chain is wrong."""

    number: int
    """The first entry that cannot be trusted."""
    reason: str


def check(before: bytes, first: int, entries: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, Break | None]:
    """(the last hash, what is wrong) of (raw, hash) pairs that begin with entry `first`."""
    number = first
    for raw, claimed in entries:
        before = chain(before, number, raw)
        if before != claimed:
            return before, Break(number, "its bytes are not those that were sealed")
        number += 1
    return before, None
