"""One call of the API: who asks, what for, and what the handlers work with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from lockhouse.auth.authenticator import Authenticator
from lockhouse.config import Settings
from lockhouse.core.addresses import Address
from lockhouse.core.locks import Lock
from lockhouse.core.webhooks import Webhook
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.web import Stream
from lockhouse.runtime.encryption import Encryption
from lockhouse.runtime.federation import Federation
from lockhouse.runtime.house import House
from lockhouse.runtime.repacking import Repacking
from lockhouse.runtime.scrubbing import Scrubbing
from lockhouse.service.callers import Caller

T = TypeVar("T")
PAGE = 200
MAX_PAGE = 1000


class Named(Protocol):
    @property
    def name(self) -> str: ...


class BackupMade(Protocol):
    """What a backup says of itself; storage has the whole of it."""

    @property
    def at(self) -> float: ...
    @property
    def versions(self) -> int: ...
    @property
    def parked(self) -> int: ...
    @property
    def blobs(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def keys(self) -> tuple[str, ...]: ...
    @property
    def files(self) -> Sequence[Named]: ...


class Webhooks(Protocol):
    """What is done with webhooks beside keeping them."""

    def secret_of(self, webhook: Webhook) -> str: ...
    def check_address(self, url: str) -> None:
        """RequestInvalid (`request.invalid`) for an address that may not be asked."""
        ...

    async def send(self, webhook: Webhook, event: str, number: int, body: bytes) -> str:
        """What went wrong; empty: the receiver has it."""
        ...


@dataclass
class Backing:
    """What the handlers work with. `backup` (target, now, with keys) copies everything while the server serves; it
    blocks."""

    house: House
    authenticator: Authenticator
    settings: Settings
    backup: Callable[[Path, float, bool], BackupMade] | None = None
    encryption: Encryption | None = None
    audit_key: bytes = b""
    """The public key of the audit log's signatures."""
    repacking: Repacking | None = None
    scrubbing: Scrubbing | None = None
    webhooks: Webhooks = field(kw_only=True)
    federation: Federation | None = None
    certificate_end: Callable[[], float] = lambda: 0.0
    """When the certificate that is served ends, as a Unix time; 0 without https."""
    copying: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a backup is made."""


@dataclass(frozen=True)
class Download:
    """Bytes for the client to keep."""

    body: bytes | Stream
    file: str
    content_type: str = "application/json"


@dataclass(frozen=True)
class Call:
    """One request, identified and decoded."""

    api: Backing
    caller: Caller
    path: dict[str, str]
    query: dict[str, str]
    body: object
    chunks: Callable[[], AsyncIterator[bytes]]
    """The raw body, for rows that take bytes (`Route.takes_bytes`). Call once."""

    @property
    def house(self) -> House:
        return self.api.house

    def document(self, kind: type[T]) -> T:
        """The decoded body; the route table has said which kind it is."""
        assert isinstance(self.body, kind)
        return self.body

    def address(self) -> Address:
        """The address that path and query name. Errors: `request.invalid` without a key."""
        key = self.query.get("key", "")
        if not key:
            raise RequestInvalid(
                "cannot tell which state is meant: the parameter key is missing",
                hint="add ?key=KEY to the address",
                argument="key",
            )
        return Address(self.path["namespace"], key)

    def seen(self, lock: Lock, written: float) -> float:
        """When the holder of a lock was last seen: as that is written down, or by this server a moment ago."""
        return max(written, *(self.api.authenticator.last_used.get(each, 0.0) for each in lock.credentials))

    def number(self, name: str, default: int, largest: int) -> int:
        """A whole number of the query, from 0 to `largest`. Errors: `request.invalid`."""
        text = self.query.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= largest):
            raise RequestInvalid(
                f"cannot use {name} {text[:40]!r}: it must be a number up to {largest}",
                hint=f"{name}={largest}",
                argument=name,
            )
        return int(text)

    def limit(self) -> int:
        return max(1, self.number("limit", PAGE, MAX_PAGE))

    def switch(self, name: str) -> bool:
        text = self.query.get(name, "false")
        if text not in ("true", "false"):
            raise RequestInvalid(
                f"cannot use {name} {text[:40]!r}: it must be true or false", hint=f"{name}=true", argument=name
            )
        return text == "true"
