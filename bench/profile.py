"""Where Lockhouse spends its time during a measurement: py-spy samples it from outside, one file per line of work."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.servers import OURS, Missing, Server

_SAMPLES_PER_SECOND = "500"


class Profiler:
    """Writes `results/profile-….txt`: folded stacks with their sample counts."""

    def __init__(self, servers: list[Server], results: Path) -> None:
        beside = Path(sys.executable).with_name("py-spy")
        found = str(beside) if beside.exists() else shutil.which("py-spy")
        if found is None:
            raise Missing("install py-spy (`pip install py-spy`) to profile")
        self._program = found
        self._results = results
        self._pids = {server.name: server.pid for server in servers}
        results.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def watching(self, server: Server, name: str) -> Iterator[None]:
        """Sample while the block runs, if the server is ours."""
        if server.name != OURS:
            yield
            return
        file = self._results / f"profile-{re.sub(r'[^a-z0-9]+', '-', name.lower())}.txt"
        command = [self._program, "record", "--format", "raw", "--threads", "--native"]
        command += ["--rate", _SAMPLES_PER_SECOND, "--output", str(file), "--pid", str(server.pid)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as watcher:
            try:
                yield
            finally:
                watcher.send_signal(signal.SIGINT)
                watcher.wait(timeout=60)
