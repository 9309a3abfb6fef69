"""What differs between two bodies of a state: which resource instances and outputs are in one and not in the other, or
are not the same in both. Names only: values may be secrets, and whoever wants those reads the bodies.

Source: Terraform state format version 4: `resources[]` and `outputs`; addresses as `terraform state list` prints them.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lockhouse.core.resources import address


class Differences(msgspec.Struct, frozen=True):
    """Addresses (`aws_vpc.main[0]`) and outputs (`output.url`), each in the order of its body."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


class _Resource(msgspec.Struct):
    type: str = ""
    name: str = ""
    mode: str = "managed"
    module: str = ""
    instances: list[msgspec.Raw] = []


class _Key(msgspec.Struct):
    index_key: int | float | str | None = None
    deposed: str = ""


class _State(msgspec.Struct):
    version: int
    resources: list[_Resource] | None = None
    outputs: dict[str, msgspec.Raw] | None = None
    encrypted_data: msgspec.Raw | None = None


_decode = msgspec.json.Decoder(_State).decode
_decode_key = msgspec.json.Decoder(_Key).decode


def compare(old: bytes, new: bytes) -> Differences | None:
    """From the old body to the new one; empty bytes are no state at all. None when one of them is not such a state, or
    is encrypted."""
    try:
        before, after = _parts(old), _parts(new)
        return Differences(
            added=tuple(name for name in after if name not in before),
            removed=tuple(name for name in before if name not in after),
            changed=tuple(name for name in after if name in before and _differ(before[name], after[name])),
        )
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _parts(body: bytes) -> Mapping[str, msgspec.Raw]:
    if not body:
        return {}
    state = _decode(body)
    if state.encrypted_data is not None:
        raise msgspec.ValidationError("it is encrypted")
    found: dict[str, msgspec.Raw] = {}
    for resource in state.resources or []:
        for instance in resource.instances:
            key = _decode_key(instance)
            place = address(resource.module, resource.mode, resource.type, resource.name, key.index_key)
            found[f"{place} (deposed {key.deposed})" if key.deposed else place] = instance
    return found | {f"output.{name}": value for name, value in (state.outputs or {}).items()}


def _differ(old: msgspec.Raw, new: msgspec.Raw) -> bool:
    """As JSON: how they are written does not count."""
    return bytes(old) != bytes(new) and msgspec.json.decode(old) != msgspec.json.decode(new)
