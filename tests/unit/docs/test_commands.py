"""Each command that a page tells to type is one that the program takes, with these options and arguments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.tree import help_of, mentions, misnamed, names, refused

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
WRITTEN = [*PAGES, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("[rd]e*/*.md"))]
_INLINE = re.compile(r"`lockhouse ([^`]+)`")
_FENCE = re.compile(r"^ *```sh\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_CALL = re.compile(r"(?:^|\$\(|&& |(?<!-t)[\s/])lockhouse ((?:[^|&>)#\n\"']|\"[^\"]*\"|'[^']*')+)")
_EXAMPLE = re.compile(r"Example: lockhouse (.*?)(?=\n\n|Example:)", re.DOTALL)


def calls(text: str) -> Iterator[str]:
    for fence in _FENCE.finditer(text):
        yield from (found[1].strip() for found in _CALL.finditer(fence[1].replace("\\\n", " ")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_are_taken(page: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOCKHOUSE_DATABASE_URL", "postgresql://db/lockhouse")  # as the pages that leave it out do
    assert {call: why for call in calls(page.read_text()) if (why := refused(shlex.split(call)))} == {}


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.stem)
def test_the_commands_in_the_sentences_of_a_page_are_there(page: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOCKHOUSE_DATABASE_URL", "postgresql://db/lockhouse")
    found = [" ".join(call.split()) for call in _INLINE.findall(re.sub(r"(?ms)^ *```.*?^ *```", "", page.read_text()))]
    named = [each for call in found for each in mentions(f"lockhouse {call}")]
    assert len(named) >= len(found) - 1  # `lockhouse …` and `lockhouse --version` name none
    assert {call: why for call in named if (why := misnamed(call, whole=False))} == {}


def test_the_examples_of_the_help_are_taken():
    found = [
        re.split(r" >>? | < ", " ".join(example.split()))[0]
        for name in names()
        for example in _EXAMPLE.findall(help_of(name) + "\n\n")
    ]
    assert [name for name in names() if "Example: " not in help_of(name)] == []
    assert {call: why for call in found if (why := refused(shlex.split(call)))} == {}


def test_a_wrong_option_would_be_noticed():
    assert "lockhouse" not in refused(["state", "list", "acme"])
    assert refused(["state", "list", "acme", "--no-such-option"])
    assert refused(["token", "create", "ci"])
    assert misnamed("state lst", whole=False)
    assert misnamed("lock release --stail", whole=False)
    assert list(calls('```sh\neval "$(x/lockhouse env)" && lockhouse a b  # c\n```\n')) == ["env", "a b"]
