"""How often somebody may fail to sign in: a count for each network address, forgotten as time passes. Pure.

Tokens have 256 random bits, so this does not protect them from guessing; it keeps a guesser from using the server's
time and the log. Each address may fail `BURST` times at once and then once every `SECONDS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

BURST = 10
SECONDS = 30.0
MAX_PEERS = 10_000


@dataclass
class Attempts:
    """Failures of this process; another replica counts its own."""

    _full_until: dict[str, float] = field(default_factory=dict)
    """When the peer's allowance would be whole again (as in GCRA)."""

    def wait(self, peer: str, now: float) -> float:
        """Seconds until this address may try again; 0: now."""
        return max(0.0, self._full_until.get(peer, 0.0) - now - (BURST - 1) * SECONDS)

    def failed(self, peer: str, now: float) -> None:
        if len(self._full_until) >= MAX_PEERS and peer not in self._full_until:
            self._full_until = {each: until for each, until in self._full_until.items() if until > now}
            while len(self._full_until) >= MAX_PEERS:
                del self._full_until[next(iter(self._full_until))]
        self._full_until[peer] = max(now, self._full_until.get(peer, 0.0)) + SECONDS
