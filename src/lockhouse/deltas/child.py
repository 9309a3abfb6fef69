"""The child process that packs and unpacks: it has the bodies in memory so that the server does not.

Standard input: jobs, one after the other, until it ends. A job is a line of words and then the stored bytes of the
layers that it names, in that order. Standard output: for each job a line, `ok N` followed by N bytes, or `error` and a
text. Nothing is answered before all of a job was read and its digests were right.

    unpack FROM TO CHAIN      the plain bytes from one place to another
    check CHAIN               nothing: whether it can be unpacked
    pack CHAIN [CHAIN]        the frame of the first against the second, or alone

    CHAIN = SHA256 COUNT, then COUNT times KIND STORED SIZE: the digest in hex; `plain` or `frame`, bytes stored, bytes
            of the plain content

The first layer stands alone; each other layer is a zstd frame with the plain bytes of the one before it as a raw
dictionary. It imports nothing of Lockhouse, so that it starts fast and runs wherever this file is.
"""

from __future__ import annotations

import hashlib
import os
import sys

import zstandard

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing it takes a good part of the time in which this program starts
    from typing import BinaryIO

MAX_WINDOW = 1 << 27
WHOLE_LEVEL = 1
DELTA_LEVEL = 1
LARGE_LEVEL = 5
LARGE_BYTES = 16_000_000
"""The fast strategy looks at no more than the last 16 MiB of a dictionary; the next one at all of it."""


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
        DELTA_LEVEL if len(base) <= LARGE_BYTES else LARGE_LEVEL,
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


def _do(words: list[str], source: BinaryIO) -> memoryview:
    act = words.pop(0)
    start, stop = (int(words.pop(0)), int(words.pop(0))) if act == "unpack" else (0, 0)
    chains = []
    while words:
        chains.append(_read(words, source))
    target = unchain(*chains[0])
    if act != "pack":
        return memoryview(target)[start:stop]
    chains[0] = ([], b"")
    return memoryview(pack(target, unchain(*chains[1]) if len(chains) > 1 else None))


def _read(words: list[str], source: BinaryIO) -> tuple[list[tuple[str, int, bytes]], bytes]:
    """One chain, taken from the words and from the source."""
    sha256, count = bytes.fromhex(words.pop(0)), int(words.pop(0))
    layers = []
    for _ in range(count):
        kind, size, plain = words.pop(0), int(words.pop(0)), int(words.pop(0))
        stored = source.read(size)
        if len(stored) != size:
            sys.exit("a job was cut off")
        layers.append((kind, plain, stored))
    return layers, sha256


def main() -> None:
    if "--low" in sys.argv:
        os.nice(19)
    source, answer = sys.stdin.buffer, sys.stdout.buffer
    while line := source.readline():
        try:
            given = _do(line.decode().split(), source)
        except Refused as refused:
            answer.write(f"error {refused}\n".encode())
        else:
            answer.write(b"ok %d\n" % len(given))
            answer.write(given)
        answer.flush()


if __name__ == "__main__":
    main()
