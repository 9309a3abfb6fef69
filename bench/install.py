"""Fetch the peers that are neither a dependency of the tests nor on the machine: ministack, and nginx on Debian.

They lie below the tools directory and touch nothing else. moto comes with the tests' requirements, dynalite with
`tests/e2e/toolchain`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.e2e.toolchain.clients import tools

from bench.servers import nginx_program

_REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_SECONDS = 300


def install_peers() -> int:
    """Both; the exit code says whether everything is there."""
    failed = 0
    for name, fetch in (("ministack", _ministack), ("nginx", _nginx)):
        try:
            print(f"{name}: {fetch()}", file=sys.stderr)
        except (OSError, subprocess.SubprocessError, LookupError) as problem:
            print(f"{name}: cannot install: {problem}", file=sys.stderr)
            failed = 1
    return failed


def _ministack() -> str:
    home = tools() / "bench-peers"
    if (home / "bin" / "ministack").exists():
        return "already there"
    venv.create(home, with_pip=True)
    command = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", _REQUIREMENTS]
    subprocess.run(command, check=True, timeout=_SECONDS)
    return "installed"


def _nginx() -> str:
    if nginx_program() is not None:
        return "already there"
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise LookupError("no Debian here; install nginx as this system does it")
    home = tools() / "bench-nginx"
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["apt-get", "download", "nginx"], cwd=scratch, check=True, capture_output=True, timeout=_SECONDS)
        (package,) = Path(scratch).glob("nginx_*.deb")
        subprocess.run(["dpkg-deb", "-x", package, home], check=True, timeout=_SECONDS)
    return "installed"
