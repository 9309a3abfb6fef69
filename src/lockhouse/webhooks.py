"""Sending: one POST for one event, signed, bounded in time and size, never redirected, never inwards.

Where a webhook may lead is judged as for identity providers (`auth.signin.network`): public addresses over https;
others only where the operator allows private ones. What the receiver answers is not read further than its status.
The HTTP client is imported when there is an address: it costs 5 MB of memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from lockhouse.auth.webhooks import secret_of, signature
from lockhouse.core.webhooks import Webhook
from lockhouse.errors import RequestInvalid

if TYPE_CHECKING:
    import httpx

    from lockhouse.auth.signin.network import Reach

SECONDS = 10.0


class Sender:
    """Signs and sends. Use it on one event loop."""

    def __init__(self, master: bytes, *, private: bool, now: Callable[[], float] = time.time) -> None:
        """`private`: whether loopback and private networks may be told, and over plain http on loopback."""
        self._master = master
        self._private = private
        self._now = now
        self._client: httpx.AsyncClient | None = None

    def _reach(self) -> Reach:
        from lockhouse.auth.signin.network import Reach  # noqa: PLC0415 - see above

        return Reach(loopback=self._private, private=self._private)

    def secret_of(self, webhook: Webhook) -> str:
        return secret_of(self._master, webhook.id, webhook.nonce)

    def check_address(self, url: str) -> None:
        """RequestInvalid (`request.invalid`) for an address that can never be told."""
        if not self._reach().allows_url(url):
            raise RequestInvalid(
                "cannot use this address: it must be https:// with a host and no user",
                hint="for a receiver on this machine or in your own network: --webhook-private-networks",
                argument="url",
            )

    async def send(self, webhook: Webhook, event: str, number: int, body: bytes) -> str:
        """What went wrong; empty: the receiver answered with a status from 200 to 299."""
        import httpx  # noqa: PLC0415 - see above

        from lockhouse.auth.signin.network import client  # noqa: PLC0415 - see above

        headers = {
            "content-type": "application/json",
            "x-lockhouse-event": event,
            "x-lockhouse-delivery": f"{webhook.id}/{number}",
            "x-lockhouse-signature": signature(self.secret_of(webhook), self._now(), body),
        }
        if self._client is None:
            self._client = client(self._reach())
        try:
            async with self._client.stream("POST", webhook.url, content=body, headers=headers, timeout=SECONDS) as got:
                return "" if 200 <= got.status_code < 300 else f"it answered {got.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as wrong:
            return f"{type(wrong).__name__}: {wrong}"[:200]

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
