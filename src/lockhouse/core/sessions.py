"""Sessions of people who have signed in, and the port to where they are kept.

A session is found by a random name of 256 bits that only the visitor's cookie holds; what is kept is its SHA-256. The
first 20 hex digits of that are the session's id: it may be listed, logged and revoked by, and lets nobody in. A session
ends at its `ends`, or when nobody has used it for the idle time, or when it is removed, whichever is first. Removing is
the only way to revoke, so a store that forgets signs people out and never back in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

NAME_BYTES = 32
ID_LENGTH = 20
TOUCH_SECONDS = 60.0
"""A session's last use is written at most this often."""
_NAME = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{20}")


class Method(StrEnum):
    """How somebody signed in."""

    LOCAL = "local"
    OIDC = "oidc"
    WORKOS = "workos"


class Session(msgspec.Struct, frozen=True, omit_defaults=True):
    """One visitor who has signed in. It holds no secret."""

    id: str
    digest: bytes
    """SHA-256 of the name in the cookie."""
    principal: str
    method: str
    """One of `Method`."""
    began: float
    seen: float
    ends: float
    """All times in seconds since 1970."""
    credential: str = ""
    """Local sign-in: the id of the token or access key that proved who this is; the session ends with it."""
    peer: str = ""
    agent: str = ""


def new_session(name: str, *, principal: str, method: Method, now: float, lifetime: float) -> Session:
    """A session under a fresh random name (64 hex digits)."""
    digest = hashlib.sha256(name.encode("ascii")).digest()
    return Session(id_of(name), digest, principal, str(method), now, now, now + lifetime)


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def id_of(name: str) -> str:
    """The public id of the session of this name."""
    return hashlib.sha256(name.encode("ascii")).hexdigest()[:ID_LENGTH]


def belongs(session: Session, name: str) -> bool:
    """Whether this is the session of the name: the whole digest is compared, in constant time."""
    return hmac.compare_digest(session.digest, hashlib.sha256(name.encode("ascii")).digest())


def is_living(session: Session, now: float, idle: float) -> bool:
    """Whether it may still be used: before its end, and seen within the idle time (seconds)."""
    return now < session.ends and now < session.seen + idle


class Sessions(Protocol):
    """Where sessions are kept. Every method may raise `storage.unavailable`: then nobody is let in, and nothing else is
    concerned. An implementation MUST never bring back what `end` or `end_all` removed, `touch` included."""

    async def add(self, session: Session, idle: float) -> None: ...
    async def find(self, session_id: str) -> Session | None:
        """Living or not: the caller asks `is_living`. A store may have removed what ended by itself."""
        ...

    async def touch(self, session: Session, now: float, idle: float) -> None:
        """Note that it was used now; nothing happens to one that is gone."""
        ...

    async def end(self, session_id: str) -> bool:
        """Whether there was one."""
        ...

    async def end_all(self, principal: str) -> int:
        """End every session of a principal; how many."""
        ...

    async def of(self, principal: str = "", limit: int = 1000) -> Sequence[Session]:
        """Of one principal (of all), by id."""
        ...

    async def sweep(self, now: float) -> int:
        """Remove what has ended; how many."""
        ...
