"""A place whose history is packed: any store with any blobs, and what was written to it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Callable

from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.blobs import Blobs
from lockhouse.core.data_keys import place_of_body
from lockhouse.core.ports import Store
from lockhouse.core.trash import Discarded
from lockhouse.core.versions import Body
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.outgoing import give_out
from lockhouse.runtime.packing import compress
from lockhouse.runtime.repacking import Repacking
from lockhouse.sealing.bodies import Bodies
from lockhouse.sealing.ring import Ring
from tests.contract.samples import version, write_version

HOME = Address("acme", "app.tfstate")
RING = Ring([b"k" * 32])


def state(serial: int, resources: int, changed: int = 0) -> bytes:
    """A state of about 400 bytes for each resource; those below `changed` are other ones than in the state before."""
    made = []
    for number in range(resources):
        chance = random.Random(number if number != serial % resources else serial * 1_000_003)
        made.append({"type": "aws_instance", "name": f"n{number}", "id": f"{chance.getrandbits(256):x}" * 5})
    document = {"version": 4, "serial": serial, "lineage": "one", "resources": made, "changed": changed}
    return json.dumps(document, indent=1).encode()


class Place:
    """A store with blobs, and what was written to it."""

    def __init__(self, store: Store, blobs: Blobs, ring: Ring | None = RING) -> None:
        self.store = store
        self.blobs = blobs
        self.bodies = Bodies(self.blobs, ring)
        self.engine = Engine(self.store, self.blobs, now=lambda: 10_000.0)
        self.written: dict[int, bytes] = {}

    def write(self, seq: int, raw: bytes, *, blob: bool = False) -> None:
        self.written[seq] = raw
        secret = self.bodies.make_secret()
        body = Body(len(raw), b"m" * 16, hashlib.sha256(raw).digest())
        if blob:
            writer = self.bodies.create(secret)
            writer.write(raw)
            body = replace(body, blob=writer.finish())
        else:
            body = replace(body, packed=self.bodies.seal(secret, compress(raw)))
        new = version(seq)
        new = replace(new, body=self.bodies.bind(body, secret, place_of_body(HOME, new.nonce)))
        self.store.write(lambda tx: write_version(tx, HOME, new))

    def body(self, seq: int) -> Body:
        found = self.store.read(lambda tx: tx.kept(tx.state(HOME), seq))
        assert found is not None
        assert found.body is not None
        return found.body

    def discard(self, seq: int) -> None:
        def command(tx) -> None:
            record = tx.state(HOME)
            tx.discard_version(record.id, Discarded(tx.version(record, seq, packed=False), 1.0))
            tx.save_state(replace(record, versions=record.versions - 1))

        self.store.write(command)

    async def read(self, seq: int) -> bytes:
        given = await give_out(self.body(seq), self.bodies)
        return given if isinstance(given, bytes) else b"".join([piece async for piece in given.chunks()])

    def run(self, act: Callable[[Repacking], object]):
        async def main():
            self.engine.start()
            return await act(Repacking(self.engine, self.bodies, lambda: 0))

        return asyncio.run(main())

    def pack(self):
        return self.run(lambda repacking: repacking.round(quiet=0.0))

    def pack_twice(self):
        """By two at once."""

        async def both(repacking: Repacking):
            other = Repacking(self.engine, self.bodies, lambda: 0)
            return await asyncio.gather(repacking.round(quiet=0.0), other.round(quiet=0.0))

        return self.run(both)

    def check(self) -> None:
        async def main() -> None:
            for seq, raw in self.written.items():
                assert await self.read(seq) == raw

        asyncio.run(main())
