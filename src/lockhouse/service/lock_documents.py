"""Lock documents: reading what Terraform sends, and writing what it is shown, exactly as Go's encoder does.

Source: PROTOCOLS 1.1. What people send in place of a document is no error: it says nothing.
"""

from __future__ import annotations

import re

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Facet, Hold, Lock
from lockhouse.core.maintenance import OPERATION, Maintenance
from lockhouse.core.times import moment, timestamp


class LockDocument(msgspec.Struct, frozen=True, gc=False):
    """A lock document as Terraform writes it (PROTOCOLS 1.1): fields in this order, no spaces."""

    id: str = msgspec.field(name="ID", default="")
    operation: str = msgspec.field(name="Operation", default="")
    info: str = msgspec.field(name="Info", default="")
    who: str = msgspec.field(name="Who", default="")
    version: str = msgspec.field(name="Version", default="")
    created: str = msgspec.field(name="Created", default="")
    path: str = msgspec.field(name="Path", default="")


_decode = msgspec.json.Decoder(LockDocument).decode
_GO_ESCAPES = re.compile("[<>&\u2028\u2029]")


def read_document(info: bytes) -> LockDocument:
    """What a lock document says; all empty when it is not one (people lock with their own texts)."""
    try:
        return _decode(info)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return LockDocument()


def write_document(document: LockDocument) -> bytes:
    """The document exactly as Go's encoder writes it (PROTOCOLS 1.1): `<`, `>`, `&`, U+2028 and U+2029 escaped."""
    text = msgspec.json.encode(document).decode()
    return _GO_ESCAPES.sub(lambda match: f"\\u{ord(match.group()):04x}", text).encode()


def document_of(address: Address, lock: Lock, hold: Hold) -> bytes:
    """The document to show for a hold: as received, or made by us where its protocol sent none or another Path.

    A document that came over http or cloud has an empty Path; S3 and DynamoDB clients expect `bucket/key`.
    """
    if hold.info and hold.facet in (Facet.TABLE, Facet.LOCKFILE):
        return hold.info
    found = read_document(hold.info)
    return write_document(
        LockDocument(
            id=hold.id,
            operation=found.operation or hold.operation,
            info=found.info,
            who=found.who or lock.name,
            version=found.version,
            created=found.created or timestamp(hold.at),
            path=address.lock_id,
        )
    )


def maintenance_document(address: Address, found: Maintenance) -> bytes:
    """What is shown in the place of a lock document."""
    ends = f" (until {moment(found.until)})" if found.until else ""
    return write_document(
        LockDocument(
            id=found.id,
            operation=OPERATION,
            info=found.reason + ends,
            who=found.name,
            created=timestamp(found.at),
            path=address.lock_id,
        )
    )
