"""Values to columns and back. Records are MessagePack maps with field names, so that fields can be added later.

Bytes of bodies kept in rows travel in their own column or table: a record holds them only for parts. Serials
are unsigned 64-bit numbers and databases count signed ones: a serial is stored as the signed number of the same bits.
"""

from __future__ import annotations

from typing import Any

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.data_keys import DataKey, place_of_body, place_of_part
from lockhouse.core.locks import Hold, LockRecord, Tombstone
from lockhouse.core.principals import Credential, Principal
from lockhouse.core.records import LockEvent, Namespace, Parked, Part, StateRecord, Upload
from lockhouse.core.trash import Discarded
from lockhouse.core.versions import Body, Version

Row = tuple[Any, ...]
encode = msgspec.msgpack.Encoder().encode
decode_version = msgspec.msgpack.Decoder(Version).decode
decode_lock_event = msgspec.msgpack.Decoder(LockEvent).decode
decode_namespace = msgspec.msgpack.Decoder(Namespace).decode
decode_parked = msgspec.msgpack.Decoder(Parked).decode
decode_part = msgspec.msgpack.Decoder(Part).decode
decode_discarded = msgspec.msgpack.Decoder(Discarded).decode
decode_upload = msgspec.msgpack.Decoder(Upload).decode
decode_principal = msgspec.msgpack.Decoder(Principal).decode
decode_credential = msgspec.msgpack.Decoder(Credential).decode
_replace = msgspec.structs.replace

_decode_lock = msgspec.msgpack.Decoder(LockRecord).decode
_MAX_LOCKS = 1024
_locks: dict[int, tuple[bytes, LockRecord]] = {}
"""Lock records and their encoded form, by the ids of their states: what is written is read again soon, and decoding
costs more than comparing."""


class _OlderTombstone(msgspec.Struct, frozen=True):
    hold: Hold
    credential: str
    at: float
    invocation: str = ""
    whole: bool = False


class _Older(msgspec.Struct, frozen=True):
    """What lock records of before called otherwise."""

    tombstones: tuple[_OlderTombstone, ...] = ()


_OLDER = b"\xaatombstones"
_decode_older = msgspec.msgpack.Decoder(_Older).decode


def encode_lock(state_id: int, record: LockRecord) -> bytes:
    encoded = encode(record)
    if len(_locks) >= _MAX_LOCKS:
        _locks.clear()
    _locks[state_id] = (encoded, record)
    return encoded


def decode_lock(state_id: int, encoded: bytes) -> LockRecord:
    kept = _locks.get(state_id)
    if kept is not None and kept[0] == encoded:
        return kept[1]
    record = _decode_lock(encoded)
    if _OLDER in encoded and not record.tombstones:
        return _replace(record, tombstones=tuple(map(_newer, _decode_older(encoded).tombstones)))
    return record


def _newer(stone: _OlderTombstone) -> Tombstone:
    hold = stone.hold
    return Tombstone(hold.facet, hold.id, stone.credential, stone.at, stone.invocation, hold if stone.whole else None)


SPAN = 1 << 31
"""More than the versions of one state can be."""


def place_of(state_id: int, seq: int) -> int:
    """Where a version is in the table of versions: those of one state follow each other. A bound may have any `seq`."""
    return state_id * SPAN + min(seq, SPAN - 1)


STATE_COLUMNS = (
    "s.id, s.namespace, s.key, s.current, s.live, s.next_seq, s.versions, s.is_state, s.require_lock, "
    "s.highest_serial, s.parked, s.share_ssec"
)
STATE_WIDTH = 12
_UNSIGNED = 1 << 64


def state_of(row: Row) -> StateRecord:
    """From the columns STATE_COLUMNS."""
    return StateRecord(
        row[0],
        Address(row[1], row[2]),
        row[3],
        row[4] == 1,
        row[5],
        row[6],
        row[7] == 1,
        row[8] == 1,
        row[9] if row[9] >= 0 else row[9] + _UNSIGNED,
        row[10],
        row[11] == 1,
    )


def state_values(state: StateRecord) -> Row:
    """Everything but the address, the id last."""
    serial = state.highest_serial
    return (
        state.current,
        int(state.live),
        state.next_seq,
        state.versions,
        int(state.is_state),
        int(state.require_lock),
        serial if serial < _UNSIGNED >> 1 else serial - _UNSIGNED,
        state.parked,
        int(state.share_ssec),
        state.id,
    )


def bare(body: Body) -> Body:
    """As a record holds it: without packed bytes, what it is packed against, and all of the key but its id."""
    key = body.key
    if key is not None:
        return _replace(body, packed=b"", under=None, key=DataKey(key.id))
    return _replace(body, packed=b"", under=None) if body.packed or body.under is not None else body


def bare_version(version: Version) -> Version:
    body = version.body
    return version if body is None or not (body.packed or body.key) else _replace(version, body=bare(body))


def version_record(version: Version) -> bytes:
    return encode(bare_version(version))


def part_record(part: Part) -> bytes:
    """With its packed bytes."""
    body = part.body
    return encode(part if body.key is None else _replace(part, body=_replace(body, key=DataKey(body.key.id))))


def with_bytes(version: Version, packed: bytes | None) -> Version:
    return (
        version if version.body is None or not packed else _replace(version, body=_replace(version.body, packed=packed))
    )


def opened(version: Version, address: Address, kek: str | None, wrapped: bytes | None, packed: bytes | None) -> Version:
    """With what is needed to read its body."""
    body = version.body
    if body is None or body.key is None:
        return with_bytes(version, packed)
    key = DataKey(body.key.id, kek or "", wrapped or b"", place_of_body(address, version.nonce))
    return _replace(version, body=_replace(body, packed=packed or b"", key=key))


def parked_of(record: bytes, packed: bytes | None = None) -> Parked:
    parked = decode_parked(record)
    return _replace(parked, body=_replace(parked.body, packed=packed)) if packed else parked


def opened_parked(parked: Parked, kek: str, wrapped: bytes) -> Parked:
    assert parked.body.key is not None
    key = DataKey(parked.body.key.id, kek, wrapped, place_of_body(parked.address, parked.id))
    return _replace(parked, body=_replace(parked.body, key=key))


def opened_part(part: Part, upload_id: str, kek: str, wrapped: bytes) -> Part:
    assert part.body.key is not None
    key = DataKey(part.body.key.id, kek, wrapped, place_of_part(upload_id, part.number))
    return _replace(part, body=_replace(part.body, key=key))


def after_prefix(prefix: str) -> str | None:
    """The first text, in the order of UTF-8 bytes, after all texts that start with the prefix; None: there is none."""
    for place in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[place])
        if code < 0x10FFFF:
            # U+D800 … U+DFFF are no characters and have no UTF-8 form.
            return prefix[:place] + chr(0xE000 if code == 0xD7FF else code + 1)
    return None


def after_byte_prefix(prefix: bytes) -> bytes | None:
    """As `after_prefix`, for bytes."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None
