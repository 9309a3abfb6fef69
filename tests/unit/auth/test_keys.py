"""How access keys and tokens look and compare."""

from __future__ import annotations

import re

import msgspec

from lockhouse.auth import keys

MASTER = bytes(range(32))


def test_an_access_key_looks_as_aws_clients_expect_and_its_secret_follows_from_the_master_key():
    key = keys.new_access_key("P1", 1000.0)
    secret = keys.secret_of(MASTER, key)
    assert re.fullmatch(r"LHK[A-Z2-7]{17}", key.id)
    assert re.fullmatch(rb"[A-Za-z0-9]{40}", secret)
    assert keys.secret_of(MASTER, key) == secret
    assert keys.secret_of(bytes(32), key) != secret
    assert keys.secret_of(MASTER, msgspec.structs.replace(key, nonce=bytes(16))) != secret
    assert keys.secret_of(MASTER, msgspec.structs.replace(key, id="LHKAAAAAAAAAAAAAAAAA")) != secret


def test_nothing_of_a_credential_as_stored_gives_its_secret_away():
    key, token = keys.new_access_key("P1", 1.0), keys.new_token("P1", 1.0)
    secret = keys.split_token(token.text)
    assert secret is not None
    stored = msgspec.msgpack.encode([key, token.credential])
    assert secret[1].encode() not in stored
    assert keys.secret_of(MASTER, key) not in stored


def test_a_token_is_recognised_and_only_its_own_secret_fits():
    one, other = keys.new_token("P1", 1.0), keys.new_token("P1", 1.0)
    assert re.fullmatch(r"lkh_[A-Z2-7]{16}_[A-Za-z0-9_-]{43}", one.text)
    parts = keys.split_token(one.text)
    assert parts is not None
    assert keys.is_token_secret(one.credential, parts[1])
    assert not keys.is_token_secret(other.credential, parts[1])
    assert not keys.is_token_secret(None, parts[1])
    assert not keys.is_token_secret(keys.new_access_key("P1", 1.0), parts[1])


def test_texts_that_cannot_be_tokens_are_told_apart_before_any_hashing():
    token = keys.new_token("P1", 1.0).text
    for text in ("", "lkh_", token[:-1], token + "A", token.upper(), "x" * 10_000, f" {token}"):
        assert keys.split_token(text) is None


def test_a_message_of_several_parts_is_unambiguous():
    assert keys.message(b"ab", b"c") != keys.message(b"a", b"bc")
    assert keys.message(b"ab") != keys.message(b"ab", b"")
