"""Facts of large bodies, read by a short-lived child process that maps the file.

Decoding a document of 100 MB needs all of it in one piece. A child process maps the blob (its pages belong to the page
cache) and prints the facts, so the server neither grows nor stalls. At most `CHILDREN` run at once.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from lockhouse.core.bodies import read_facts
from lockhouse.core.ports import Blobs
from lockhouse.core.versions import Facts
from lockhouse.errors import StorageUnavailable

CHILDREN = 2
CHILD_SECONDS = 120.0


class FactsReader:
    """Reads the facts of a blob."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._gate = asyncio.Semaphore(CHILDREN)

    async def of_blob(self, name: str) -> Facts | None:
        """The facts of the blob's bytes, or None when they are not a state. Errors: `storage.unavailable`."""
        path = self._blobs.local_path(name)
        if path is None:
            return await asyncio.to_thread(self._in_memory, name)
        async with self._gate:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-m",
                "lockhouse.runtime.facts_child",
                path,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
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

    def _in_memory(self, name: str) -> Facts | None:
        reader = self._blobs.open(name)
        try:
            return read_facts(reader.read(0, reader.size))
        finally:
            reader.close()
