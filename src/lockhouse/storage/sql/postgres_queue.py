"""The commands that wait for a writing thread, and their answers.

A command is answered once, by whoever comes first: the thread that ran it, or the watch that has waited long enough. A
thread takes all that is queued, up to a bound, as a group; only `GROUPS` groups are under way at once, so that under
load many commands share a transaction.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from lockhouse.core.ports import Delivery, Transaction
from lockhouse.errors import Problem, StorageUnavailable
from lockhouse.storage.sql.delivering import deliver
from lockhouse.storage.sql.postgres_holding import Mode

Command = Callable[[Transaction], object]
GROUP = 32
"""Most commands in one transaction: as long as a state that one of them holds may make others wait."""
GROUPS = 2
"""Groups at once: while one commits, the other gathers. A group waits for nobody, so more would only be smaller. The
other threads run what has to wait."""
QUEUE_SECONDS = 4.0
MOST_QUEUED = 20_000


class Entry:
    """A queued command. Who sets `answered` first, under the queue's guard, answers it."""

    __slots__ = ("answered", "command", "mode", "since", "token")

    def __init__(self, command: Command, token: object) -> None:
        self.command = command
        self.token = token
        self.since = time.monotonic()
        self.answered = False
        self.mode = Mode.ALONE

    @property
    def late(self) -> bool:
        return time.monotonic() - self.since > QUEUE_SECONDS


Answer = tuple[Entry, object, BaseException | None]


class CommandQueue:
    """For any number of threads."""

    def __init__(self) -> None:
        self.callback: Callable[[list[Delivery]], None] | None = None
        self._guard = threading.Lock()
        self._news = threading.Condition(self._guard)
        self._entries: deque[Entry] = deque()
        self._groups = 0
        """How many are under way."""
        self._closed = False

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def closed(self) -> bool:
        return self._closed

    def submit(self, command: Command, token: object) -> None:
        """Errors: `storage.unavailable`."""
        with self._guard:
            if self._closed:
                raise closed()
            if len(self._entries) >= MOST_QUEUED:
                raise busy()
            self._entries.append(Entry(command, token))
            self._news.notify()

    def take(self) -> list[Entry]:
        """The next group, waited for; empty when the queue is closed and nothing is left. `end_group` follows."""
        with self._news:
            while not (self._entries and self._groups < GROUPS) and not (self._closed and not self._entries):
                self._news.wait()
            group = [self._entries.popleft() for _ in range(min(GROUP, len(self._entries)))]
            self._groups += bool(group)
            return group

    def end_group(self) -> None:
        """A group is over; what is left of it is run alone."""
        with self._news:
            self._groups -= 1
            self._news.notify()

    def close(self) -> bool:
        """Take no more; whether it was open."""
        with self._news:
            if self._closed:
                return False
            self._closed = True
            self._news.notify_all()
            return True

    def refuse_late(self) -> None:
        """Answer those that have waited too long for a thread."""
        late: list[Entry] = []
        with self._guard:
            while self._entries and self._entries[0].late:
                late.append(self._entries.popleft())
        self.refuse(late, busy())

    def refuse(self, entries: Sequence[Entry], problem: Problem) -> None:
        self.deliver([(entry, None, problem) for entry in entries])

    def deliver(self, answers: Sequence[Answer]) -> None:
        """Answer those that nobody has answered yet."""
        first: list[Delivery] = []
        for entry, result, problem in answers:
            with self._guard:
                if not entry.answered:
                    entry.answered = True
                    first.append((entry.token, result, problem))
        deliver(first, self.callback)


def busy() -> StorageUnavailable:
    return StorageUnavailable("cannot use the database: it is busy", hint="try again in a moment")


def closed() -> StorageUnavailable:
    return StorageUnavailable("cannot use the database: it is closed", hint="the server is ending: send it again")
