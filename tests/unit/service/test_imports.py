"""What an import adds, and what it leaves alone."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.bodies import read_facts
from lockhouse.core.principals import Grant, Right
from lockhouse.errors import AccessDenied, ConditionFailed, RequestInvalid, WriteLocked
from lockhouse.service import imports, versions
from lockhouse.service.imports import Import
from lockhouse.service.versions import Put, Written
from tests.unit.service.rooms import STATE, Rooms, body, caller, state

ADMIN = caller("root", grants=(Grant("*", "", (Right.ADMIN,)),), now=5000.0)


def bring(room: Rooms, raw: bytes | None, source: str, after: str = "", by=ADMIN, **more: Any) -> Written:
    put = Put(address=more.pop("address", STATE), body=body(raw or b""), nonce=f"n{source}", facts=None)
    if raw is not None:
        put = msgspec.structs.replace(put, facts=read_facts(raw))
    command = Import(
        put=put, at=more.pop("at", 100.0), source=source, place="s3://old/key", after=after, deleted=raw is None
    )
    return room.store.write(lambda tx: imports.add(tx, by, command))


def test_versions_come_with_their_times_their_source_and_whatever_their_serials_are():
    room = Rooms()
    first = bring(room, state(9), "a", at=100.0).version
    marker = bring(room, None, "b", first.id, at=200.0).version
    last = bring(room, state(3), "c", marker.id, at=300.0).version
    found = room.store.read(lambda tx: tx.versions(tx.state(STATE)))
    assert [(each.id, each.at, each.origin.mark, each.origin.request) for each in found] == [
        (last.id, 300.0, "imported", "c"),
        (marker.id, 200.0, "imported", "b"),
        (first.id, 100.0, "imported", "a"),
    ]
    assert room.get() == state(3)
    assert room.store.read(lambda tx: tx.state(STATE)).highest_serial == 9


def test_a_version_that_is_sent_again_is_there_already():
    room = Rooms()
    first = bring(room, state(1), "a")
    again = bring(room, state(1), "a")
    assert (first.created, again.created, again.version.id) == (True, False, first.version.id)
    assert len(room.store.read(lambda tx: tx.versions(tx.state(STATE)))) == 1


def test_nothing_comes_behind_a_version_that_the_import_does_not_know():
    room = Rooms()
    first = bring(room, state(1), "a").version
    room.put(state(2))
    for after in ("", first.id):
        with pytest.raises(ConditionFailed):
            bring(room, state(3), "b", after)
    own = room.store.read(lambda tx: tx.current(tx.state(STATE)))
    with pytest.raises(ConditionFailed, match="versions of its own"):
        bring(room, state(3), "b", own.id)
    assert room.get() == state(2)


def test_nothing_comes_while_somebody_holds_the_lock():
    room = Rooms()
    room.lock()
    with pytest.raises(WriteLocked):
        bring(room, state(1), "a")


def test_an_import_needs_admin_a_time_that_is_past_and_a_key_that_is_no_lock():
    room = Rooms()
    with pytest.raises(AccessDenied):
        bring(room, state(1), "a", by=caller("writer", grants=(Grant("*", "", (Right.WRITE, Right.READ)),)))
    with pytest.raises(RequestInvalid, match="to come"):
        bring(room, state(1), "a", at=5001.0)
    with pytest.raises(RequestInvalid, match="it is a lock"):
        bring(room, state(1), "a", address=Address(STATE.namespace, "a.tfstate.tflock"))


def test_the_first_write_after_an_import_follows_the_serial_rule():
    room = Rooms()
    bring(room, state(4), "a")
    assert isinstance(room.put(state(3)), versions.Refused)
    assert isinstance(room.put(state(5)), Written)


def test_the_audit_log_has_the_time_of_the_import_and_not_that_of_the_version():
    room = Rooms()
    first = bring(room, state(1), "a", at=100.0).version
    bring(room, None, "b", first.id, at=200.0)
    entries = [json.loads(raw) for _, raw in room.store.read(lambda tx: list(tx.unsealed()))]
    assert {(entry["action"], entry["at"]) for entry in entries if entry.get("key") == STATE.key} == {
        ("version.write", ADMIN.now),
        ("state.delete", ADMIN.now),
    }
