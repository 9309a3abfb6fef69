"""A house in memory and a client that speaks DynamoDB JSON to it, without sockets or signatures."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.principals import Grant, Identity, Right
from lockhouse.core.records import Namespace
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.routes import answer
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.house import House
from lockhouse.service.callers import Caller
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore
from tests.contract.samples import version

EVERYTHING = (Grant("*", "", (Right.ADMIN,)),)


def person(name: str, grants: tuple[Grant, ...] = EVERYTHING) -> Identity:
    return Identity(principal=f"p-{name}", name=name, credential=f"c-{name}", grants=grants)


@dataclass
class Answer:
    status: int
    body: dict[str, Any]
    headers: dict[bytes, bytes] = field(repr=False, default_factory=dict)

    @property
    def fault(self) -> str:
        return self.body.get("__type", "").partition("#")[2]

    @property
    def message(self) -> str:
        return self.body.get("message", "")

    @property
    def ok(self) -> dict[str, Any]:
        assert self.status == 200, self.body
        return self.body


class Desk:
    """Calls run on one event loop; `now` may be set."""

    def __init__(self, path: Path) -> None:
        self.store = MemoryStore()
        self.loop = asyncio.new_event_loop()
        self.now = 1_800_000_000.0
        engine = Engine(self.store, FileBlobs(path / "blobs"), now=lambda: self.now)

        async def start() -> House:
            engine.start()
            return House(engine, lock_wait=0, max_body=1 << 20)

        self.house = self.loop.run_until_complete(start())
        self.store.write(lambda tx: tx.create_namespace(Namespace("acme", self.now)))

    def close(self) -> None:
        self.store.close()
        self.loop.close()

    def raw(self, action: str, body: bytes, who: Identity | None = None, invocation: str = "") -> Answer:
        caller = Caller(who or person("ann"), self.now, "dynamodb", request="R1", invocation=invocation)
        call = Call(self.house, caller, "123456789012", "eu-west-1", "here:7373", asyncio.Event().wait)
        response = self.loop.run_until_complete(answer(call, f"DynamoDB_20120810.{action}", body))
        assert isinstance(response.body, bytes)
        headers = dict(response.headers)
        assert headers[b"x-amz-crc32"] == str(crc32(response.body)).encode()
        return Answer(response.status, json.loads(response.body), headers)

    def __call__(self, action: str, who: Identity | None = None, **body: Any) -> Answer:
        return self.raw(action, json.dumps(body, separators=(",", ":")).encode(), who)

    def table(self, name: str = "things", hash_key: str = "id", kind: str = "S", range_key: str = "") -> str:
        keys = [(hash_key, kind, "HASH")] + ([(range_key, "S", "RANGE")] if range_key else [])
        made = self(
            "CreateTable",
            TableName=name,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": each} for key, each, _ in keys],
            KeySchema=[{"AttributeName": key, "KeyType": role} for key, _, role in keys],
            BillingMode="PAY_PER_REQUEST",
        )
        assert made.status == 200, made.body
        return name

    def lock_table(self) -> str:
        return self.table("locks", "LockID")

    def keep(self, key: str, data: bytes = b'{"version":4}') -> None:
        """A state with one version."""

        def write(tx: Any) -> None:
            state = tx.ensure_state(Address("acme", key))
            tx.add_version(state, version(1, data))
            tx.save_state(replace(state, current=1, next_seq=2, live=True, versions=1, is_state=True))

        self.store.write(write)


def document(lock_id: str, path: str = "acme/a/terraform.tfstate", who: str = "ann@host") -> str:
    return (
        f'{{"ID":"{lock_id}","Operation":"OperationTypeApply","Info":"","Who":"{who}","Version":"1.15.5",'
        f'"Created":"2026-11-22T10:00:00.5Z","Path":"{path}"}}'
    )
