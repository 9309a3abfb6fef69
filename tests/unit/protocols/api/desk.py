"""An API over a real data directory, asked request by request without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lockhouse.auth.authenticator import Authenticator
from lockhouse.auth.master import open_master_key
from lockhouse.bootstrap import BACKUP_FILES, first_start
from lockhouse.config.loading import load
from lockhouse.core.addresses import Address
from lockhouse.core.locks import Facet
from lockhouse.core.principals import Identity
from lockhouse.protocols.api.app import Api
from lockhouse.protocols.web import Headers, Request, Stream
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.house import House
from lockhouse.service.callers import Caller
from lockhouse.service.locks import TakeLock
from lockhouse.service.versions import Put
from lockhouse.storage.carry import backup
from lockhouse.storage.carry.place import serving
from lockhouse.storage.directory import open_directory
from lockhouse.webhooks import Sender

NAMESPACE = "acme-states"
NOW = 1_800_000_000.0


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return self.json["error"]["code"]


def state(serial: int, lineage: str = "one", resources: int = 0) -> bytes:
    blocks = [{"mode": "managed", "type": "t", "name": str(number), "instances": []} for number in range(resources)]
    document = {"version": 4, "terraform_version": "1.15.5", "serial": serial, "lineage": lineage}
    return json.dumps(document | {"outputs": {}, "resources": blocks}).encode()


class Desk:
    def __init__(self, directory: Path) -> None:
        self.now = NOW
        self._runner = asyncio.Runner()
        self.directory = open_directory(directory, reserve_bytes=1 << 20)
        master = open_master_key(directory)
        store = self.directory.store
        first_start.begin(
            store, master, directory, namespace=NAMESPACE, region="us-east-1", require_lock=False, now=self.now
        )
        credentials = first_start.read_credentials(directory)
        assert credentials is not None
        self.credentials = credentials
        self.authenticator = Authenticator(store, master, lambda: self.now)
        settings = load({"data": str(directory), "config": None}, {})
        engine = Engine(store, self.directory.blobs, now=lambda: self.now)
        self.house = House(engine, lock_wait=0.0, max_body=1 << 20)
        self.api = Api(
            self.house,
            self.authenticator,
            settings,
            backup=lambda target, at, with_keys: backup.create(
                serving(self.directory), target, now=at, files=BACKUP_FILES if with_keys else ()
            ),
            webhooks=Sender(master, private=False, now=lambda: self.now),
        )
        self._runner.run(self._start())

    async def _start(self) -> None:
        self.house.engine.start()

    def close(self) -> None:
        self._runner.close()
        self.directory.close()

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        **query: str,
    ) -> Answer:
        """One request as the administrator, or with another token (empty: without any)."""
        return self._runner.run(self._ask(method, path, body, token, headers, query))

    async def _ask(self, method, path, body, token, headers, query) -> Answer:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        fields = list(headers)
        if token != "":
            fields.append(("authorization", f"Bearer {token or self.credentials.token}"))
        own = not path.startswith(("/healthz", "/readyz", "/metrics"))

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(raw), 1000):
                yield raw[start : start + 1000]

        async def never() -> None:
            await asyncio.Event().wait()

        response = await self.api.handle(
            Request(
                method=method,
                raw_path=(("/lockhouse/v1" if own else "") + path).encode(),
                raw_query="&".join(f"{name}={quote(value, safe='')}" for name, value in query.items()).encode(),
                headers=Headers([(name.encode(), value.encode()) for name, value in fields]),
                scheme="http",
                peer="203.0.113.7",
                request_id="REQUEST1",
                chunks=chunks,
                disconnected=never,
            )
        )
        content = response.body
        if isinstance(content, Stream):
            content = b"".join([piece async for piece in content.chunks()])
        assert isinstance(content, bytes)
        return Answer(response.status, {name.decode(): value.decode() for name, value in response.headers}, content)

    # What clients of other protocols do -------------------------------------------------------------------------------

    def caller(self, token: str = "") -> Caller:
        who = self.authenticator.token(token or self.credentials.token)
        assert isinstance(who, Identity)
        return Caller(who, self.now, "s3", peer="203.0.113.9", agent="terraform")

    def put(self, key: str, raw: bytes, token: str = "") -> Any:
        return self._runner.run(self._put(key, raw, token))

    async def _put(self, key: str, raw: bytes, token: str) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            yield raw

        intake = await self.house.take_in(chunks(), expect_state=True)
        put = Put(
            address=Address(NAMESPACE, key), body=intake.body, nonce=self.house.engine.nonce(), facts=intake.facts
        )
        return await self.house.put_intake(self.caller(token), put, intake)

    def lock(self, key: str, lock_id: str = "lock-1", token: str = "", version: str = "1.15.5") -> None:
        document = {"ID": lock_id, "Operation": "OperationTypeApply", "Who": "alice@laptop", "Version": version}
        info = json.dumps(document).encode()
        take = TakeLock(Address(NAMESPACE, key), Facet.TABLE, info)

        async def never() -> None:
            await asyncio.Event().wait()

        async def act() -> None:
            await self.house.locking.take(self.caller(token), take, never)

        self._runner.run(act())

    def token(self, name: str, *grants: dict[str, object]) -> str:
        """A token of a new key with these grants."""
        made = self.ask("POST", "/keys", {"name": name, "grants": list(grants)})
        assert made.status == 201, made.body
        return self.ask("POST", "/tokens", {"name": name}).json["token"]


@contextmanager
def opened(directory: Path) -> Iterator[Desk]:
    desk = Desk(directory)
    try:
        yield desk
    finally:
        desk.close()
