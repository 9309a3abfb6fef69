"""Exit codes, hints and help: what scripts and people rely on."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import lockhouse
from lockhouse.cli.exits import EXIT_CODES, MEANINGS, Exit, exit_code, say_problem
from lockhouse.core.addresses import Address
from lockhouse.core.principals import Identity, Right, require
from lockhouse.errors import ALL_PROBLEMS, LOCAL_PROBLEMS, AccessDenied
from tests.unit.cli.tree import COMMANDS, help_of, is_command, names

SOURCE = Path(lockhouse.__file__).parent


def test_a_hint_can_be_pasted_whatever_the_key_is():
    for key in ("a b", "it's", "$(id)", "é/ö", "x;y", "*", "plain/terraform.tfstate"):
        assert shlex.split(f"lockhouse lock show {Address('acme', key).words}") == [
            "lockhouse",
            "lock",
            "show",
            "acme",
            key,
        ]
    said = "".join(path.read_text() for path in SOURCE.rglob("*.py"))
    assert not re.search(r"lockhouse [^\n]*\{(address\.)?namespace\} \{(address\.)?key\}", said)


def test_a_refusal_names_whom_to_grant_it_and_not_a_session():
    run = Identity("p", "deploy/run-1", "c", (), session="run-1")
    with pytest.raises(AccessDenied) as caught:
        require(run, Right.WRITE, "acme", "a b.tfstate")
    words = shlex.split(caught.value.hint.partition(": ")[2])
    assert words == ["lockhouse", "access", "grant", "deploy", "--rights", "write", "--on", "acme/a b.tfstate"]
    assert Identity("p", "ann/x", "c", ()).grantee == "ann/x"


def test_what_a_key_contains_does_not_reach_the_terminal_as_a_command(capsys: pytest.CaptureFixture[str]):
    say_problem("cannot find a/\x1b[2Jb", "lockhouse state list 'a\rb'")
    assert capsys.readouterr().err == "error: cannot find a/?[2Jb\nhint: lockhouse state list 'a?b'\n"


def test_every_problem_has_an_exit_code_and_nothing_else_has():
    assert EXIT_CODES.keys() == ALL_PROBLEMS.keys() | LOCAL_PROBLEMS.keys()


def test_every_exit_code_has_a_meaning():
    assert MEANINGS.keys() == set(Exit)


def test_a_problem_of_a_newer_server_is_a_failure():
    assert exit_code("tomorrow.unknown") is Exit.FAILED


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_json(name: str):
    text = help_of(name)
    assert len(text.splitlines()) > 5
    assert "--json" in text


def test_every_command_that_a_hint_names_exists():
    wrong = []
    for path in SOURCE.rglob("*.py"):
        calls = re.findall(r"(?<!from )lockhouse ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*){0,2})", path.read_text())
        wrong += [f"{path.name}: lockhouse {call}" for call in calls if not is_command(call)]
    assert wrong == []


def test_the_tree_of_commands_is_what_the_names_say():
    assert names() == sorted(COMMANDS)
