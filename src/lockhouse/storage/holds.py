"""Holds: while somebody copies, nobody removes a blob, on whatever machine either runs.

A copy refers to every blob that its snapshot of the records refers to. It notes a hold before the snapshot and renews
it until all blobs are copied; one whose process died ends by itself. Whoever removes blobs asks `is_held` after it has
read which blobs are referred to: without a hold at that moment, a snapshot taken later refers to none that it removes.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from lockhouse.core.ports import Store

HOLD_SECONDS = 600.0
_RENEW_SECONDS = 60.0
_PREFIX = "copying:"


class _Hold(msgspec.Struct, frozen=True):
    until: float
    """Seconds since 1970."""


def is_held(store: Store, now: float) -> bool:
    """Whether a copy is being made."""
    return any(
        msgspec.msgpack.decode(body, type=_Hold).until > now for _, body in store.read(lambda tx: tx.notices(_PREFIX))
    )


@contextmanager
def held(store: Store, now: Callable[[], float] = time.time) -> Iterator[None]:
    """A hold for as long as the block runs. Errors: `storage.full`, `storage.unavailable`."""
    name = f"{_PREFIX}{secrets.token_hex(8)}"
    over = threading.Event()

    def note() -> None:
        body = msgspec.msgpack.encode(_Hold(now() + HOLD_SECONDS))
        store.write(lambda tx: tx.set_notice(name, body))

    def renew() -> None:
        while not over.wait(_RENEW_SECONDS):
            try:
                note()
            except Exception:  # noqa: BLE001, S112 - the next round tries again, long before the hold ends
                continue

    note()
    thread = threading.Thread(target=renew, name="lockhouse-hold", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        store.write(lambda tx: tx.set_notice(name, None))
