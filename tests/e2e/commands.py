"""Many runs of the `lockhouse` command in little time: a process that has read its modules forks one for each run.

A start of the program costs half a second of CPU, nearly all of it for modules and the tree of commands. Each run here is a process of
its own all the same, from `lockhouse.cli.main.main` on: with its own arguments, environment, directory, standard
streams (files, so that what any library writes to them is seen) and exit code.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.e2e.clouds import client_environment, lockhouse_program
from tests.e2e.processes import Outcome
from tests.e2e.toolchain.clients import REPOSITORY


class Commands:
    """What a person types, one command after the other."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count(1)
        # With every warning that Python knows: whatever a command says for people, it says it on standard error.
        self._parent = subprocess.Popen(
            [sys.executable, "-W", "always", "-m", "tests.e2e.commands"],
            cwd=REPOSITORY,
            env=client_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer("ready")

    def run(self, *arguments: str, environment: Mapping[str, str], typed: str = "") -> Outcome:
        """Run `lockhouse ARGUMENTS` to its end."""
        streams = [self._directory / f"{next(self._numbers)}.{name}" for name in ("in", "out", "err")]
        streams[0].write_text(typed, encoding="utf-8")
        job = {
            "arguments": [str(lockhouse_program()), *arguments],
            "environment": client_environment() | {"HOME": str(self._directory)} | dict(environment),
            "directory": str(self._directory),
            "streams": [str(each) for each in streams],
        }
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(job) + "\n")
        self._parent.stdin.flush()
        code = int(self._answer())
        said = [each.read_text(encoding="utf-8") for each in streams[1:]]
        return Outcome(f"lockhouse {' '.join(arguments)}", code, *said)

    def close(self) -> None:
        self._parent.communicate(timeout=60)

    def _answer(self, wanted: str = "") -> str:
        assert self._parent.stdout is not None
        line = self._parent.stdout.readline().strip()
        assert line and wanted in (line, ""), f"the process that runs commands said {line!r}"
        return line


@contextlib.contextmanager
def many_commands(directory: Path) -> Iterator[Commands]:
    """Commands that are run in this directory, which is their home, too."""
    made = Commands(directory)
    try:
        yield made
    finally:
        made.close()


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

    for descriptor, (path, flags) in enumerate(
        zip(job["streams"], (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT] * 2), strict=True)
    ):
        os.dup2(os.open(path, flags, 0o600), descriptor)
    sys.stdin = io.TextIOWrapper(io.FileIO(0), encoding="utf-8")
    os.environ.clear()
    os.environ.update(job["environment"])
    os.chdir(job["directory"])
    sys.argv = job["arguments"]
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
