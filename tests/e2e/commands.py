"""Many runs of the `lockhouse` command in little time: a process that has read its modules forks one for each run.

A start of the program costs half a second of CPU, nearly all of it for modules and the tree of commands. Each run here
is a process of its own all the same, from `lockhouse.cli.main.main` on: with its own arguments, environment, directory,
standard streams (files, so that what any library writes to them is seen) and exit code.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.processes import Outcome
from tests.e2e.toolchain.clients import REPOSITORY

_STREAMS = ("in", "out", "err")


class _Parent:
    """The process that forks. It says everything that Python has warnings for, on standard error."""

    def __init__(self, program: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [str(program.parent / "python"), "-W", "always", "-m", "tests.e2e.commands"],
            cwd=REPOSITORY,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def run(self, job: dict[str, object]) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return int(self._answer())

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class Commands:
    """What people type, also several at a time."""

    def __init__(self) -> None:
        self._idle: list[_Parent] = []
        self._lock = threading.Lock()
        atexit.register(self.close)

    def run(
        self, program: Path, *arguments: str, environment: Mapping[str, str], directory: Path, typed: str = ""
    ) -> Outcome:
        """Run `PROGRAM ARGUMENTS` to its end."""
        with tempfile.TemporaryDirectory(prefix="lockhouse-command-") as place:
            streams = [Path(place) / name for name in _STREAMS]
            streams[0].write_text(typed, encoding="utf-8")
            job = {
                "arguments": [str(program), *arguments],
                "environment": dict(environment),
                "directory": str(directory),
                "streams": [str(each) for each in streams],
            }
            with self._lock:
                parent = self._idle.pop() if self._idle else None
            parent = parent or _Parent(program, environment)
            try:
                code = parent.run(job)
            except BaseException:
                parent.end()
                raise
            with self._lock:
                self._idle.append(parent)
            said = [each.read_text(encoding="utf-8") for each in streams[1:]]
        return Outcome(f"lockhouse {' '.join(arguments)}", code, *said)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().end()


COMMANDS = Commands()
"""For all tests of this process."""


def _serve() -> None:
    import typer  # noqa: PLC0415 - what every run needs, and the tests that start this process do not

    from lockhouse.cli.tree import app, run  # noqa: PLC0415 - as above

    tree = typer.main.get_command(app)
    typer.main.get_command = lambda _: tree  # the library would make it anew for each run
    sys.argv[1:] = ["status", "--endpoint", "http://127.0.0.1:1", "--token", "none"]
    with contextlib.redirect_stderr(io.StringIO()):  # once in vain: then the modules that come late are there, too
        run()
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_become(json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(job: dict) -> int:
    """Be the program; its exit code."""
    from lockhouse.cli.main import main  # noqa: PLC0415 - it is there

    flags = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
    for descriptor, path in enumerate(job["streams"]):
        os.dup2(os.open(path, flags[descriptor], 0o600), descriptor)
    sys.stdin = io.TextIOWrapper(io.FileIO(0), encoding="utf-8")
    os.environ.clear()
    os.environ.update(job["environment"])
    os.chdir(job["directory"])
    sys.argv = job["arguments"]
    sys.modules["__main__"].__package__ = None  # what the library takes the program's name from
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as the interpreter does at its end
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    _serve()
