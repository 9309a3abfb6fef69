"""The outputs of a state: read one by one, and a state document with nothing but them.

For principals that may read outputs only, a state is replaced by a document that is a valid state for every client
(`terraform_remote_state` reads it like any other) with the same serial and lineage, its outputs, and no resources.
Source: Terraform state format version 4 (`outputs`: value, type, sensitive).
"""

from __future__ import annotations

import msgspec


class Output(msgspec.Struct, frozen=True):
    """One root output; value and type are JSON as written."""

    value: msgspec.Raw = msgspec.Raw(b"null")
    type: msgspec.Raw = msgspec.Raw(b'"dynamic"')
    sensitive: bool = False


class _State(msgspec.Struct, frozen=True):
    version: int
    terraform_version: str = ""
    serial: int = 0
    lineage: str = ""
    outputs: dict[str, Output] | None = None


class _OutputsOnly(msgspec.Struct, frozen=True):
    version: int
    terraform_version: str
    serial: int
    lineage: str
    outputs: msgspec.Raw
    resources: tuple[()] = ()
    check_results: None = None


class _RawState(msgspec.Struct, frozen=True):
    version: int
    terraform_version: str = ""
    serial: int = 0
    lineage: str = ""
    outputs: msgspec.Raw = msgspec.Raw(b"{}")


_decode = msgspec.json.Decoder(_State).decode
_decode_raw = msgspec.json.Decoder(_RawState).decode


def read_outputs(body: bytes) -> dict[str, Output] | None:
    """The outputs by name, or None when the body does not show them (encrypted, or no state)."""
    try:
        return _decode(body).outputs or {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def outputs_only(body: bytes) -> bytes | None:
    """The document described above, the same bytes for the same state; None when the outputs cannot be read."""
    try:
        state = _decode_raw(body)
        if read_outputs(body) is None:
            return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    outputs = state.outputs if bytes(state.outputs) != b"null" else msgspec.Raw(b"{}")
    found = _OutputsOnly(state.version, state.terraform_version, state.serial, state.lineage, outputs)
    return msgspec.json.encode(found) + b"\n"
