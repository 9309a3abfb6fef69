"""Lock and digest items: how a lock table shows the locks and states that Lockhouse keeps.

A LockID is an address when the text before its first `/` is a namespace here; `ADDRESS` with `Info` is its lock,
`ADDRESS-md5` with `Digest` is the MD5 of its current version. Neither is stored as an item: both are computed, so they
cannot disagree with the lock or the state (DESIGN, "The lock: theory"). Every lock table shows the same ones.

One key has one item. While a lock is held (or there is a digest), it is what stands at its LockID, and an ordinary item
that somebody put there is covered: no read shows it, no write changes it, and it is there again when the lock is gone.
Whoever may not see the lock sees and writes the ordinary item. Only asking for `Digest` by name shows a digest where a
state of a name that ends in `-md5` is locked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heappop, heappush

import msgspec

from lockhouse.core.addresses import DIGEST_SUFFIX, Address, parse_lock_id
from lockhouse.core.attributes import Item
from lockhouse.core.items import Table
from lockhouse.core.locks import Facet
from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader
from lockhouse.core.principals import Right, allows, require
from lockhouse.core.records import StateRecord
from lockhouse.service import locks
from lockhouse.service.callers import Caller
from lockhouse.service.objects import sees_outputs_only

LOCK_ID = "LockID"
INFO = "Info"
DIGEST = "Digest"
_SIGHT = (Right.READ, Right.LOCK, Right.WRITE)
_BATCH = 500


class Shown(msgspec.Struct, frozen=True):
    """What a reader was shown: the item; and if it asked for the lock of an address, that and the id of what it saw."""

    item: Item | None
    address: Address | None = None
    lock_id: str = ""
    size: int = 0
    """Bytes of the item before it was narrowed: what the read costs."""


def address_of(tx: Reader, table: Table, lock_id: object) -> Address | None:
    """The address that a LockID of this table names, or None when it is the key of an ordinary item."""
    address = parse_lock_id(lock_id) if isinstance(lock_id, str) else None
    return address if address is not None and keeps(tx, table, address) else None


def keeps(tx: Reader, table: Table, address: Address) -> bool:
    """Whether the LockID that reads as this address is one in this table."""
    return table.schema.is_lock_table and tx.namespace(address.namespace) is not None


def digest_address(address: Address) -> Address | None:
    """The address whose digest `ADDRESS-md5` is."""
    key = address.key
    if not key.endswith(DIGEST_SUFFIX) or key == DIGEST_SUFFIX:
        return None
    return Address(address.namespace, key[: -len(DIGEST_SUFFIX)])


def show_lock(tx: Reader, caller: Caller, address: Address) -> Shown:
    """The lock item of an address. Errors: `access.denied`."""
    found = locks.show(tx, caller, address, Facet.TABLE)
    if found is None:
        return Shown(None, address)
    lock_id, document = found
    return Shown(lock_item(address, document), address, lock_id)


def lock_item(address: Address, document: bytes) -> Item:
    """The item that shows a lock document."""
    return {LOCK_ID: address.lock_id, INFO: document.decode("utf-8", "replace")}


def show_digest(tx: Reader, caller: Caller, address: Address) -> Item | None:
    """The digest item of an address; none for who may read outputs only, whose document has another digest.

    Errors: `access.denied`, whether or not there is such a state."""
    if sees_outputs_only(caller, address):
        return None
    if not _sees(caller, address):
        require(caller.who, Right.READ, address.namespace, address.key)
    state = tx.state(address)
    return None if state is None else _digest(tx, state)


def check_digest(caller: Caller, address: Address) -> None:
    """Who may write a digest: whoever may write or lock the state. Nothing is stored."""
    if not allows(caller.who.grants, Right.LOCK, address.namespace, address.key):
        require(caller.who, Right.WRITE, address.namespace, address.key)


def show_either(tx: Reader, caller: Caller, address: Address) -> Shown:
    """For a reader who does not say which: the lock if it is held, else the digest if the LockID is that of one."""
    shown = show_lock(tx, caller, address)
    target = digest_address(address)
    if shown.item is None and target is not None:
        digest = show_digest(tx, caller, target)
        return shown if digest is None else Shown(digest)
    return shown


def cover(tx: Reader, caller: Caller, address: Address) -> Item | None:
    """What stands at a LockID for this caller, in every read and write that asks for neither kind: the lock if it is
    held, else the digest, as far as the caller may see them. It covers an ordinary item of that key."""
    if locks.sees(caller, address):
        shown = show_lock(tx, caller, address).item
        if shown is not None:
            return shown
    target = digest_address(address)
    state = tx.state(target) if target is not None else None
    return _digest(tx, state) if state is not None and _shows_digest(caller, state) else None


def covers(tx: Reader, caller: Caller, table: Table) -> Callable[[Item], Item | None] | None:
    """`cover` for the keys of a table; None where nothing is kept in it."""
    if not table.schema.is_lock_table:
        return None

    def covering(key: Item) -> Item | None:
        address = address_of(tx, table, key[LOCK_ID])
        return None if address is None else cover(tx, caller, address)

    return covering


def every(tx: Reader, caller: Caller, after: str = "") -> Iterator[Item]:
    """Every lock and digest item that the caller may see, one for each LockID, in the order of the LockIDs (by bytes),
    after a key of the table. So a page can go on after any key, whatever stands there by then."""
    names = (each.name for each in paged(lambda name: tx.namespaces(name, _BATCH), "", lambda each: each.name))
    for name in sorted(names, key=lambda each: f"{each}/"):  # "a-b/" stands before "a/"
        place = f"{name}/"
        if after.startswith(place) or place > after:
            yield from _in_namespace(tx, caller, name, after[len(place) :] if after.startswith(place) else "")


def _in_namespace(tx: Reader, caller: Caller, namespace: str, after: str) -> Iterator[Item]:
    """A digest's LockID comes later than its state's, behind those of other states: it waits until the walk gets there.
    Where a page begins, those wait whose states are before it."""
    waiting: list[tuple[bytes, StateRecord]] = []
    for end in range(1, len(after) + 1):
        if end == len(after) or after[end] <= DIGEST_SUFFIX[0]:
            state = tx.state(Address(namespace, after[:end]))
            if state is not None and _digest_order(state) > _order(after):
                _wait(caller, waiting, state)
    states = paged(
        lambda key: tx.states(namespace, after=key, limit=_BATCH, live_only=False),
        after,
        lambda each: each[0].address.key,
    )
    for state, _ in states:
        if not state.is_state or not _sees(caller, state.address):
            continue
        here = _order(state.address.key)
        yield from _digests(tx, waiting, here)
        lock = show_lock(tx, caller, state.address).item if locks.sees(caller, state.address) else None
        if lock is not None:
            yield lock
            if waiting and waiting[0][0] == here:
                heappop(waiting)
        _wait(caller, waiting, state)
    yield from _digests(tx, waiting, None)


def _wait(caller: Caller, waiting: list[tuple[bytes, StateRecord]], state: StateRecord) -> None:
    if _shows_digest(caller, state):
        heappush(waiting, (_digest_order(state), state))


def _digests(tx: Reader, waiting: list[tuple[bytes, StateRecord]], until: bytes | None) -> Iterator[Item]:
    while waiting and (until is None or waiting[0][0] < until):
        digest = _digest(tx, heappop(waiting)[1])
        if digest is not None:
            yield digest


def _order(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _digest_order(state: StateRecord) -> bytes:
    return _order(state.address.key + DIGEST_SUFFIX)


def _shows_digest(caller: Caller, state: StateRecord) -> bool:
    return state.is_state and _sees(caller, state.address) and not sees_outputs_only(caller, state.address)


def _digest(tx: Reader, state: StateRecord) -> Item | None:
    version = tx.current(state) if state.live else None
    if version is None or version.body is None or version.body.size == 0:
        return None
    return {LOCK_ID: state.address.lock_id + DIGEST_SUFFIX, DIGEST: version.body.md5.hex()}


def _sees(caller: Caller, address: Address) -> bool:
    return any(allows(caller.who.grants, right, address.namespace, address.key) for right in _SIGHT)
