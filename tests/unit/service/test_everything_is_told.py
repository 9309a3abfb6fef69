"""Every use case that changes something tells the audit log, in the transaction of the change."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lockhouse.service

ROOM = Path(lockhouse.service.__file__).parent
WITHOUT_CALLER = {
    ("versions", "remove"),  # told with its reason by whoever removes
    ("parking", "forget"),  # a part of accepting and dropping, which are told
    ("audit", "forget"),  # removes entries; what is left still proves itself
    ("audit", "seal"),
    ("state_uploads", "discard_pending"),  # a part of releasing a lock, which is told
    ("turns", "end"),
    ("turns", "take"),  # which server does the chores is nobody's act; what a chore changes is told
    ("teams", "follow_directory"),  # parts of a sign-in, which is told by whoever signs in
    ("teams", "sign_in"),
}

NOTES = {("audit", "note"), ("audit", "note_own")}


def functions() -> dict[tuple[str, str], ast.FunctionDef]:
    found = {}
    for file in sorted(ROOM.glob("*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                found[file.stem, node.name] = node
    return found


FUNCTIONS = functions()
CHANGING = sorted(
    place
    for place, node in FUNCTIONS.items()
    if not place[1].startswith("_")
    and any(isinstance(each.annotation, ast.Name) and each.annotation.id == "Transaction" for each in node.args.args)
    and place not in NOTES
)


def tells(place: tuple[str, str], seen: frozenset[tuple[str, str]] = frozenset()) -> bool:
    """Whether the function calls `audit.note`, itself or through another one of the room."""
    node = FUNCTIONS.get(place)
    if node is None or place in seen:
        return False
    for call in (each.func for each in ast.walk(node) if isinstance(each, ast.Call)):
        if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name):
            target = (call.value.id, call.attr)
        elif isinstance(call, ast.Name):
            target = (place[0], call.id)
        else:
            continue
        if target in NOTES or tells(target, seen | {place}):
            return True
    return False


def test_the_use_cases_are_found():
    assert len(CHANGING) > 45
    assert set(CHANGING) >= WITHOUT_CALLER


@pytest.mark.parametrize("place", [each for each in CHANGING if each not in WITHOUT_CALLER], ids=".".join)
def test_a_use_case_that_changes_something_tells_the_audit_log(place: tuple[str, str]):
    assert tells(place)
