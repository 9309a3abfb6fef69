"""Versions: immutable bytes of a state (or plain object), and the facts parsed from them.

Within one address versions are numbered by `seq`, from 1, without gaps being reused. The version id that clients see is
`version_id(seq, nonce)`: it finds its row directly and cannot be guessed from a neighbour's.
"""

from __future__ import annotations

import msgspec

from lockhouse.core.data_keys import DataKey


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a state body says of itself. Sources: Terraform state format version 4; OpenTofu's encryption envelope."""

    serial: int
    """0 … 2**64 - 1."""
    lineage: str
    terraform_version: str = ""
    encrypted: bool = False
    """Encrypted by OpenTofu: opaque but for serial and lineage."""
    resources: int = -1
    """Number of resource blocks; -1 until counted (large bodies are counted off the request path)."""
    outputs: int = -1


class Body(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the bytes of a version are: in a row (`packed`, a zstd frame) or in a blob. Exactly one is set. With a
    `key` what lies there is sealed: the frame, or the blob, encrypted (docs/reference/sealed-bodies.md)."""

    size: int
    """Bytes as sent by the client."""
    md5: bytes
    """16 bytes."""
    sha256: bytes
    """32 bytes."""
    packed: bytes = b""
    blob: str = ""
    key: DataKey | None = None
    """None: not sealed."""
    framed: bool = False
    """The blob is a zstd frame, not the plain bytes."""
    base: int = 0
    """The frame is over the plain bytes of this version of the same address (`core.packs`); 0: it stands alone."""
    judged: int = 0
    """What it was packed against in vain (`core.packing`)."""
    under: Body | None = None
    """The body of the base, filled in where bytes are read. Never stored."""


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who wrote a version and how; shown in the history."""

    principal: str = ""
    credential: str = ""
    name: str = ""
    """The principal's display name at the time."""
    protocol: str = ""
    peer: str = ""
    agent: str = ""
    request: str = ""
    lock_id: str = ""
    """The lock under which it was written: versions of one run share it."""
    mark: str = ""
    """`unlocked`, `override`, `rollback`, `accepted`, `imported` (then `request` is its id at the source) or empty."""


class Version(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version of one address. A delete marker has no body."""

    seq: int
    nonce: str
    at: float
    """Seconds since 1970-01-01T00:00:00Z."""
    origin: Origin
    body: Body | None = None
    etag: str = ""
    """Without quotes: MD5 in hex, or `MD5OFMD5S-N` after a multipart upload (S3 API, "ETag")."""
    facts: Facts | None = None
    content_type: str = ""
    headers: dict[str, str] = {}
    """Stored system headers: content-encoding, cache-control, …, lower case."""
    metadata: dict[str, str] = {}
    """User metadata without the `x-amz-meta-` prefix."""
    encryption: dict[str, str] = {}
    """S3 server-side encryption as asked for: `sse`, `kms_key_id`, `ssec_md5`, …"""
    checksums: dict[str, str] = {}
    """Checksums that came with the body, by algorithm in lower case, base64; plus `type`."""
    parts: int = 0
    tags: dict[str, str] = {}

    @property
    def id(self) -> str:
        return version_id(self.seq, self.nonce)

    @property
    def is_delete_marker(self) -> bool:
        return self.body is None

    @property
    def size(self) -> int:
        return self.body.size if self.body else 0


def version_id(seq: int, nonce: str) -> str:
    """The id that clients see: URL-safe, at most 40 characters."""
    return f"{seq:x}.{nonce}"


def parse_version_id(text: str) -> tuple[int, str] | None:
    """(seq, nonce) of a version id, or None when the text cannot be one."""
    number, _, nonce = text.partition(".")
    if not nonce or len(text) > 40 or not number or number.strip("0123456789abcdef"):
        return None
    seq = int(number, 16)
    return (seq, nonce) if 0 < seq < 2**62 else None
