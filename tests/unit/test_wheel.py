"""Who installs Lockhouse gets its types: the wheel says that it has some (PEP 561), and a type checker takes them."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONSUMER = """
from lockhouse.core.addresses import Address, check_namespace
reveal_type((check_namespace("acme"), Address("acme", "key").words))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files in an environment of their own, which has nothing else."""
    made = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(made)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = made.glob("lockhouse-*.whl")
    venv.create(made / "environment", with_pip=False)
    (packages,) = (made / "environment" / "lib").glob("python*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    return packages


def checked(packages: Path, place: Path) -> str:
    """What mypy says of the two lines, in a directory that has only them."""
    place.mkdir()
    (place / "consumer.py").write_text(CONSUMER)
    python = packages.parents[2] / "bin" / "python"
    words = [
        "--python-executable",
        str(python),
        "--config-file",
        "",
        "--cache-dir",
        str(place / "cache"),
        "consumer.py",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words], cwd=place, capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout


def test_a_consumer_of_the_wheel_sees_the_types(installed: Path, tmp_path: Path):
    assert 'Revealed type is "tuple[str, str]"' in checked(installed, tmp_path / "with").replace("builtins.", "")
    (installed / "lockhouse" / "py.typed").unlink()
    assert "missing library stubs or py.typed marker" in checked(installed, tmp_path / "without")
