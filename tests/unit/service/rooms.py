"""A store, callers and bodies for the tests of the use cases."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from lockhouse.core.addresses import Address
from lockhouse.core.bodies import read_facts
from lockhouse.core.locks import Facet
from lockhouse.core.principals import Grant, Identity, Right
from lockhouse.core.versions import Body
from lockhouse.service import locks, namespaces, objects
from lockhouse.service.callers import Caller
from lockhouse.service.locks import TakeLock, Unlock
from lockhouse.service.versions import Put, Refused, Written
from lockhouse.storage.memory import MemoryStore

STATE = Address("acme", "app/terraform.tfstate")
ALL = (Grant("*", "", (Right.ADMIN,)),)


def caller(name: str = "ann", *, grants: tuple[Grant, ...] = ALL, now: float = 1000.0, protocol: str = "s3") -> Caller:
    return Caller(Identity(name, name, f"key-{name}", grants), now, protocol)


def state(serial: int, lineage: str = "line", note: str = "") -> bytes:
    return json.dumps(
        {"version": 4, "serial": serial, "lineage": lineage, "outputs": {"note": {"value": note}}}
    ).encode()


def body(raw: bytes) -> Body:
    return Body(
        len(raw), hashlib.md5(raw, usedforsecurity=False).digest(), hashlib.sha256(raw).digest(), packed=raw or b"\0"
    )


class Rooms:
    """The use cases over a memory store, with one namespace."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.count = 0
        self.store.write(lambda tx: namespaces.create(tx, caller("root"), "acme"))

    def put(self, raw: bytes, by: Caller | None = None, address: Address = STATE, **more: Any) -> Written | Refused:
        self.count += 1
        command = Put(address, body(raw), f"n{self.count}", read_facts(raw), **more)
        return self.store.write(lambda tx: objects.put(tx, by or caller(), command))

    def get(self, by: Caller | None = None, address: Address = STATE, version_id: str = "") -> bytes:
        found = self.store.read(lambda tx: objects.read(tx, by or caller(), address, version_id))
        assert found.version.body is not None
        return found.version.body.packed

    def lock(self, by: Caller | None = None, lock_id: str = "", address: Address = STATE, operation: str = "") -> None:
        by = by or caller()
        document = {"ID": lock_id or f"lock-{by.who.name}", "Operation": operation, "Who": by.who.name}
        command = TakeLock(address, Facet.TABLE, json.dumps(document).encode())
        self.store.write(lambda tx: locks.take(tx, by, command))

    def unlock(self, by: Caller | None = None, address: Address = STATE, **more: Any) -> None:
        command = Unlock(address, Facet.TABLE, **more)
        self.store.write(lambda tx: locks.release(tx, by or caller(), command))
