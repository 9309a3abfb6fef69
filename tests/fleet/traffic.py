"""Workers that compete for a few states through every protocol, each request tried until it is answered.

A worker takes the lock of a state, reads the state, writes the next version, which names the digest of the one before,
and releases. As a real client it sends a request again when the answer got lost or was 503, with the same lock id and
the same bytes. All workers live in one process, so it is known for certain:

- nobody is inside while somebody else is: inside is from the answer that grants to the request that releases;
- who reads under the lock finds exactly the version that was acknowledged last, whichever replica answers;
- how long each answer took, and when the first answers came after something broke.

`Book` keeps what was acknowledged, for `check`.
"""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.fleet.client import LockClient, Protocol
from tests.torture.client import Refused

SLOWEST = 5.0
"""Seconds within which each request must be answered, be it with 503."""
_HELD = {Protocol.TABLE: 400, Protocol.LOCKFILE: 412, Protocol.HTTP: 423}
_CUT = (OSError, http.client.HTTPException)
_PAUSE = 0.05
_THINKING = 0.03
"""Seconds between two locks of a worker: the processors are also needed by what starts anew."""


@dataclass
class Chain:
    """One state: what its holders were told, in order."""

    namespace: str
    key: str
    acknowledged: list[bytes] = field(default_factory=list)
    """Bodies; the serial of each is its place, from 1."""
    asked: bytes = b""
    """The body that was sent and not acknowledged when the traffic ended."""
    inside: str = ""
    """Who is between being granted and releasing."""


@dataclass
class Book:
    """Everything that happened."""

    chains: list[Chain]
    broken: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    """Seconds, by outcome."""
    good: dict[str, list[float]] = field(default_factory=dict)
    """Worker to the moments of its good answers."""
    recoveries: list[float] = field(default_factory=list)
    """Seconds until all was well again, each time that something broke."""

    @property
    def acknowledged(self) -> int:
        return sum(len(chain.acknowledged) for chain in self.chains)

    def recovered(self, broke: float) -> float:
        """Seconds from that moment until every worker had been given a good answer to a request sent after it."""
        return max(next((at for at in moments if at > broke), float("inf")) for moments in self.good.values()) - broke


class Worker:
    """One client with a credential and a protocol of its own, over one line or several in turn."""

    def __init__(
        self, name: str, protocol: Protocol, lines: Sequence[Mapping[str, str]], book: Book, stop: threading.Event
    ) -> None:
        """`lines`: what `LockClient` needs, one for each endpoint."""
        self.name = name
        self._protocol = protocol
        self._clients = itertools.cycle([LockClient(line, protocol) for line in lines])
        self._all = [next(self._clients) for _ in lines]
        self._book = book
        self._stop = stop
        self._chance = random.Random(name)
        self._moments = book.good.setdefault(name, [])

    def run(self) -> None:
        for number in itertools.count(1):
            if self._stop.is_set():
                break
            chain = self._chance.choice(self._book.chains)
            lock_id = f"{self.name}-{number}"
            if self._granted(chain, lock_id):
                self._work(chain, lock_id)
            self._stop.wait(_THINKING)
        for client in self._all:
            client.close()

    def _granted(self, chain: Chain, lock_id: str) -> bool:
        """Whether the lock was granted before it was held by another for some tries."""
        for _ in range(20):
            answer = self._until_answered(lambda client: client.take(chain.namespace, chain.key, lock_id))
            if answer is not None:
                return answer != "held"
            if self._stop.is_set():
                return False
        return False

    def _work(self, chain: Chain, lock_id: str) -> None:
        if chain.inside:
            self._blame(f"{chain.key}: {self.name} was granted the lock while {chain.inside} had it")
        chain.inside = self.name
        body = self._until_answered(lambda client: client.get(chain.namespace, chain.key))
        if isinstance(body, bytes):
            last = chain.acknowledged[-1] if chain.acknowledged else b""
            if body != last:
                self._blame(f"{chain.key}: read {_serial(body)}, and {_serial(last)} was acknowledged last")
            following = _body(chain.key, _serial(last) + 1, last, self.name)
            chain.asked = following
            if self._until_answered(lambda client: client.put(chain.namespace, chain.key, following, lock_id)) == "ok":
                chain.acknowledged.append(following)
                chain.asked = b""
        chain.inside = ""
        self._until_answered(lambda client: client.leave(chain.namespace, chain.key, lock_id))

    def _until_answered(self, work: Callable[[LockClient], bytes | None]) -> bytes | str | None:
        """The bytes, "ok" or "held"; None when the traffic ended first."""
        while True:
            client, began = next(self._clients), time.monotonic()
            outcome, given = self._ask(client, work)
            took = time.monotonic() - began
            self._book.answers[outcome] += 1
            self._book.slowest[outcome] = max(took, self._book.slowest.get(outcome, 0.0))
            if outcome in {"ok", "held"}:
                self._moments.append(began)
                return given if given is not None else outcome
            if outcome not in {"503", "cut"}:
                self._blame(f"{self.name} was told {outcome}")
                return None
            if self._stop.wait(_PAUSE):
                return None

    def _ask(self, client: LockClient, work: Callable[[LockClient], bytes | None]) -> tuple[str, bytes | None]:
        try:
            return "ok", work(client)
        except Refused as refusal:
            if refusal.status == 503:
                return "503", None
            if refusal.status == _HELD[self._protocol] and (self._protocol is not Protocol.TABLE or _failed(refusal)):
                return "held", None
            return f"{refusal.status} {refusal.body[:300]!r}", None
        except TimeoutError:
            self._blame(f"{self.name} was not answered in {client.patience:.0f} s")
            return "cut", None
        except _CUT:
            return "cut", None

    def _blame(self, what: str) -> None:
        if len(self._book.broken) < 20:
            self._book.broken.append(what)


@contextmanager
def traffic(
    chains: Sequence[Chain], users: Sequence[tuple[str, Protocol, Sequence[Mapping[str, str]]]]
) -> Iterator[Book]:
    """Workers for these users, from now until the block ends."""
    book, stop = Book(list(chains)), threading.Event()
    threads = [threading.Thread(target=Worker(*user, book, stop).run, daemon=True) for user in users]
    for thread in threads:
        thread.start()
    try:
        yield book
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a request was never answered"


def wait_for(book: Book, more: int, seconds: float = 60.0) -> None:
    """Until so many more writes have been acknowledged."""
    wanted, end = book.acknowledged + more, time.monotonic() + seconds
    while book.acknowledged < wanted:
        assert time.monotonic() < end, f"too little traffic to prove anything: {book.answers}, {book.broken}"
        time.sleep(0.01)


def _body(key: str, serial: int, before: bytes, by: str) -> bytes:
    document = {"version": 4, "terraform_version": "1.15.5", "serial": serial, "lineage": key, "outputs": {}}
    return json.dumps({**document, "resources": [], "before": hashlib.sha256(before).hexdigest(), "by": by}).encode()


def _serial(body: bytes) -> int:
    return json.loads(body)["serial"] if body else 0


def _failed(refusal: Refused) -> bool:
    return b"ConditionalCheckFailed" in refusal.body
