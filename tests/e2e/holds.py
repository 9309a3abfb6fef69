"""Stop a real client at a known point, and let it go on: no test waits by the clock.

`Hold` stops Terraform 1.4 and newer inside an apply, through the provisioner of a built-in resource. `Gate` stops every
version inside the reading of its data sources, by answering an HTTP state only when told to. At both points the client
holds its lock and has read its state.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.processes import Child

_NOTHING_HAPPENED_SECONDS = 60


class EndedBefore(AssertionError):
    """The client ended before it came to the point."""


def _wait(arrived: Callable[[float], bool], client: Child, point: str) -> None:
    """`arrived` is asked with the seconds for which it may wait."""
    deadline = time.monotonic() + _NOTHING_HAPPENED_SECONDS
    while not arrived(0.1):
        if not client.running and not arrived(0.0):
            raise EndedBefore(f"it ended before it came to {point}:\n{client.said()}")
        if time.monotonic() > deadline:
            raise AssertionError(
                f"nobody came to {point} in {_NOTHING_HAPPENED_SECONDS} s; it said so far:\n{client.said()}"
            )


class Hold:
    """Two pipes with names: the client writes to one when it arrives, and reads from the other until released."""

    def __init__(self, directory: Path, name: str) -> None:
        """Make the pipes. Both ends stay open here, so neither side can miss the other."""
        self._arrived = directory / f"{name}.arrived"
        self._release = directory / f"{name}.release"
        os.mkfifo(self._arrived)
        os.mkfifo(self._release)
        self._arrived_end = os.open(self._arrived, os.O_RDWR)
        self._release_end = os.open(self._release, os.O_RDWR)

    @property
    def command(self) -> str:
        """The shell command that arrives and waits."""
        return f"echo arrived > '{self._arrived}' && read line < '{self._release}'"

    def wait(self, client: Child) -> None:
        """Wait until the client is there. Errors: `EndedBefore`."""
        _wait(lambda seconds: bool(select.select([self._arrived_end], [], [], seconds)[0]), client, self._arrived.name)
        os.read(self._arrived_end, 4096)

    def release(self) -> None:
        """Let one waiting client go on."""
        os.write(self._release_end, b"go\n")

    def close(self) -> None:
        """Let whoever still waits see the end of the pipe."""
        os.close(self._arrived_end)
        os.close(self._release_end)


class Gate:
    """An HTTP server with an empty state behind `terraform_remote_state`, answered when opened."""

    def __init__(self) -> None:
        """Listen on a free port."""
        gate = self
        self._arrived = threading.Event()
        self._opened = threading.Event()

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gate._arrived.set()
                gate._opened.wait(_NOTHING_HAPPENED_SECONDS)
                body = b'{"version":4,"terraform_version":"0.12.0","serial":1,"lineage":"gate","outputs":{},"resources":[]}'
                with contextlib.suppress(ConnectionError):  # a client that was killed at the gate
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def hcl(self) -> str:
        """A data source that waits at the gate."""
        address = f"http://127.0.0.1:{self._server.server_address[1]}/gate"
        return (
            'data "terraform_remote_state" "gate" {\n  backend = "http"\n'
            f'  config = {{\n    address = "{address}"\n  }}\n}}\n'
        )

    def wait(self, client: Child) -> None:
        """Wait until the client is there. Errors: `EndedBefore`."""
        _wait(self._arrived.wait, client, "the gate")

    def open(self) -> None:
        """Answer all, now and later."""
        self._opened.set()

    def close(self) -> None:
        """Answer and stop listening."""
        self._opened.set()
        self._server.shutdown()
        self._server.server_close()
