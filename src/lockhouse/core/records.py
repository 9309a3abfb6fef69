"""Records: what storage keeps of each thing, as the ports (`core.ports`) give and take it.

Principals, workspaces and whatever else has a rule of its own stand with that rule; a record here has none.
"""

from __future__ import annotations

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.versions import Body, Facts, Origin


class Namespace(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The owner of names."""

    name: str
    at: float
    region: str = ""
    require_lock: bool = False


class StateRecord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One address. It is made by the first lock or write and never removed while it has versions or a held lock."""

    id: int
    address: Address
    current: int = 0
    """seq of the newest version; 0 when there is none."""
    live: bool = False
    """The newest version exists and is not a delete marker."""
    next_seq: int = 1
    versions: int = 0
    is_state: bool = False
    """Sticky: the key, a body or a lock once showed that this is a state."""
    require_lock: bool = False
    highest_serial: int = 0
    """The highest serial ever accepted: a rollback writes one more."""
    parked: int = 0
    """Number of parked writes."""
    share_ssec: bool = False
    """Whether other protocols may read versions written with a customer key."""


class LockEvent(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One line of an address's lock history."""

    seq: int
    at: float
    verb: str
    """`taken`, `joined`, `facet-released`, `released`, `forced`, `withdrawn`, `stale`, `seen-again`."""
    lock_id: str
    epoch: int
    facet: str
    principal: str
    name: str
    who: str = ""
    operation: str = ""
    reason: str = ""
    version: str = ""
    """Of the client, as its lock document or its User-Agent says; only where it locked."""
    link: str = ""
    """Where the holder's CI job can be seen; only where it locked."""


class Parked(msgspec.Struct, frozen=True, omit_defaults=True):
    """A refused write, kept until somebody accepts or drops it."""

    id: str
    address: Address
    at: float
    reason: str
    """The code of the problem that refused it, e.g. `write.serial`."""
    message: str
    body: Body
    origin: Origin
    facts: Facts | None = None
    content_type: str = ""


class Upload(msgspec.Struct, frozen=True, omit_defaults=True):
    """An unfinished multipart upload."""

    id: str
    address: Address
    at: float
    principal: str
    template: bytes
    """The version-to-be without its body, as the use case encoded it."""


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """One uploaded part."""

    number: int
    """1 … 10,000."""
    body: Body
    at: float
    checksums: dict[str, str] = {}


class TableRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A lock table; `body` is the definition as `core.items` encodes it."""

    name: str
    body: bytes


class ItemRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """An ordinary item of a table. Keys are order-preserving bytes made by `core.items`."""

    hash_key: bytes
    range_key: bytes
    body: bytes
    expires_at: float = 0.0
    """0: never. Only a sweep looks at it."""
