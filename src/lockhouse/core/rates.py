"""How often somebody may ask: an allowance for each name that fills up again as time passes. Pure: `now` is passed in.

Each name (a network address, a principal) may ask `burst` times at once and then `per_second` times a second. One
number is kept for each name: the time at which its allowance will be whole again (the generic cell rate algorithm,
ITU-T I.371). Memory is bounded without ever looking through it: when `max_names` names are known they become the old
ones, and the old ones before them are forgotten, which gives a forgotten name its whole allowance back.
A check is two look-ups and three additions.
"""

from __future__ import annotations

MAX_NAMES = 20_000


class Rate:
    """Allowances of this process; another replica has its own. `per_second` 0: no limit."""

    __slots__ = ("_each", "_max_names", "_old", "_slack", "_young")

    def __init__(self, per_second: float, burst: float, *, max_names: int = MAX_NAMES) -> None:
        self._each = 1 / per_second if per_second else 0.0
        self._slack = (burst - 1) * self._each
        self._max_names = max_names
        self._young: dict[str, float] = {}
        self._old: dict[str, float] = {}

    def __len__(self) -> int:
        """Names that are remembered now."""
        return len(self._young) + len(self._old)

    def wait(self, name: str, now: float) -> float:
        """Seconds until this name may ask again; 0: now. Takes nothing."""
        whole = self._young.get(name)
        if whole is None:
            whole = self._old.get(name)
            if whole is None:
                return 0.0
        return max(0.0, whole - now - self._slack)

    def take(self, name: str, now: float) -> float:
        """Ask: 0 when this name may, and its allowance is one less; else the seconds until it may, and nothing is
        taken."""
        each = self._each
        if not each:
            return 0.0
        young = self._young
        whole = young.get(name)
        if whole is None:
            whole = self._old.get(name, now)
            if len(young) >= self._max_names:
                self._old, self._young = young, {}
                young = self._young
        if whole <= now:
            young[name] = now + each
            return 0.0
        over = whole - now - self._slack
        if over > 0:
            return over
        young[name] = whole + each
        return 0.0
