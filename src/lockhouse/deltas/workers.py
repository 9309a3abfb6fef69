"""Speaking with the child that packs and unpacks. Its methods block: they are for worker threads.

A worker is started when it is first asked, and ended when it is closed; one that fails is ended and says so. What goes
through its pipes is plain bytes, so no key ever leaves this process.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from lockhouse.deltas import child
from lockhouse.errors import FROM_A_BACKUP, StorageUnavailable

PIECE_BYTES = 1024 * 1024
_PROGRAM = str(Path(child.__file__).resolve())


class Layer(msgspec.Struct, frozen=True):
    """Stored bytes of one step, read in pieces when they are needed."""

    kind: str
    """`plain` bytes (only the first), or a zstd `frame`."""
    size: int
    """Of the plain bytes."""
    stored: int
    """Bytes that `pieces` gives."""
    pieces: Callable[[], Iterator[bytes]]


class Chain(msgspec.Struct, frozen=True):
    """A body from a whole one down to itself."""

    layers: Sequence[Layer]
    sha256: bytes

    @property
    def size(self) -> int:
        return self.layers[-1].size

    @property
    def largest(self) -> int:
        return max(layer.size for layer in self.layers)

    def unpack_here(self) -> bytes:
        """In this process: for small ones. Errors: `storage.unavailable`."""
        layers = [(layer.kind, layer.size, b"".join(layer.pieces())) for layer in self.layers]
        try:
            return child.unchain(layers, self.sha256)
        except child.Refused as refused:
            raise damaged(str(refused)) from None


class Worker:
    """One child process. Not for two threads at once."""

    def __init__(self, *, low: bool = False) -> None:
        """`low`: it yields to everybody else on the machine."""
        self._low = low
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    def unpack(self, target: Chain, start: int, stop: int) -> tuple[int, IO[bytes]]:
        """(how many bytes, where to read them). Errors: `storage.unavailable`, before any byte."""
        return self._ask(f"unpack {start} {stop}", target, None)

    def check(self, target: Chain) -> None:
        """Errors: `storage.unavailable` when the body cannot be unpacked, or is not the one that was written."""
        self._ask("check", target, None)

    def pack(self, target: Chain, base: Chain | None) -> bytes:
        """The target's frame, verified. Errors: `storage.unavailable`."""
        size, source = self._ask("pack", target, base)
        frame = source.read(size)
        if len(frame) != size:
            raise self._failed()
        return frame

    def end(self) -> None:
        """Stop the child, whatever it is doing; what waits for it fails. From any thread; `close` it afterwards."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the child and forget it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        process.wait()

    def _ask(self, job: str, target: Chain, base: Chain | None) -> tuple[int, IO[bytes]]:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        chains = [target] if base is None else [target, base]
        words = " ".join([job, *(_described(chain) for chain in chains)])
        try:
            process.stdin.write(f"{words}\n".encode())
            for layer in (layer for chain in chains for layer in chain.layers):
                _feed(layer, process.stdin)
            process.stdin.flush()
            answer, _, rest = process.stdout.readline().decode(errors="replace").strip().partition(" ")
        except BrokenPipeError:
            answer, rest = "", ""
        except BaseException:
            self.close()  # in the middle of a job: it must not take the next one for the rest of this
            raise
        if answer == "ok":
            return int(rest), process.stdout
        if answer == "error":
            raise damaged(rest)
        raise self._failed()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", _PROGRAM, *(["--low"] if self._low else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=PIECE_BYTES,
            )
        return self._process

    def _failed(self) -> StorageUnavailable:
        self.close()
        return StorageUnavailable("cannot unpack a version: the process for it has failed", hint="try again")


def damaged(why: str) -> StorageUnavailable:
    return StorageUnavailable(f"cannot read a version: {why}", hint=FROM_A_BACKUP)


def _described(chain: Chain) -> str:
    layers = [f"{layer.kind} {layer.stored} {layer.size}" for layer in chain.layers]
    return " ".join([chain.sha256.hex(), str(len(layers)), *layers])


def _feed(layer: Layer, pipe: IO[bytes]) -> None:
    left = layer.stored
    for piece in layer.pieces():
        left -= len(piece)
        if left < 0:
            break
        pipe.write(piece)
    if left:
        raise damaged("its stored bytes have another length than they should")
