"""The write rule: which bytes may become current."""

from __future__ import annotations

import msgspec
import pytest

from lockhouse.core.locks import FREE, Facet, Release, Take, release, take
from lockhouse.core.versions import Facts
from lockhouse.core.writes import Head, WriteRequest, WriteVerdict, decide

V = WriteVerdict
FACTS = Facts(serial=5, lineage="line")
HEAD = Head(seq=3, sha256=b"current", size=10, facts=FACTS)
NO_STATE = Head(seq=3, sha256=b"current", size=10)
DELETED = Head(gone=FACTS)
CLOSED = msgspec.structs.replace(HEAD, maintenance=True)


def lock(by="ann", operation="OperationTypeApply", record=FREE):
    request = Take(Facet.TABLE, f"id-{by}", b"", by, by, by, 1.0, operation)
    return take(record, request).record


def migrating():
    """The lock of a migration, which is held at both of its ends."""
    ends = lock(operation="migration source state"), lock(operation="migration destination state")
    first, second = (each.lock for each in ends)
    return msgspec.structs.replace(ends[0], lock=msgspec.structs.replace(first, holds=(*first.holds, *second.holds)))


def forced(record, by="bob", seq=3):
    return release(record, Release(Facet.TABLE, by, 2.0, seq, may_force=True, force=True)).record


def write(by="ann", serial=6, lineage="line", sha=b"new", size=10, **more):
    return WriteRequest(by, sha, size, Facts(serial=serial, lineage=lineage), **more)


@pytest.mark.parametrize(
    ("head", "record", "request_", "verdict", "mark"),
    [
        (HEAD, lock(), write(), V.ACCEPTED, ""),
        (Head(), FREE, write(serial=0), V.ACCEPTED, "unlocked"),
        (DELETED, FREE, write(serial=6), V.ACCEPTED, "unlocked"),
        (DELETED, FREE, write(serial=5), V.ACCEPTED, "override"),
        (DELETED, lock(), write(serial=1), V.ACCEPTED, "override"),
        (DELETED, lock(), write(serial=1, lineage="other"), V.ACCEPTED, ""),
        (HEAD, FREE, write(), V.ACCEPTED, "unlocked"),
        (msgspec.structs.replace(HEAD, require_lock=True), FREE, write(), V.LOCK_REQUIRED, ""),
        (msgspec.structs.replace(HEAD, require_lock=True), lock(), write(), V.ACCEPTED, ""),
        (HEAD, lock("bob"), write(), V.LOCKED, ""),
        (HEAD, lock("bob"), write(sha=b"current"), V.IDENTICAL, ""),
        (HEAD, lock(), write(serial=5), V.SERIAL, ""),
        (HEAD, lock(), write(serial=4), V.SERIAL, ""),
        (HEAD, lock(), write(lineage="other"), V.LINEAGE, ""),
        (HEAD, lock(operation="state-push"), write(serial=2), V.SERIAL, ""),
        (HEAD, lock(operation="state-push"), write(serial=2, may_override=True), V.ACCEPTED, "override"),
        (HEAD, lock(operation="state-push"), write(lineage="x", may_override=True), V.ACCEPTED, "override"),
        (HEAD, lock(operation="state-push"), write(may_override=True), V.ACCEPTED, ""),
        (HEAD, migrating(), write(serial=2, may_override=True), V.ACCEPTED, "override"),
        (HEAD, migrating(), write(serial=2), V.SERIAL, ""),
        (NO_STATE, lock(), write(serial=0), V.ACCEPTED, ""),
        (HEAD, lock(), write(size=0), V.EMPTY, ""),
        (HEAD, lock(), WriteRequest("ann", b"x", 3, None), V.NOT_A_STATE, ""),
        (HEAD, lock(), write(lock_id="id-ann"), V.ACCEPTED, ""),
        (HEAD, lock(), write(lock_id="id-else"), V.LOCKED, ""),
        (HEAD, FREE, write(lock_id="id-ann"), V.FENCED, ""),
        (HEAD, lock("bob"), write(unconditional=True, override=True, serial=1), V.ACCEPTED, "override"),
        (CLOSED, FREE, write(), V.MAINTENANCE, ""),
        (CLOSED, FREE, write(sha=b"current"), V.IDENTICAL, ""),
        (CLOSED, FREE, write(size=0), V.EMPTY, ""),
        (CLOSED, FREE, write(lock_id="id-ann"), V.FENCED, ""),
        (CLOSED, lock(), write(), V.ACCEPTED, ""),
        (CLOSED, lock(), write(lock_id="id-ann"), V.ACCEPTED, ""),
        (CLOSED, lock(), write(serial=5), V.SERIAL, ""),
        (CLOSED, lock("bob"), write(), V.LOCKED, ""),
        (CLOSED, FREE, write(unconditional=True, override=True), V.MAINTENANCE, ""),
        (CLOSED, lock("bob"), write(unconditional=True, override=True), V.MAINTENANCE, ""),
        (CLOSED, lock(), write(unconditional=True, override=True, serial=1), V.ACCEPTED, "override"),
    ],
)
def test_a_write_is_decided_by_lock_serial_and_lineage(head, record, request_, verdict, mark):
    outcome = decide(head, record, request_)
    assert (outcome.verdict, outcome.mark) == (verdict, mark)


