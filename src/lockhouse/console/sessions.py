"""Who has signed in: in this process's memory only, so a restart signs everybody out.

A session is a random name in a cookie and a record here, found by the name's SHA-256: what is kept cannot be used to
sign in. The record names a credential, never a token; a credential that was revoked or has expired ends its sessions,
because who it belongs to is asked anew for every request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

SESSION_SECONDS = 8 * 3600.0
MAX_SESSIONS = 1000
"""The oldest one ends when one more begins."""
_NAME_BYTES = 32


@dataclass(frozen=True)
class Session:
    """One visitor who has signed in."""

    credential: str
    began: float


class Sessions:
    """All sessions of this process."""

    def __init__(self, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._random = random
        self._key = random(32)
        self._open: dict[bytes, Session] = {}

    def new_name(self) -> str:
        """A name that nobody can guess: 64 hex digits. It is nobody's until `begin`."""
        return self._random(_NAME_BYTES).hex()

    def begin(self, credential: str, now: float) -> str:
        """Sign in under a new name, so that one known before is worth nothing; answers the name."""
        for place in [place for place, each in self._open.items() if now >= each.began + SESSION_SECONDS]:
            del self._open[place]
        while len(self._open) >= MAX_SESSIONS:
            del self._open[next(iter(self._open))]
        name = self.new_name()
        self._open[_place(name)] = Session(credential, now)
        return name

    def find(self, name: str, now: float) -> Session | None:
        """The session of this name, unless its time is over."""
        found = self._open.get(_place(name))
        if found is None or now >= found.began + SESSION_SECONDS:
            return None
        return found

    def end(self, name: str) -> None:
        self._open.pop(_place(name), None)

    def form_token(self, name: str) -> str:
        """What a form must carry to be believed from the visitor of this name."""
        return hmac.digest(self._key, b"form\0" + name.encode(), "sha256").hex()

    def is_form_token(self, name: str, given: str) -> bool:
        return hmac.compare_digest(self.form_token(name).encode(), given.encode("utf-8", "replace"))


def _place(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "replace")).digest()
