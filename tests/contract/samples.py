"""Values to store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.locks import FREE, Facet, LockRecord, Take, take
from lockhouse.core.ports import Store, Transaction
from lockhouse.core.records import LockEvent, Parked, StateRecord
from lockhouse.core.versions import Body, Facts, Origin, Version

HOME = Address("acme", "prod/terraform.tfstate")
ODD_KEYS = [
    "-", "a", "a-b", "a-b/c", "a/", "a//b", "a/b-c", "a/b/c", "a/b0", "A/b", "B", "Z", "a b", ".", "..", "/lead", "//lead",
    "env:/prod/x", "ä", "a\u0308", "z", "é", "퟿", "\ue000", "�", "𐀀", "\U0010ffff", "a\U0010ffff", "a\U0010ffffb",
    "\x01", "%", "_", "a%b", "a_b", "x" * 1024, "日本語", "\x7f", "a\u0000b",
]  # fmt: skip


def version(seq: int, data: bytes = b"{}", *, blob: str = "", packed: bytes | None = None, serial: int = 1) -> Version:
    body = Body(
        size=len(data),
        md5=hashlib.md5(data).digest(),
        sha256=hashlib.sha256(data).digest(),
        packed=b"" if blob else (data if packed is None else packed),
        blob=blob,
    )
    return Version(
        seq=seq,
        nonce=f"n{seq}",
        at=1000.0 + seq,
        origin=Origin(principal="p", credential="c", protocol="s3", lock_id="L"),
        body=body,
        etag=body.md5.hex(),
        facts=Facts(serial=serial, lineage="lin"),
        metadata={"a": "b"},
    )


def marker(seq: int) -> Version:
    return Version(seq=seq, nonce=f"n{seq}", at=1000.0 + seq, origin=Origin())


def held(record: LockRecord = FREE, lock_id: str = "L1", credential: str = "c1") -> LockRecord:
    request = Take(Facet.TABLE, lock_id, b'{"ID":"%s"}' % lock_id.encode(), "p1", "ann", credential, 5.0)
    return take(record, request).record


def event(verb: str, epoch: int = 1) -> LockEvent:
    return LockEvent(0, 5.0, verb, "L1", epoch, "table", "p1", "ann")


def parked(name: str, address: Address = HOME, *, blob: str = "", packed: bytes = b"kept") -> Parked:
    body = Body(4, b"m" * 16, b"s" * 32, b"" if blob else packed, blob)
    return Parked(name, address, 7.0, "write.serial", "not newer", body, Origin(principal="p"))


def write_version(tx: Transaction, address: Address, new: Version) -> StateRecord:
    """As a use case does it: the version and the counters together."""
    state = tx.ensure_state(address)
    tx.add_version(state, new)
    state = replace(
        state,
        current=new.seq,
        live=not new.is_delete_marker,
        next_seq=new.seq + 1,
        versions=state.versions + 1,
        is_state=True,
    )
    tx.save_state(state)
    return state


def refused(store: Store, command: Callable[[Transaction], object]) -> bool:
    """Whether the store raises: these are mistakes of a caller, so each store may use its own error."""
    try:
        store.write(command)
    except Exception:  # noqa: BLE001 - see above
        return True
    return False
