"""The first start, interrupted ones, and the reset of the administrator."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from lockhouse.auth.authenticator import Authenticator
from lockhouse.bootstrap import backends, first_start
from lockhouse.core.items import decode_table
from lockhouse.core.principals import Right, allows
from lockhouse.errors import DataInvalid
from lockhouse.storage.memory import MemoryStore

MASTER = b"k" * 32


def begin(store: MemoryStore, directory: Path, *, require_lock: bool = False) -> bool:
    return first_start.begin(
        store, MASTER, directory, namespace="acme-states", region="eu-north-1", require_lock=require_lock, now=5.0
    )


def test_the_file_is_private_and_in_the_promised_form(tmp_path: Path):
    assert begin(MemoryStore(), tmp_path)
    path = tmp_path / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = json.loads(path.read_text())
    assert list(document) == ["endpoint", "access_key_id", "secret_access_key", "token", "namespace"]
    assert document["namespace"] == "acme-states"


def test_what_the_file_says_works(tmp_path: Path):
    store = MemoryStore()
    begin(store, tmp_path)
    credentials = first_start.read_credentials(tmp_path)
    authenticator = Authenticator(store, MASTER, lambda: 6.0)
    for who in (
        authenticator.token(credentials.token),
        authenticator.basic(credentials.access_key_id, credentials.secret_access_key),
    ):
        assert who.name == "administrator"
        assert allows(who.grants, Right.ADMIN, "*")


def test_a_namespace_and_a_lock_table_are_there(tmp_path: Path):
    store = MemoryStore()
    begin(store, tmp_path, require_lock=True)
    namespace = store.read(lambda tx: tx.namespace("acme-states"))
    assert (namespace.region, namespace.require_lock) == ("eu-north-1", True)
    table = store.read(lambda tx: tx.table("terraform-locks"))
    assert decode_table(table).schema.is_lock_table


def test_a_second_start_changes_nothing(tmp_path: Path):
    store = MemoryStore()
    begin(store, tmp_path)
    before = (tmp_path / "credentials.json").read_bytes()
    assert not begin(store, tmp_path)
    assert (tmp_path / "credentials.json").read_bytes() == before


def test_a_start_that_died_before_its_commit_is_repeated_whole(tmp_path: Path):
    begin(MemoryStore(), tmp_path)
    lost = first_start.read_credentials(tmp_path)
    store = MemoryStore()
    assert begin(store, tmp_path)
    authenticator = Authenticator(store, MASTER, lambda: 6.0)
    assert authenticator.token(lost.token) is None
    assert authenticator.token(first_start.read_credentials(tmp_path).token) is not None


def test_the_endpoint_is_kept_true_and_a_deleted_file_is_not_made_again(tmp_path: Path):
    begin(MemoryStore(), tmp_path)
    known = first_start.tell_endpoint(tmp_path, "http://127.0.0.1:4242")
    assert known == first_start.read_credentials(tmp_path)
    assert known.endpoint == "http://127.0.0.1:4242"
    (tmp_path / "credentials.json").unlink()
    assert first_start.tell_endpoint(tmp_path, "http://127.0.0.1:1") is None
    assert not (tmp_path / "credentials.json").exists()


def test_a_reset_ends_the_old_credentials_and_no_others(tmp_path: Path):
    store = MemoryStore()
    begin(store, tmp_path)
    first_start.tell_endpoint(tmp_path, "http://127.0.0.1:4242")
    old = first_start.read_credentials(tmp_path)
    made = first_start.reset(store, MASTER, tmp_path, now=9.0)
    assert (made.endpoint, made.namespace) == (old.endpoint, "acme-states")
    assert made == first_start.read_credentials(tmp_path)
    authenticator = Authenticator(store, MASTER, lambda: 10.0)
    assert authenticator.token(old.token) is None
    assert authenticator.access_key(old.access_key_id) is None
    assert authenticator.token(made.token).name == "administrator"


def test_a_file_that_is_not_ours_is_refused_in_words(tmp_path: Path):
    (tmp_path / "credentials.json").write_text("{}")
    with pytest.raises(DataInvalid, match="not what Lockhouse wrote"):
        first_start.read_credentials(tmp_path)


def test_what_is_printed_can_be_pasted_and_holds_no_secret(tmp_path: Path):
    begin(MemoryStore(), tmp_path)
    credentials = first_start.tell_endpoint(tmp_path, "http://127.0.0.1:4242")
    page = backends.page(credentials, "eu-north-1", "lockhouse", str(tmp_path))
    assert 'dynamodb_table = "terraform-locks"' in page
    assert "use_lockfile   = true" in page
    assert page.count('bucket         = "acme-states"') == 2
    for secret in (credentials.secret_access_key, credentials.token):
        assert secret not in page
    values = backends.environment(credentials, "eu-north-1", tmp_path)
    assert values["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4242"
    assert values["AWS_SECRET_ACCESS_KEY"] == credentials.secret_access_key
