"""The reference cannot rot: every setting, command, exit code and problem stands in it, and nothing that is gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lockhouse.cli.exits import EXIT_CODES, MEANINGS, Exit
from lockhouse.config import SETTINGS, Setting
from lockhouse.errors import ALL_PROBLEMS, LOCAL_PROBLEMS
from lockhouse.protocols.api.wire import STATUSES
from tests.unit.cli.tree import COMMANDS, is_command

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT / "docs" / "reference"


def table(name: str) -> dict[str, list[str]]:
    """The rows of all tables of a page, by their first cell without backquotes."""
    rows = {}
    for line in (REFERENCE / name).read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if line.startswith("| `"):
            rows[cells[0].strip("`")] = cells[1:]
    return rows


SETTING_ROWS = table("settings.md")
ERROR_ROWS = table("errors.md")


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
def test_every_setting_is_described_as_it_is_declared(setting: Setting):
    flag, variable, default, text = SETTING_ROWS[setting.name]
    switch = f"{setting.flag}`, `--no{setting.flag[1:]}" if setting.is_switch else setting.flag
    assert flag == f"`{switch}`"
    assert variable == f"`{setting.variable}`"
    shown = (
        str(setting.default).lower()
        if setting.is_switch
        else f"{setting.default:g}"
        if isinstance(setting.default, float)
        else str(setting.default)
    )
    assert default == (f"`{shown}`" if shown else "none")
    assert setting.help in text
    assert setting.unit in text


def test_no_setting_is_described_that_does_not_exist():
    assert SETTING_ROWS.keys() == SETTINGS.keys()


@pytest.mark.parametrize("code", [*ALL_PROBLEMS, *LOCAL_PROBLEMS])
def test_every_problem_is_described_with_its_status_and_exit_code(code: str):
    status, leaving, text = ERROR_ROWS[code]
    assert status == (str(STATUSES[code]) if code in STATUSES else "")
    assert leaving == str(int(EXIT_CODES[code]))
    assert len(text) > 10


def test_no_problem_is_described_that_does_not_exist():
    assert ERROR_ROWS.keys() == ALL_PROBLEMS.keys() | LOCAL_PROBLEMS.keys()


def test_every_command_is_described_and_no_other():
    headings = re.findall(r"^### lockhouse (.+)$", (REFERENCE / "commands.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(COMMANDS)


@pytest.mark.parametrize("code", Exit)
def test_every_exit_code_is_described(code: Exit):
    assert f"| `{int(code)}` | {MEANINGS[code]} |" in (REFERENCE / "commands.md").read_text()


@pytest.mark.parametrize("page", [*ROOT.glob("docs/**/*.md"), ROOT / "README.md"], ids=lambda page: page.name)
def test_every_command_that_a_page_shows_exists_and_every_link_leads_somewhere(page: Path):
    text = page.read_text()
    for call in re.findall(
        r"(?:^|`|\$ |\$\(|bin/)lockhouse ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*){0,2})", text, re.MULTILINE
    ):
        assert is_command(call), f"lockhouse {call}"
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target
