"""Names are never truncated or folded, and what is no name is refused."""

from __future__ import annotations

import pytest

from lockhouse.core.addresses import (
    MAX_KEY_BYTES,
    Address,
    check_key,
    check_namespace,
    is_state_key,
    lockfile_target,
    parse_lock_id,
)
from lockhouse.errors import NamespaceInvalid, RequestInvalid


@pytest.mark.parametrize("name", ["abc", "a-b", "a.b.c", "A_b", "1.2.3.4.5", "a" * 63])
def test_a_namespace_is_named_like_a_bucket(name):
    assert check_namespace(name) == name


@pytest.mark.parametrize(
    "name", ["", "ab", "a" * 64, "-ab", "ab-", ".ab", "_ab", "a..b", "a/b", "a b", "äbc", "1.2.3.4", "abc\n"]
)
def test_other_names_of_a_namespace_are_refused(name):
    with pytest.raises(NamespaceInvalid):
        check_namespace(name)


@pytest.mark.parametrize("key", ["k", "/", "//a//", "../..", "env:/dev/K.tfstate", "ä b", "k" * 1024, "ä" * 512])
def test_a_key_is_any_text_of_up_to_1024_bytes(key):
    assert check_key(key) == key


@pytest.mark.parametrize(
    ("key", "details"),
    [
        ("", {"argument": "key"}),
        ("\udc80", {"argument": "key"}),
        ("k" * (MAX_KEY_BYTES + 1), {"argument": "key_too_long", "size": 1025}),
        ("ä" * 512 + "k", {"argument": "key_too_long", "size": 1025}),
    ],
)
def test_no_key_and_one_that_is_too_long_are_refused(key, details):
    with pytest.raises(RequestInvalid) as refused:
        check_key(key)
    assert refused.value.details == details


@pytest.mark.parametrize(
    ("lock_id", "address"),
    [
        ("acme/app", Address("acme", "app")),
        ("acme//app/", Address("acme", "/app/")),
        ("acme/" + "k" * 2000, Address("acme", "k" * 2000)),
        ("a-b/c", Address("a-b", "c")),
        ("a/b-c", None),
        ("acme", None),
        ("acme/", None),
        ("/app", None),
        ("", None),
        ("a b c/app", None),
    ],
)
def test_a_lock_id_names_an_address_when_what_stands_before_its_first_slash_can_be_a_namespace(lock_id, address):
    assert parse_lock_id(lock_id) == address


def test_a_lock_object_is_named_like_its_state_and_a_bare_ending_is_none():
    assert lockfile_target("app.tfstate.tflock") == "app.tfstate"
    assert lockfile_target("k.tflock.tflock") == "k.tflock"
    assert lockfile_target(".tflock") is None
    assert lockfile_target("app.tflock/x") is None


def test_a_name_alone_makes_a_state():
    assert [is_state_key(key) for key in ("a.tfstate", ".tfstate", "a.tfstate.backup", "plan")] == [True] * 2 + [
        False
    ] * 2
