"""A house with real rooms and a real store, driven by HTTP values: no socket, a clock that the test moves.

The event loop runs in its own thread, so that a test can have several requests under way at once.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from lockhouse.auth import keys
from lockhouse.auth.authenticator import Authenticator
from lockhouse.core.principals import Grant, Principal, Right
from lockhouse.errors import BodyIncomplete
from lockhouse.protocols.web import Handler, Headers, Request, Stream
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.entrance import Entrance
from lockhouse.runtime.house import House
from lockhouse.sealing.ring import Ring
from lockhouse.service import access, namespaces
from lockhouse.service.access import HOUSE
from lockhouse.service.callers import Caller
from lockhouse.service.renewal import renewed
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore

MASTER = bytes(range(32))
NAMESPACE = "acme"
EVERYTHING = (Right.READ, Right.WRITE, Right.LOCK, Right.FORCE_UNLOCK)


@dataclass
class Answer:
    """One response, its body whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)


@dataclass
class User:
    """A principal with one token and one access key."""

    name: str
    token: str
    key: str
    secret: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    @property
    def basic(self) -> dict[str, str]:
        return {"authorization": "Basic " + base64.b64encode(f"{self.name}:{self.token}".encode()).decode()}


@dataclass
class Rig:
    """The house. Close it."""

    directory: Path
    lock_wait: float = 0.0
    now: float = 1_700_000_000.0
    rooms: list[tuple[bytes, Handler]] = field(default_factory=list)
    entrance: Entrance | None = None
    """Where people come in, for the rooms that ask."""

    def __post_init__(self) -> None:
        self.store = MemoryStore()
        self.blobs = FileBlobs(self.directory / "blobs")
        self.authenticator = Authenticator(self.store, MASTER, lambda: self.now)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.house: House = asyncio.run_coroutine_threadsafe(self._build(), self.loop).result(10)
        self.store.write(lambda tx: namespaces.create(tx, self.caller(), NAMESPACE))
        self.requests = 0

    async def _build(self) -> House:
        engine = Engine(self.store, self.blobs, now=lambda: self.now)
        engine.start()
        ring = Ring([b"k" * 32])
        return House(engine, lock_wait=self.lock_wait, max_body=64 * 1024 * 1024, ring=ring, renewed=renewed)

    def mount(self, prefix: bytes, room: Handler) -> None:
        self.rooms.append((prefix, room))

    def caller(self) -> Caller:
        return Caller(who=HOUSE, now=self.now, protocol="cli")

    def user(self, name: str, *grants: Grant) -> User:
        """A new principal; by default with everything but administration."""
        principal = keys.new_principal_id()
        token, key = keys.new_token(principal, self.now), keys.new_access_key(principal, self.now)
        made = Principal(principal, name, grants or (Grant("*", "", EVERYTHING),), self.now)

        def command(tx) -> None:
            tx.save_principal(made)
            tx.save_credential(token.credential)
            tx.save_credential(key)

        self.store.write(command)
        self.authenticator.changed()
        return User(name, token.text, key.id, self.authenticator.secret_access_key(key))

    def revoke(self, user: User) -> None:
        self.store.write(lambda tx: access.revoke(tx, self.caller(), user.name))
        self.authenticator.changed()

    def start(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] = b"",
        headers: dict[str, str] | None = None,
        *,
        cut: bool = False,
        gone: Callable[[], asyncio.Future] | None = None,
        peer: str = "192.0.2.1",
    ) -> Future[Answer]:
        """Send a request without waiting for its answer. `cut`: the client leaves before the end of its body."""
        return asyncio.run_coroutine_threadsafe(self._serve(method, target, body, headers, cut, peer), self.loop)

    def ask(self, method: str, target: str, body: bytes | Iterable[bytes] = b"", headers=None, **options) -> Answer:
        return self.start(method, target, body, headers, **options).result(30)

    async def _serve(self, method, target, body, headers, cut, peer) -> Answer:
        self.requests += 1
        path, _, query = target.partition("?")

        async def chunks() -> AsyncIterator[bytes]:
            for piece in [body] if isinstance(body, bytes) else body:
                if piece:
                    yield piece
            if cut:
                raise BodyIncomplete("the client left before the whole body had come")

        async def disconnected() -> None:
            await asyncio.Event().wait()

        request = Request(
            method=method,
            raw_path=path.encode(),
            raw_query=query.encode(),
            headers=Headers(
                [(k.lower().encode(), v.encode()) for k, v in ({"host": "lock.test"} | (headers or {})).items()]
            ),
            scheme="https",
            peer=peer,
            request_id=f"r{self.requests}",
            chunks=chunks,
            disconnected=disconnected,
        )
        room = next(room for prefix, room in self.rooms if request.raw_path.startswith(prefix))
        response = await room(request)
        found = response.body
        if isinstance(found, Stream):
            data = b"".join([piece async for piece in found.chunks()])
            found.close()
        else:
            data = found
        return Answer(response.status, {k.decode(): v.decode() for k, v in response.headers}, data)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()
        self.store.close()


def state(serial: int, lineage: str = "lin", **outputs: object) -> bytes:
    """A small Terraform state."""
    document = {
        "version": 4,
        "terraform_version": "1.15.5",
        "serial": serial,
        "lineage": lineage,
        "outputs": {name: {"value": value, "type": _type(value)} for name, value in outputs.items()},
        "resources": [{"mode": "managed", "type": "terraform_data", "name": "one", "instances": []}],
        "check_results": None,
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def _type(value: object) -> object:
    return "string" if isinstance(value, str) else "number"
