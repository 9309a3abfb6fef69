"""Workspace names, where their states are kept, and how many are named in one command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockhouse.core.outputs import outputs_only, read_outputs
from lockhouse.core.workspaces import (
    ADOPTED_FIRST,
    ADOPTED_MOST,
    check_name,
    default_project_id,
    keys_for,
    name_from_key,
    new_workspace_id,
    next_portion,
)
from lockhouse.errors import RequestInvalid
from lockhouse.storage.sql.postgres_health import ANSWER_SECONDS


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("prod", "prod"),
        ("app/prod/terraform.tfstate", "app-prod"),
        ("app.tfstate", "app"),
        ("terraform.tfstate", "terraform"),
        ("app/terraform.tfstate/terraform.tfstate", "app-terraform-tfstate"),
        ("env:/dev/app/terraform.tfstate", "env--dev-app"),
        ("ä b", "--b"),
        (".tfstate", ""),
        ("/terraform.tfstate", ""),
        ("x" * 90 + ".tfstate", "x" * 90),
        ("x" * 91, ""),
    ],
)
def test_a_key_suggests_a_name(key, name):
    assert name_from_key(key) == name


@given(st.text(min_size=1, max_size=200))
def test_a_suggested_name_is_always_a_permitted_one(key):
    name = name_from_key(key)
    assert name == "" or check_name(name) == name


@given(st.from_regex(r"[A-Za-z0-9_-]{1,90}", fullmatch=True))
def test_the_first_keys_of_a_new_workspace_suggest_its_own_name(name):
    keys = keys_for(name)
    assert keys[:4] == (name, f"{name}.tfstate", f"{name}~2", f"{name}~3")
    assert {name_from_key(key) for key in keys[:2]} == {name}
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", ["", "a b", "a.b", "a/b", "ä", "x" * 91])
def test_other_names_are_refused(name):
    with pytest.raises(RequestInvalid) as refused:
        check_name(name)
    assert refused.value.details == {"argument": "name"}


def test_the_id_of_a_workspace_has_letters_and_digits_only():
    assert new_workspace_id("a_B-c9_-") == "ws-a0B1c901"


def test_each_namespace_has_its_own_default_project():
    assert default_project_id("one") != default_project_id("two")
    assert default_project_id("one") == default_project_id("one")


@pytest.mark.parametrize("each", [0.0001, 0.001, 0.01, 0.05, 0.1, 0.17])
def test_commands_end_in_time_however_slow_the_database_is(each: float) -> None:
    portion, left, commands = ADOPTED_FIRST, 3000, 0
    while left > 0:
        seconds = portion * each
        assert seconds < ANSWER_SECONDS
        left -= portion
        commands += 1
        portion = next_portion(portion, seconds)
    assert commands <= 6 + 3000 / min(ADOPTED_MOST, 0.12 / each)


def test_the_next_command_does_less_after_a_slow_one_and_more_after_a_fast_one() -> None:
    assert next_portion(100, 1.1) == 50
    assert next_portion(100, 1.0) == next_portion(100, 0.25) == 100
    assert next_portion(100, 0.2) == 200
    assert next_portion(200, 0.2) == ADOPTED_MOST


def test_one_is_always_looked_at() -> None:
    assert next_portion(1, 100.0) == 1


def test_outputs_only_is_the_same_bytes_for_the_same_state_and_has_nothing_else():
    body = (
        b'{"version":4,"terraform_version":"1.9.0","serial":7,"lineage":"l","outputs":{"a":{"value":1.50,"type":"number"}},'
        b'"resources":[{"secret":1}],"check_results":[{"secret":2}]}'
    )
    reduced = outputs_only(body)
    assert reduced == outputs_only(body)
    assert reduced is not None
    assert b"secret" not in reduced
    assert b'{"a":{"value":1.50,"type":"number"}}' in reduced
    assert read_outputs(reduced) == read_outputs(body)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"serial":1,"lineage":"l","encrypted_data":"x"}', b'{"version":4,"outputs":[]}']
)
def test_a_body_without_plain_outputs_is_not_reduced(body):
    assert outputs_only(body) is None
