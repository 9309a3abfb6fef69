"""What this room asks of authentication: who presents what, and new tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from lockhouse.auth.keys import NewToken
from lockhouse.core.grace import Finish
from lockhouse.core.principals import Identity

T = TypeVar("T")


class Tokens(Protocol):
    """The part of `auth.Authenticator` (and its token maker) that this API needs."""

    async def asking(self, question: Callable[[], T]) -> T:
        """Ask one of these methods without keeping the event loop waiting."""
        ...

    def token(self, text: str, finish: Finish | None = None) -> Identity | None: ...
    def basic(self, user: str, password: str) -> Identity | None: ...
    def holder(self, credential_id: str, finish: Finish | None = None) -> Identity | None:
        """Who a living credential belongs to, without any proof: only for what we signed ourselves."""
        ...

    def new_token(self, principal: str, public_id: str = "") -> NewToken:
        """A fresh token, not stored yet."""
        ...

    def changed(self) -> None:
        """A change of credentials was committed."""
        ...
