"""Programs under test as child processes: started, watched line by line, waited for with a limit, and always ended.

Nothing here knows what the program is. Every wait has a limit in seconds and fails with what the program has said so
far. Output is collected by threads, so a full pipe never blocks a program.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True)
class Outcome:
    """What a finished program left: its exit code and both outputs."""

    command: str
    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Everything it said, with Terraform's box drawing taken off and white space folded: wording without layout."""
        return re.sub(r"\s+", " ", re.sub(r"[│╷╵|]", " ", self.stdout + "\n" + self.stderr)).strip()

    def ok(self) -> Outcome:
        """Itself, if the exit code is 0."""
        assert self.code == 0, self.report()
        return self

    def report(self) -> str:
        return f"`{self.command}` answered {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


class Child:
    """One running program."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        directory: Path,
        log: Path | None = None,
    ) -> None:
        """Start it. With `log`, what it says is kept in that file too."""
        self.title = " ".join(Path(str(part)).name if index == 0 else str(part) for index, part in enumerate(command))
        self._said: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._news = threading.Condition()
        self._log = log.open("a", encoding="utf-8") if log else None
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd=directory,
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._collect, args=(name, pipe), daemon=True)
            for name, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        """What it has said until now, on both outputs."""
        with self._news:
            return self._text("stdout") + self._text("stderr")

    def wait_for(self, pattern: str, *, seconds: float) -> re.Match[str]:
        """The first match of a regular expression in either output."""
        found: re.Match[str] | None = None

        def heard() -> bool:
            nonlocal found
            found = re.search(pattern, self._text("stdout")) or re.search(pattern, self._text("stderr"))
            return found is not None or not any(reader.is_alive() for reader in self._readers)

        with self._news:
            self._news.wait_for(heard, timeout=seconds)
        if found is None:
            raise AssertionError(f"`{self.title}` did not say {pattern!r} in {seconds} s; it said:\n{self.said()}")
        return found

    def answer(self, line: str) -> None:
        """Type a line on its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def wait(self, *, seconds: float) -> Outcome:
        """Wait until it ends by itself."""
        try:
            code = self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"`{self.title}` did not end in {seconds} s; it said:\n{self.said()}") from None
        for reader in self._readers:
            reader.join(timeout=5)
        self._close()
        return Outcome(self.title, code, self._text("stdout"), self._text("stderr"))

    def signal(self, number: signal.Signals) -> None:
        """Send one signal to the program alone."""
        self._process.send_signal(number)

    def end(self) -> None:
        """Make sure that it and what it started are gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=10)
        for reader in self._readers:
            reader.join(timeout=5)
        self._close()

    def _close(self) -> None:
        if self._process.stdin and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        if self._log and not self._log.closed:
            self._log.close()

    def _text(self, name: str) -> str:
        return "".join(self._said[name])

    def _collect(self, name: str, pipe: IO[bytes] | None) -> None:
        assert pipe is not None
        descriptor = pipe.fileno()
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with pipe:
            while piece := os.read(descriptor, 65536):
                text = decoder.decode(piece)
                with self._news:
                    self._said[name].append(text)
                    if self._log and not self._log.closed:
                        self._log.write(text)
                        self._log.flush()
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()
