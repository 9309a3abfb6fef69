"""The rows of a large house, as its own use cases would have written them, without the time that takes.

Pure and repeatable: the same size gives the same rows. Every state has had `versions // states` runs, each with one
lock taken and released and one version written under it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Facet, Hold, LockRecord, Tombstone
from lockhouse.core.records import LockEvent, Namespace
from lockhouse.core.versions import Body, Facts, Origin, Version
from lockhouse.core.workspaces import name_from_key
from lockhouse.runtime.packing import compress
from lockhouse.storage.sql import records

NAMESPACE = "scale"
START = 1_700_000_000.0
HOUR = 3600.0
Row = tuple[object, ...]


@dataclass(frozen=True)
class Size:
    """How much there is."""

    states: int
    versions: int
    """Of all states together; a multiple of `states`."""

    @property
    def each(self) -> int:
        return self.versions // self.states


def key(number: int) -> str:
    """The key of a state: most teams have many services, names share long beginnings."""
    return f"team-{number % 97:02}/service-{number:06}/terraform.tfstate"


def document(number: int, serial: int) -> bytes:
    """The body of one version."""
    return json.dumps(
        {
            "version": 4,
            "terraform_version": "1.15.5",
            "serial": serial,
            "lineage": f"00000000-0000-4000-8000-{number:012}",
            "outputs": {"release": {"value": f"r{serial}-{number}", "type": "string"}},
            "resources": [{"mode": "managed", "type": "terraform_data", "name": "one", "instances": []}],
            "check_results": None,
        }
    ).encode()


TABLES: dict[str, tuple[str, ...]] = {
    "namespaces": ("name", "record"),
    "states": (
        "id", "namespace", "key", "current", "live", "next_seq", "versions", "is_state", "require_lock",
        "highest_serial", "parked", "share_ssec", "awaits",
    ),
    "versions": ("place", "state_id", "seq", "blob", "record"),
    "bodies": ("state_id", "seq", "packed"),
    "locks": ("state_id", "namespace", "key", "epoch", "held", "record"),
    "lock_events": ("seq", "state_id", "record"),
}  # fmt: skip
"""Table to columns, in the order in which they are to be filled."""


def rows(table: str, size: Size, first_id: int, first_event: int) -> Iterator[Row]:
    """What goes into one table. `first_id` and `first_event`: the first numbers that are free."""
    numbers = range(size.states)
    match table:
        case "namespaces":
            yield NAMESPACE, records.encode(Namespace(NAMESPACE, START))
        case "states":
            last = size.each
            for number in numbers:
                counters = (last, 1, last + 1, last, 1, 0, last, 0, 0)
                yield first_id + number, NAMESPACE, key(number), *counters, name_from_key(key(number))
        case "versions":
            for number, seq in product(numbers, range(1, size.each + 1)):
                place = records.place_of(first_id + number, seq)
                yield place, first_id + number, seq, "", records.version_record(_version(number, seq))
        case "bodies":
            for number, seq in product(numbers, range(1, size.each + 1)):
                yield first_id + number, seq, compress(document(number, seq))
        case "locks":
            for number in numbers:
                yield first_id + number, NAMESPACE, key(number), size.each, 0, records.encode(_lock(number, size.each))
        case "lock_events":
            runs = product(range(1, size.each + 1), numbers, (("taken", 0.0), ("released", 60.0)))
            for event, (seq, number, (verb, after)) in enumerate(runs, first_event):
                yield event, first_id + number, records.encode(_event(number, seq, verb, after))


def address(number: int) -> Address:
    return Address(NAMESPACE, key(number))


def _version(number: int, seq: int) -> Version:
    raw = document(number, seq)
    md5 = hashlib.md5(raw).digest()
    return Version(
        seq=seq,
        nonce=f"n{number:07}-{seq:05}",
        at=_at(number, seq) + 30.0,
        origin=_ORIGIN,
        body=Body(len(raw), md5, hashlib.sha256(raw).digest()),
        etag=md5.hex(),
        facts=Facts(seq, f"00000000-0000-4000-8000-{number:012}", "1.15.5", resources=1, outputs=1),
        content_type="application/json",
    )


def _lock(number: int, epoch: int) -> LockRecord:
    at = _at(number, epoch) + 60.0
    hold = Hold(Facet.TABLE, _lock_id(number, epoch), b"", at - 60.0)
    return LockRecord(epoch=epoch, tombstones=(Tombstone(hold.facet, hold.id, "AKIASCALE", at),))


def _event(number: int, seq: int, verb: str, after: float) -> LockEvent:
    return LockEvent(
        seq=0,
        at=_at(number, seq) + after,
        verb=verb,
        lock_id=_lock_id(number, seq),
        epoch=seq,
        facet="table",
        principal="p-scale",
        name="ci",
        who="ci@runner",
        operation="OperationTypeApply",
        version="1.15.5",
    )


def _lock_id(number: int, seq: int) -> str:
    return f"{number:08x}-0000-4000-8000-{seq:012x}"


def _at(number: int, seq: int) -> float:
    return START + seq * 24 * HOUR + number % 3600


_ORIGIN = Origin("p-scale", "AKIASCALE", "ci", "s3", "192.0.2.7", "Terraform/1.15.5", "r-1", "L")
