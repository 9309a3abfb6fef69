"""Lock and digest items: how a lock table shows the locks and states that Lockhouse keeps.

A LockID is an address when the text before its first `/` is a namespace here; `ADDRESS` with `Info` is its lock,
`ADDRESS-md5` with `Digest` is the MD5 of its current version. Neither is stored as an item: both are computed, so they
cannot disagree with the lock or the state (DESIGN, "The lock: theory"). Every lock table shows the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator

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


def show_seen(tx: Reader, caller: Caller, address: Address) -> Item | None:
    """As `show_either`, and nothing for who may not see it."""
    target = digest_address(address)
    if not locks.sees(caller, address) or (target is not None and not _sees(caller, target)):
        return None
    return show_either(tx, caller, address).item


def every(tx: Reader, caller: Caller, after: str = "") -> Iterator[Item]:
    """Every lock and digest item that the caller may see, those of one address together, after a LockID."""
    start = parse_lock_id(after) if after else None
    resumed = _resumed(tx, start)
    namespace = "" if resumed is None else resumed[0].namespace
    if resumed is not None:
        address, with_digest = resumed
        state = tx.state(address) if with_digest else None
        if state is not None and _sees(caller, address):
            yield from _items_of(tx, caller, state, lock=False)
        yield from _in_namespace(tx, caller, namespace, address.key)
    for each in paged(lambda name: tx.namespaces(name, _BATCH), namespace, lambda each: each.name):
        yield from _in_namespace(tx, caller, each.name, "")


def _resumed(tx: Reader, start: Address | None) -> tuple[Address, bool] | None:
    """The address after which to go on, and whether its digest is still to be shown."""
    if start is None:
        return None
    target = digest_address(start)
    if target is not None and tx.state(start) is None:
        return target, False
    return start, True


def _in_namespace(tx: Reader, caller: Caller, namespace: str, after: str) -> Iterator[Item]:
    states = paged(
        lambda key: tx.states(namespace, after=key, limit=_BATCH, live_only=False),
        after,
        lambda each: each[0].address.key,
    )
    for state, _ in states:
        if state.is_state and _sees(caller, state.address):
            yield from _items_of(tx, caller, state, lock=True)


def _items_of(tx: Reader, caller: Caller, state: StateRecord, *, lock: bool) -> Iterator[Item]:
    if lock and locks.sees(caller, state.address):
        shown = show_lock(tx, caller, state.address).item
        if shown is not None:
            yield shown
    digest = None if sees_outputs_only(caller, state.address) else _digest(tx, state)
    if digest is not None:
        yield digest


def _digest(tx: Reader, state: StateRecord) -> Item | None:
    version = tx.current(state) if state.live else None
    if version is None or version.body is None or version.body.size == 0:
        return None
    return {LOCK_ID: state.address.lock_id + DIGEST_SUFFIX, DIGEST: version.body.md5.hex()}


def _sees(caller: Caller, address: Address) -> bool:
    return any(allows(caller.who.grants, right, address.namespace, address.key) for right in _SIGHT)
