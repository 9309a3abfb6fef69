"""A plain `lockhouse serve` is read without the library for command lines, and everything else by it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lockhouse.cli.serving import read_plain
from lockhouse.config import SETTINGS

VALUES = [each for each in SETTINGS.values() if not each.is_switch]
SWITCHES = [each for each in SETTINGS.values() if each.is_switch]


@pytest.mark.parametrize("setting", VALUES, ids=lambda each: each.name)
def test_every_setting_with_a_value_is_read_in_both_spellings(setting):
    assert read_plain([setting.flag, "some text"]) == ({setting.name: "some text"}, False)
    assert read_plain([f"{setting.flag}=a=b", "--json"]) == ({setting.name: "a=b"}, True)


@pytest.mark.parametrize("setting", SWITCHES, ids=lambda each: each.name)
def test_every_switch_is_read_on_and_off(setting):
    assert read_plain([setting.flag]) == ({setting.name: True}, False)
    assert read_plain([f"--no{setting.flag[1:]}"]) == ({setting.name: False}, False)


def test_nothing_given_is_plain():
    assert read_plain([]) == ({}, False)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["-h"],
        ["somewhere"],
        ["--dat", "x"],
        ["--data"],
        ["--data", "--json"],
        ["--data", "-x"],
        ["--data", "a", "--data", "b"],
        ["--require-lock", "--no-require-lock"],
        ["--require-lock=yes"],
        ["--json", "--json"],
        ["--", "--data", "x"],
    ],
    ids=" ".join,
)
def test_what_needs_explaining_is_not_plain(words):
    assert read_plain(words) is None


def test_a_server_does_not_load_what_only_reads_command_lines():
    loaded = "import sys, lockhouse.cli.main, lockhouse.cli.serving, lockhouse.app; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, timeout=60)
    names = {name.partition(".")[0] for name in done.stdout.split()}
    assert "lockhouse" in names
    assert names & {"typer", "pydantic", "pydantic_core", "rich", "opentelemetry", "google"} == set()
