"""The hashed requirements hold all that every supported Python asks for, not only the one they were resolved with."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REQUIREMENTS = Path(__file__).parents[3] / "requirements"
PYTHONS = ("3.11.0", "3.11.2", "3.12.0", "3.13.0", "3.14.0")
"""3.11.2 is that of Debian 12."""
PLATFORMS = (("linux", "Linux", "posix"), ("darwin", "Darwin", "posix"))


@pytest.mark.parametrize("name", ["runtime", "otel", "dev", "build"])
def test_requirements_are_complete_for_every_python(name: str) -> None:
    """`pip install --require-hashes` refuses whatever is needed and not listed."""
    listed = {
        canonicalize_name(found[1])
        for found in re.finditer(r"^([A-Za-z0-9._-]+)==", (REQUIREMENTS / f"{name}.txt").read_text(), re.MULTILINE)
    }
    assert len(listed) > (3 if name == "build" else 20)
    missing = {
        f"{needed.name} for {each} on Python {python}, {platform[0]}"
        for each in listed
        for needed in map(Requirement, metadata.requires(each) or ())
        for python in PYTHONS
        for platform in PLATFORMS
        if canonicalize_name(needed.name) not in listed and _applies(needed, python, platform)
    }
    assert not missing


def test_nothing_is_built_with_what_has_no_hash() -> None:
    """Without `--no-build-isolation` pip fetches what builds the package by itself, in whatever version there is."""
    top = REQUIREMENTS.parent
    for file in (top / "Makefile", top / "infrastructure" / "Dockerfile"):
        for line in file.read_text().splitlines():
            if re.search(r"\bpip (install|wheel)\b", line):
                hashed = "--require-hashes" in line or re.search(r"--no-deps \S+\.whl", line)
                assert hashed or ("--no-build-isolation" in line and "--no-deps" in line), line


def _applies(needed: Requirement, python: str, platform: tuple[str, str, str]) -> bool:
    """Whether it is needed there without any extra."""
    return needed.marker is None or needed.marker.evaluate(
        {
            "python_full_version": python,
            "python_version": ".".join(python.split(".")[:2]),
            "sys_platform": platform[0],
            "platform_system": platform[1],
            "os_name": platform[2],
            "extra": "",
        }
    )
