"""The load: clients that lock, write and unlock through the store, and tell a pipe what was acknowledged.

Each client owns its addresses, so what it was told last about an address is what must still be true. A line of the pipe
is `PATH EPOCH HELD` for a lock or an unlock and `PATH SEQ SHA256` for a version. It never returns: it is killed.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import zstandard
from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Facet, Release, Take, release, take
from lockhouse.core.ports import Delivery, Transaction
from lockhouse.core.records import LockEvent
from lockhouse.core.versions import Body
from lockhouse.storage.directory import DataDirectory, open_directory
from tests.contract.samples import version, write_version

CLIENTS = 8
STATES_EACH = 3
NAMESPACE = "torture"
_SIZES = (40, 3_000, 60_000, 300_000)


def run(path: Path, acknowledged: int, seed: str, *, synchronous: str, durable_blobs: bool) -> None:
    """Write until killed. `acknowledged` is the file descriptor to tell."""
    directory = open_directory(path, synchronous=synchronous, durable_blobs=durable_blobs)
    directory.store.deliver_to(deliver)
    threads = [
        threading.Thread(target=_client, args=(directory, client, acknowledged, f"{seed}/{client}"))
        for client in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _client(directory: DataDirectory, client: int, acknowledged: int, seed: str) -> None:
    chance = random.Random(seed)
    addresses = [Address(NAMESPACE, f"{client}/{number}.tfstate") for number in range(STATES_EACH)]
    while True:
        address = chance.choice(addresses)
        line = (
            put(directory, address, chance.randbytes(chance.choice(_SIZES)))
            if chance.random() < 0.5
            else lock_or_unlock(directory, address)
        )
        os.write(acknowledged, f"{address.key} {line}\n".encode())


def deliver(group: list[Delivery]) -> None:
    for future, result, problem in group:
        assert isinstance(future, Future)
        if problem is None:
            future.set_result(result)
        else:
            future.set_exception(problem)


def _write(directory: DataDirectory, command: Callable[[Transaction], str]) -> str:
    """As the server does it: offered, and queued when the offer is declined."""
    future: Future[str] = Future()
    if not directory.store.offer([(command, future)]):
        directory.store.submit(command, future)
    return future.result()


def lock_or_unlock(directory: DataDirectory, address: Address) -> str:
    now = time.time()

    def command(tx: Transaction) -> str:
        state = tx.ensure_state(address)
        record = tx.lock(state)
        if record.lock is None:
            request = Take(Facet.TABLE, f"id-{record.epoch + 1}", b"{}", "p", "ann", "c", now)
            new, verb = take(record, request).record, "taken"
        else:
            new, verb = release(record, Release(Facet.TABLE, "c", now, state.current)).record, "released"
        assert tx.save_lock(state, new, record.epoch)
        tx.add_lock_event(state, LockEvent(0, now, verb, "L", new.epoch, "table", "p", "ann"))
        return f"lock {new.epoch} {int(new.lock is not None)}"

    return _write(directory, command)


def put(directory: DataDirectory, address: Address, data: bytes) -> str:
    digest = hashlib.sha256(data).digest()
    if len(data) > 100_000:
        writer = directory.blobs.create()
        for start in range(0, len(data), 65536):
            writer.write(data[start : start + 65536])
        body = Body(len(data), b"", digest, blob=writer.finish())
    else:
        body = Body(len(data), b"", digest, packed=zstandard.ZstdCompressor(level=1).compress(data))

    def command(tx: Transaction) -> str:
        seq = tx.ensure_state(address).next_seq
        write_version(tx, address, replace(version(seq), body=body))
        return f"version {seq} {digest.hex()}"

    return _write(directory, command)
