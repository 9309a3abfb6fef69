"""Where to wait for a commit: in the thread whose commands it makes durable, or in a thread that does nothing else.

That thread costs two wake-ups and several hand-overs of the interpreter's lock: much of what a lock request costs when
it comes alone. On a quick disk nobody gains by it: a sync is over before the event loop has served a handful of
requests. On a slow one the loop must not stand still for it. So the disk decides: a commit is slow that took longer
than `QUICK_SECONDS` and than its own commands. After a slow one the thread waits for a while, then it is tried again
where the commands ran. Each slow one doubles the pause, and each quick one leaves `EASE` of it: a disk that is slow now
and then, as when a checkpoint is under way, is waited for here; one that is slow each seventh time or more often costs
the loop a handful of commits in `LONGEST_PAUSE`. Pure: times are passed in.
"""

from __future__ import annotations

QUICK_SECONDS = 0.001
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 10.0
EASE = 0.9


class Pace:
    """How quick the last commits were. Times: seconds of a clock that never goes back."""

    __slots__ = ("_pause", "_until")

    def __init__(self) -> None:
        self._pause = 0.0
        self._until = float("-inf")

    def waits_here(self, now: float) -> bool:
        """Whether to wait for the next commit where its commands ran."""
        return now >= self._until

    def took(self, given: float, began: float, ended: float) -> None:
        """A commit was waited for where its commands ran: these began at `given`, and the commit at `began`."""
        if ended - began > max(QUICK_SECONDS, began - given):
            self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
            self._until = ended + self._pause
        else:
            self._pause *= EASE
