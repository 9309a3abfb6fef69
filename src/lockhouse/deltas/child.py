"""The child process that packs and unpacks: it has the bodies in memory so that the server does not.

Standard input: jobs, one after the other, until it ends. A job is a line of JSON and then the stored bytes of its
layers. Standard output: for each job a line of JSON, `{"ok": N}` followed by N bytes, or `{"error": TEXT}`. Nothing
is answered before all of a job was read and its digests were right.

    {"do": "unpack", "target": CHAIN, "from": N, "to": N}     the plain bytes, or a range of them
    {"do": "check", "target": CHAIN}                          nothing: whether it can be unpacked
    {"do": "pack", "target": CHAIN, "base": CHAIN or null}    the frame of the target against the base, or alone

    CHAIN = {"layers": [{"kind": "plain" or "frame", "stored": N, "size": N}, …], "sha256": HEX}

The first layer stands alone; each other layer is a zstd frame with the plain bytes of the one before it as a raw
dictionary. It imports nothing of Lockhouse, so that it starts fast and runs wherever this file is.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import Any, BinaryIO

import zstandard

MAX_WINDOW = 1 << 27
WHOLE_LEVEL = 1
DELTA_LEVEL = 1


class Refused(Exception):
    """A job that cannot be done; the text says why, and never has content."""


def encode(raw: bytes, base: bytes | None) -> bytes:
    """One zstd frame with size and checksum. With a base: as what is different from it.

    The tables must be large enough for the whole base: with the default ones zstd finds next to nothing of it. Measured
    in bench/history.py: the fast strategy finds as much as the slow ones, and one slot for every five bytes is enough.
    """
    if base is None:
        parameters = zstandard.ZstdCompressionParameters.from_level(
            WHOLE_LEVEL, source_size=len(raw), write_checksum=1, write_content_size=1
        )
        return zstandard.ZstdCompressor(compression_params=parameters).compress(raw)
    window = min(27, max(10, (len(raw) + len(base)).bit_length()))
    parameters = zstandard.ZstdCompressionParameters.from_level(
        DELTA_LEVEL,
        source_size=len(raw),
        dict_size=len(base),
        window_log=window,
        hash_log=max(10, window - 3),
        write_checksum=1,
        write_content_size=1,
    )
    return zstandard.ZstdCompressor(dict_data=_dictionary(base), compression_params=parameters).compress(raw)


def decode(frame: bytes, size: int, base: bytes | None) -> bytes:
    """The content of a frame, of exactly `size` bytes, or Refused."""
    dictionary = None if base is None else _dictionary(base)
    try:
        unpacker = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=MAX_WINDOW)
        raw: bytes = unpacker.decompress(frame, max_output_size=size or 1)
    except (zstandard.ZstdError, MemoryError):
        raise Refused("a frame is damaged") from None
    if len(raw) != size:
        raise Refused("a frame has another size than it should")
    return raw


def _dictionary(base: bytes) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def unchain(layers: list[tuple[str, int, bytes]], sha256: bytes) -> bytes:
    """The plain bytes of a chain of (kind, size, stored bytes), or Refused."""
    raw: bytes | None = None
    for kind, size, stored in layers:
        raw = stored if kind == "plain" and raw is None else decode(stored, size, raw)
        if len(raw) != size:
            raise Refused("a body has another size than it should")
    if raw is None or hashlib.sha256(raw).digest() != sha256:
        raise Refused("the bytes are not those that were written")
    return raw


def pack(raw: bytes, base: bytes | None) -> bytes:
    """A frame that was read back and found right."""
    frame = encode(raw, base)
    if decode(frame, len(raw), base) != raw:
        raise Refused("what was packed does not come back")
    return frame


def _do(job: dict[str, Any], source: BinaryIO) -> memoryview:
    chains = [_read(job[name], source) for name in ("target", "base") if job.get(name) is not None]
    target = unchain(*chains[0])
    match job["do"]:
        case "unpack":
            return memoryview(target)[job["from"] : job["to"]]
        case "check":
            return memoryview(b"")
        case _:
            chains[0] = ([], b"")
            return memoryview(pack(target, unchain(*chains[1]) if len(chains) > 1 else None))


def _read(chain: dict[str, Any], source: BinaryIO) -> tuple[list[tuple[str, int, bytes]], bytes]:
    layers = []
    for layer in chain["layers"]:
        stored = source.read(layer["stored"])
        if len(stored) != layer["stored"]:
            sys.exit("a job was cut off")
        layers.append((str(layer["kind"]), int(layer["size"]), stored))
    return layers, bytes.fromhex(chain["sha256"])


def main() -> None:
    if "--low" in sys.argv:
        os.nice(19)
    source, answer = sys.stdin.buffer, sys.stdout.buffer
    while line := source.readline():
        try:
            given = _do(json.loads(line), source)
        except Refused as refused:
            answer.write(json.dumps({"error": str(refused)}).encode() + b"\n")
        else:
            answer.write(b'{"ok": %d}\n' % len(given))
            answer.write(given)
        answer.flush()


if __name__ == "__main__":
    main()
