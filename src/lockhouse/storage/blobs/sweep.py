"""The sweep: blobs that nothing refers to go, a grace after they were finished.

A body is finished before the command that refers to it commits, so a young blob may be about to be referred to. Young
is measured by the file's date for blobs of earlier processes, and by a clock that never jumps for those of this one.
The references are read after the blob was seen to be old, so a blob that was referred to at that moment is never taken.
A command that refers to a blob of another version (a copy) must read that version in the same transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, takewhile

from lockhouse.core.paging import paged
from lockhouse.core.ports import Store
from lockhouse.storage.blobs.opening import KeptBlobs
from lockhouse.storage.blobs.owner import of_another
from lockhouse.storage.holds import is_held

GRACE_SECONDS = 24 * 3600.0
_BATCH = 500
_log = logging.getLogger("lockhouse.storage")


def sweep(
    blobs: KeptBlobs,
    store: Store,
    *,
    now: float,
    grace: float = GRACE_SECONDS,
    stop: Callable[[], bool] = bool,
    house: str = "",
) -> int:
    """Remove orphans, in small batches; answers how many. `stop` is asked before each blob: a server that ends does not
    wait for a large place. `now` in seconds since 1970.

    With a `house` nothing is removed where another one keeps bodies, to which this store does not refer.
    Returns early while a copy is being made (`storage.holds`): the next sweep will find the same orphans.
    """
    if house and (another := of_another(blobs, house)):
        _log.error("Cannot sweep the place of large bodies error=%s hint=%s", another.message, another.hint)
        return 0
    removed = 0
    there = takewhile(lambda _: not stop(), blobs.names())
    old = (name for name, at in there if now - at >= grace and not blobs.finished_within(name, grace))
    while not stop() and (batch := list(islice(old, _BATCH))):
        if not blobs.sweeping.acquire(blocking=False):
            return removed
        try:
            referred = set(_referred(store, batch))
            if is_held(store, now):
                return removed
            for name in batch:
                if stop():
                    break
                if name not in referred:
                    blobs.delete(name)
                    removed += 1
        finally:
            blobs.sweeping.release()
    return removed


def _referred(store: Store, names: Iterable[str]) -> Iterator[str]:
    """The references between the first and the last of these names."""
    ordered = sorted(names)
    found = paged(
        lambda after: store.read(lambda reader: reader.blob_names(after, _BATCH)), ordered[0][:-1], lambda name: name
    )
    return takewhile(lambda name: name <= ordered[-1], found)
