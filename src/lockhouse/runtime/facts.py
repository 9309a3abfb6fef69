"""Facts of the large bodies that did not say them as they passed (`core.passing`), read by a short-lived child process.

Decoding a document of 100 MB needs all of it in one piece. A child process has it: it maps the blob where that is a
plain file (its pages belong to the page cache), and is told the bytes through a pipe where it is sealed or far away.
It prints the facts, so the server neither grows nor stalls. At most `CHILDREN` run at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec

import lockhouse
from lockhouse.core.blobs import BlobReader
from lockhouse.core.versions import Facts
from lockhouse.errors import StorageUnavailable
from lockhouse.sealing.bodies import Bodies, SealedReader

CHILDREN = 2
CHILD_SECONDS = 120.0
_PIECE_BYTES = 1024 * 1024
_ROOT = str(Path(lockhouse.__file__).parents[1])
_RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from lockhouse.runtime.facts_child import main; main()"
_CHILD = (sys.executable, "-I", "-c", _RUN, _ROOT)
"""The very package that asks, wherever it was imported from."""


class FactsReader:
    """Reads the facts of a blob."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._gate = asyncio.Semaphore(CHILDREN)

    async def of_blob(self, name: str, secret: bytes) -> Facts | None:
        """The facts of a blob that was just finished, or None when its bytes are not a state. Errors:
        `storage.unavailable`."""
        path = self._bodies.blobs.local_path(name) if not secret else None
        async with self._gate:
            if path is not None:
                return await _answer(await _start(asyncio.subprocess.DEVNULL, path))
            reader = await asyncio.to_thread(self._bodies.open_new, name, secret)
            try:
                return await _tell_and_ask(reader)
            finally:
                reader.close()


async def _tell_and_ask(reader: BlobReader) -> Facts | None:
    readable, writable = os.pipe()
    try:
        child = await _start(readable, "-", str(reader.size))
    except BaseException:
        os.close(writable)
        raise
    finally:
        os.close(readable)  # the child has its own: when it ends, the thread's next write fails
    feeding = asyncio.create_task(asyncio.to_thread(_feed, reader, writable))
    try:
        found = await _answer(child)
    finally:
        await asyncio.wait([feeding])
    feeding.result()
    return found


def _feed(reader: BlobReader, writable: int) -> None:
    try:
        if isinstance(reader, SealedReader):
            reader.pour(lambda piece: _write_all(writable, piece))
            return
        for offset in range(0, reader.size, _PIECE_BYTES):
            _write_all(writable, memoryview(reader.read(offset, _PIECE_BYTES)))
    except BrokenPipeError:
        pass  # the child has ended, and says why itself
    finally:
        os.close(writable)


def _write_all(file: int, rest: memoryview) -> None:
    while rest:
        rest = rest[os.write(file, rest) :]


async def _start(stdin: int, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *_CHILD, *arguments, stdin=stdin, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )


async def _answer(child: asyncio.subprocess.Process) -> Facts | None:
    try:
        out, _ = await asyncio.wait_for(child.communicate(), CHILD_SECONDS)
    except TimeoutError:
        child.kill()
        await child.wait()
        raise StorageUnavailable("cannot read the facts of a large body in time", hint="try again") from None
    except BaseException:
        child.kill()
        raise
    if child.returncode != 0:
        raise StorageUnavailable("cannot read the facts of a large body", hint="try again")
    return msgspec.json.decode(out, type=Facts | None)
