"""Listings of objects and versions, as S3 clients expect them: byte order, prefix, delimiter, complete, paged.

Held locks are shown as `.tflock` objects among the keys. A page reads what it shows and a little more, and steps over
what is in a common prefix, so the cost of a page does not grow with the namespace.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import msgspec

from lockhouse.core.addresses import LAST, LOCKFILE_SUFFIX, Address, behind
from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader
from lockhouse.core.principals import Right, require_listing
from lockhouse.core.records import StateRecord
from lockhouse.core.versions import Version
from lockhouse.service import namespaces
from lockhouse.service.callers import Caller
from lockhouse.service.lock_documents import document_of

_PAGE = 1000
_SOUGHT = 4
"""Entries that are read after a common prefix; if they are not enough, twice as many come next."""
_LEADING = 16
"""Common prefixes that are looked for at first."""


class Entry(msgspec.Struct, frozen=True):
    """One line of a listing: a live object and its newest version, or a held lock shown as `.tflock` (size known)."""

    key: str
    version: Version | None
    lock_size: int = 0
    lock_at: float = 0.0
    lock_md5: str = ""


class Listing(msgspec.Struct, frozen=True):
    """A page of keys and common prefixes in byte order; `next` is where to go on, empty when that was all."""

    entries: Sequence[Entry | str]
    """Entries, and common prefixes as plain strings, interleaved in order."""
    next: str


class VersionListing(msgspec.Struct, frozen=True):
    """A page of versions and delete markers: keys in byte order, newest first within a key."""

    entries: Sequence[tuple[str, Version, bool] | str]
    """(key, version, is latest), and common prefixes as plain strings."""
    next_key: str
    next_version: str


def list_objects(
    tx: Reader,
    caller: Caller,
    namespace: str,
    *,
    prefix: str = "",
    delimiter: str = "",
    after: str = "",
    limit: int = 1000,
) -> Listing:
    """Live objects and held locks. `after` is exclusive: a key, or a common prefix that is skipped as a whole.

    Needs `read` on the prefix. Errors: `access.denied`, `namespace.not_found`."""
    namespaces.get(tx, caller, namespace)
    _require_list(caller, namespace, prefix)
    if limit == 0:
        return Listing((), "")
    shown: list[Entry | str] = []
    position = after + LAST if is_common(after, prefix, delimiter) else after
    first = min(limit + 1, _LEADING if delimiter else _PAGE)
    objects = _Objects(tx, namespace, prefix, position, first, delimiter)
    locks = _Locks(tx, namespace, prefix, position, first)
    while True:
        entry = _first(objects.peek(), locks.peek())
        if entry is None:
            return Listing(shown, "")
        if len(shown) == limit:
            last = shown[-1]
            return Listing(shown, last if isinstance(last, str) else last.key)
        cut = entry.key.find(delimiter, len(prefix)) if delimiter else -1
        if cut >= 0:
            common = entry.key[: cut + len(delimiter)]
            shown.append(common)
            objects.seek(common + LAST)
            locks.seek(common + LAST)
        else:
            shown.append(entry)
            objects.skip(entry)
            locks.skip(entry)


def list_versions(
    tx: Reader,
    caller: Caller,
    namespace: str,
    *,
    prefix: str = "",
    delimiter: str = "",
    after_key: str = "",
    after_seq: int = 0,
    limit: int = 1000,
) -> VersionListing:
    """All versions and delete markers. With `after_seq` the page goes on within `after_key` below that seq.

    Needs `read` on the prefix. Errors as `list_objects`."""
    namespaces.get(tx, caller, namespace)
    _require_list(caller, namespace, prefix)
    if limit == 0:
        return VersionListing((), "", "")
    shown: list[tuple[str, Version, bool] | str] = []
    for entry in _versions(tx, namespace, prefix, delimiter, after_key, after_seq, min(limit + 1, _PAGE)):
        if len(shown) == limit:
            last = shown[-1]
            if isinstance(last, str):
                return VersionListing(shown, last, "")
            return VersionListing(shown, last[0], last[1].id)
        shown.append(entry)
    return VersionListing(shown, "", "")


def _versions(
    tx: Reader, namespace: str, prefix: str, delimiter: str, after_key: str, after_seq: int, wanted: int
) -> Iterator[tuple[str, Version, bool] | str]:
    if after_seq:
        state = tx.state(Address(namespace, after_key))
        if state is not None:
            yield from _history(tx, state, after_seq, wanted)
    position, take = after_key, _SOUGHT
    if not after_seq and is_common(after_key, prefix, delimiter):
        position = after_key + LAST
    while page := tx.states(namespace, prefix, position, take, live_only=False):
        take = min(2 * take, _PAGE)
        for state, newest in page:
            key = state.address.key
            position = key
            if newest is None:
                continue
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut >= 0:
                common = key[: cut + len(delimiter)]
                yield common
                position, take = common + LAST, _SOUGHT
                break
            yield from _history(tx, state, 0, wanted)


def is_common(place: str, prefix: str, delimiter: str) -> bool:
    """Whether a page that ended at `place` ended with a common prefix. A key that is the prefix itself is none."""
    if not delimiter or not place.startswith(prefix):
        return False
    cut = place.find(delimiter, len(prefix))
    return cut >= 0 and cut + len(delimiter) == len(place)


def _history(tx: Reader, state: StateRecord, before: int, wanted: int) -> Iterator[tuple[str, Version, bool]]:
    for version in paged(lambda seq: tx.versions(state, seq, wanted), before, lambda each: each.seq):
        yield state.address.key, version, version.seq == state.current


class _Cursor(ABC):
    """A sorted stream of entries that can be peeked at, stepped and moved forward."""

    def __init__(self, tx: Reader, namespace: str, prefix: str, after: str, first: int) -> None:
        """`first`: how many entries to read at once to begin with."""
        self._tx = tx
        self._take = first
        self._namespace = namespace
        self._prefix = prefix
        self._after = after
        self._page: list[Entry] = []
        self._next = 0
        self._ended = False

    def peek(self) -> Entry | None:
        while self._next >= len(self._page) and not self._ended:
            self._page, self._after, self._ended = self._load(self._after, self._take)
            self._next = 0
            self._take = min(2 * self._take, _PAGE)
        return self._page[self._next] if self._next < len(self._page) else None

    def skip(self, entry: Entry) -> None:
        """Step over `entry` if it is the one in front."""
        if self.peek() is entry:
            self._next += 1

    def seek(self, after: str) -> None:
        """Go on after this key."""
        while self._next < len(self._page) and self._page[self._next].key <= after:
            self._next += 1
        if self._next >= len(self._page) and after > self._after:
            self._after = after

    @abstractmethod
    def _load(self, after: str, limit: int) -> tuple[list[Entry], str, bool]:
        """About `limit` entries after a key, the key after which to go on, and whether that was all."""


class _Objects(_Cursor):
    """While there is one common prefix after the other, only their first keys are read: entries without a version."""

    def __init__(self, tx: Reader, namespace: str, prefix: str, after: str, first: int, delimiter: str) -> None:
        super().__init__(tx, namespace, prefix, after, first)
        self._delimiter = delimiter
        self._in_common = bool(delimiter)
        """Whether a common prefix may be next."""

    def seek(self, after: str) -> None:
        super().seek(after)
        if not self._in_common:
            self._in_common, self._take = True, _SOUGHT

    def _load(self, after: str, limit: int) -> tuple[list[Entry], str, bool]:
        if self._in_common:
            keys = self._tx.leading_keys(self._namespace, self._prefix, self._delimiter, after, limit)
            entries: list[Entry] = []
            for key in keys:
                beyond = behind(key, self._prefix, self._delimiter)
                if beyond == key:  # an object
                    self._in_common = False
                    break
                entries.append(Entry(key, None))
                after = beyond
            if entries or self._in_common:
                return entries, after, self._in_common and len(keys) < limit
        page = self._tx.states(self._namespace, self._prefix, after, limit)
        entries = [Entry(state.address.key, version) for state, version in page]
        return entries, entries[-1].key if entries else after, len(page) < limit


class _Locks(_Cursor):
    """Held locks as `.tflock` objects. A lock's key sorts as its state's key plus the suffix, so a state key up to the
    length of the suffix before the position may still have its lock object after it: such pages are filtered."""

    def _load(self, after: str, _limit: int) -> tuple[list[Entry], str, bool]:
        entries: list[Entry] = []
        position: Address | None = None
        while page := self._tx.held_locks(self._namespace, _stem(self._prefix), position, _PAGE):
            for state, record in page:
                key = state.address.key + LOCKFILE_SUFFIX
                lock = record.lock
                if lock is None or key <= after or not key.startswith(self._prefix):
                    continue
                shown = document_of(state.address, lock, lock.holds[0])
                digest = hashlib.md5(shown, usedforsecurity=False).hexdigest()
                entries.append(Entry(key, None, len(shown), lock.at, digest))
            position = page[-1][0].address
        entries.sort(key=lambda entry: entry.key)
        return entries, entries[-1].key if entries else after, True


def _stem(prefix: str) -> str:
    """The prefix of state keys whose lock objects may start with `prefix` (it may reach into the suffix)."""
    for size in range(len(LOCKFILE_SUFFIX), 0, -1):
        if prefix.endswith(LOCKFILE_SUFFIX[:size]):
            return prefix[:-size]
    return prefix


def _first(one: Entry | None, other: Entry | None) -> Entry | None:
    if one is None or other is None:
        return one or other
    return one if one.key <= other.key else other


def _require_list(caller: Caller, namespace: str, prefix: str) -> None:
    """Names may be listed by who may read, lock or read outputs there: S3 clients list workspaces before they read."""
    require_listing(caller.who, (Right.READ, Right.LOCK, Right.READ_OUTPUTS), namespace, prefix)
