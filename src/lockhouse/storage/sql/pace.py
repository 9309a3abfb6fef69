"""Where to wait for a commit: in the thread whose commands it makes durable, or in a thread that does nothing else.

That thread costs two wake-ups and several hand-overs of the interpreter's lock: much of what a lock request costs when
it comes alone. On a quick disk nobody gains by it: a sync is over before the event loop has served a handful of
requests. On a slow one the loop must not stand still for it. So the disk decides: after one commit that took longer
than `QUICK_SECONDS` the thread waits for a while, then it is tried again where the commands ran; each slow one doubles
the pause. So a slow disk costs the loop one commit in `LONGEST_PAUSE`. Pure: times are passed in.
"""

from __future__ import annotations

QUICK_SECONDS = 0.001
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 10.0


class Pace:
    """How quick the last commits were. Times: seconds of a clock that never goes back."""

    __slots__ = ("_pause", "_until")

    def __init__(self) -> None:
        self._pause = 0.0
        self._until = float("-inf")

    def waits_here(self, now: float) -> bool:
        """Whether to wait for the next commit where its commands ran."""
        return now >= self._until

    def took(self, began: float, ended: float) -> None:
        """A commit was waited for where its commands ran."""
        if ended - began > QUICK_SECONDS:
            self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
            self._until = ended + self._pause
        elif self._pause and ended > self._until + self._pause:
            self._pause = 0.0  # it has been quick for as long as it was given up before
