"""An API token that ends in the middle of an apply over http: it saves, unlocks, and is over."""

from __future__ import annotations

import msgspec
import pytest

from lockhouse.auth import keys
from tests.wire.rig import Rig, User, state

LOCK = b'{"ID":"l-1","Operation":"OperationTypeApply","Who":"ci"}'
PLACE = "/http/acme/prod"


@pytest.fixture
def run(rig: Rig) -> User:
    """Its token ends in a minute."""
    rig.authenticator.grace = 3600.0
    made = rig.user("run")
    name = keys.split_token(made.token)[0]
    known = rig.store.read(lambda tx: tx.credential(name))
    rig.store.write(lambda tx: tx.save_credential(msgspec.structs.replace(known, expires_at=rig.now + 60)))
    rig.authenticator.changed()
    return made


def test_the_whole_end_of_an_apply(rig, run):
    assert rig.ask("LOCK", PLACE, LOCK, run.basic).status == 200
    rig.now += 600
    assert rig.ask("GET", PLACE, headers=run.basic).status == 404
    for serial in (1, 2):
        assert rig.ask("POST", f"{PLACE}?ID=l-1", state(serial), run.basic).status == 200
    assert rig.ask("GET", PLACE, headers=run.basic).body == state(2)
    for _ in range(2):
        assert rig.ask("UNLOCK", PLACE, LOCK, run.basic).status == 200
    for method, path, body in (
        ("GET", PLACE, b""),
        ("POST", f"{PLACE}?ID=l-1", state(3)),
        ("POST", PLACE, state(3)),
        ("LOCK", PLACE, LOCK),
    ):
        assert rig.ask(method, path, body, run.basic).status == 401
    rig.now += 61
    assert rig.ask("UNLOCK", PLACE, LOCK, run.basic).status == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", PLACE, state(1)),
        ("POST", f"{PLACE}?ID=", state(1)),
        ("DELETE", PLACE, b""),
        ("LOCK", PLACE, LOCK),
        ("LOCK", "/http/acme/other", LOCK),
        ("GET", "/http/acme/other", b""),
        ("POST", "/http/acme/other?ID=l-1", state(1)),
        ("UNLOCK", "/http/acme/other", LOCK),
        ("GET", f"{PLACE}?version=1.n1", b""),
        ("GET", f"{PLACE}?serial=1", b""),
    ],
)
def test_nothing_else_is_finished(rig, run, method, path, body):
    assert rig.ask("LOCK", PLACE, LOCK, run.basic).status == 200
    rig.now += 600
    assert rig.ask(method, path, body, run.basic).status == 401


def test_no_other_lock_is_released_and_nothing_is_forced(rig, run):
    assert rig.ask("LOCK", PLACE, LOCK, run.basic).status == 200
    rig.now += 600
    assert rig.ask("UNLOCK", PLACE, b"", run.basic).status == 403
    assert rig.ask("UNLOCK", PLACE, b'{"ID":"l-2"}', run.basic).status == 409
    assert rig.ask("POST", f"{PLACE}?ID=l-2", state(1), run.basic).status in (409, 412, 423)


def test_after_its_lock_was_taken_away_its_state_is_kept_and_never_accepted(rig, run):
    other = rig.user("other")
    assert rig.ask("LOCK", PLACE, LOCK, run.basic).status == 200
    rig.now += 600
    assert rig.ask("UNLOCK", PLACE, b"", other.basic).status == 200
    late = rig.ask("POST", f"{PLACE}?ID=l-1", state(1), run.basic)
    assert (late.status, late.json()["code"]) == (409, "write.fenced")
    (parked,) = rig.store.read(lambda tx: tx.parked_writes())
    assert parked.reason == "write.fenced"
    assert rig.ask("GET", PLACE, headers=other.basic).status == 404
    assert rig.ask("UNLOCK", PLACE, LOCK, run.basic).status == 401


def test_a_revoked_run_finishes_nothing(rig, run):
    assert rig.ask("LOCK", PLACE, LOCK, run.basic).status == 200
    rig.now += 600
    rig.revoke(run)
    assert rig.ask("POST", f"{PLACE}?ID=l-1", state(1), run.basic).status == 401
    assert rig.ask("UNLOCK", PLACE, LOCK, run.basic).status == 401