def test_a_fenced_holder_is_refused_while_the_next_one_holds():
    record = lock("bob", record=forced(lock("ann")))
    assert decide(HEAD, record, write("ann")).verdict is V.FENCED


def test_a_fenced_holder_is_refused_after_the_next_one_has_held_even_if_it_wrote_nothing():
    record = lock("bob", record=forced(lock("ann")))
    record = release(record, Release(Facet.TABLE, "bob", 3.0, 3)).record
    assert decide(HEAD, record, write("ann")).verdict is V.FENCED


def test_a_fenced_holder_is_refused_though_nobody_has_held_the_lock_or_written_since():
    record = forced(lock("ann"))
    assert decide(HEAD, record, write("ann")).verdict is V.FENCED
    assert decide(HEAD, record, write("bob")).verdict is V.ACCEPTED


def test_a_fenced_holder_cannot_pass_off_the_state_of_another_as_its_own():
    record = forced(lock("ann"))
    written = msgspec.structs.replace(HEAD, seq=4)
    assert decide(written, record, write("ann", sha=b"current")).verdict is V.FENCED
    assert decide(written, lock("bob", record=record), write("ann", sha=b"current")).verdict is V.FENCED
    assert decide(written, record, write("bob", sha=b"current")).verdict is V.IDENTICAL


def test_a_fenced_holder_may_send_again_what_it_wrote_before_its_lock_was_taken_away():
    assert decide(HEAD, forced(lock("ann")), write("ann", sha=b"current")).verdict is V.IDENTICAL


def test_a_fence_ends_when_its_credential_takes_the_lock_again():
    record = lock("ann", record=forced(lock("ann")))
    assert decide(msgspec.structs.replace(HEAD, seq=4), record, write("ann")).verdict is V.ACCEPTED


def test_a_shared_credential_is_not_fenced_against_itself_but_the_serial_rule_still_holds():
    record = lock("ann", record=forced(lock("ann"), by="ann"))
    assert decide(HEAD, record, write("ann")).verdict is V.ACCEPTED
    assert decide(HEAD, record, write("ann", serial=5, sha=b"other")).verdict is V.SERIAL


def test_a_version_tells_under_which_lock_it_was_written():
    assert decide(HEAD, lock(), write()).lock_id == "id-ann"
    assert decide(HEAD, lock(operation="state-push"), write(serial=2, may_override=True)).lock_id == "id-ann"
    assert decide(HEAD, FREE, write()).lock_id == ""


def test_a_fence_is_for_its_own_credential_and_lock_ids_alone():
    record = forced(lock("ann"))
    overtaken = msgspec.structs.replace(HEAD, seq=4)
    assert decide(overtaken, record, write("eve")).verdict is V.ACCEPTED
    record = lock("bob", record=record)
    assert decide(HEAD, record, write("eve")).verdict is V.LOCKED
    assert decide(HEAD, record, write("eve", lock_id="id-else")).verdict is V.LOCKED
    assert decide(HEAD, record, write("eve", lock_id="id-ann")).verdict is V.FENCED


def test_who_names_the_lock_that_was_taken_away_cannot_pass_off_the_state_of_another_as_its_own():
    record, written = forced(lock("ann")), msgspec.structs.replace(HEAD, seq=4)
    assert decide(written, record, write("eve", sha=b"current", lock_id="id-ann")).verdict is V.FENCED


def test_an_override_that_ignores_the_lock_ignores_its_fences_too():
    record, written = forced(lock("ann")), msgspec.structs.replace(HEAD, seq=4)
    assert decide(written, record, write("ann", sha=b"current", unconditional=True)).verdict is V.IDENTICAL
    assert decide(written, record, write("ann", unconditional=True)).verdict is V.ACCEPTED
