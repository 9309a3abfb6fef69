"""State versions that are announced first: only the announced bytes, only under the lock, only from who announced."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from lockhouse.core.audit import decode
from lockhouse.core.bodies import read_facts
from lockhouse.core.locks import Facet, Hold, Lock, LockRecord
from lockhouse.core.principals import Grant, Right
from lockhouse.core.workspaces import StateUpload
from lockhouse.errors import (
    AccessDenied,
    BodyDigestMismatch,
    BodyInvalid,
    LineageConflict,
    LockMismatch,
    SerialConflict,
    UploadNotFound,
    WriteFenced,
    WriteUnlocked,
)
from lockhouse.service import locks, objects, parking, state_uploads, workspaces
from lockhouse.service.locks import TakeLock, Unlock
from lockhouse.service.state_uploads import UPLOAD_SECONDS, Announcement
from lockhouse.service.versions import Put, Refused, Written
from tests.unit.service.rooms import STATE, Rooms, body, caller, state

ANN, BOB = caller("ann", protocol="cloud"), caller("bob", protocol="cloud")


class Cloud(Rooms):
    """One workspace, and what cloud and remote do with it."""

    def __init__(self) -> None:
        super().__init__()
        new = workspaces.NewWorkspace(id="ws-1", name="prod")
        view = self.store.write(lambda tx: workspaces.create(tx, ANN, "acme", new))
        self.workspace = view.workspace
        self.address = view.workspace.address

    def take(self, by=ANN, lock_id: str = "run-1") -> None:
        command = TakeLock(self.address, Facet.WORKSPACE, b"{}", lock_id, rejoin=False)
        self.store.write(lambda tx: locks.take(tx, by, command))

    def release(self, by=ANN, lock_id: str = "run-1", *, force: bool = False) -> None:
        command = Unlock(self.address, Facet.WORKSPACE, id=lock_id, force=force, reason="test" if force else "")
        self.store.write(lambda tx: locks.release(tx, by, command))

    def announce(self, raw: bytes, by=ANN, upload: str = "u1", **more) -> StateUpload:
        facts = read_facts(raw)
        said = Announcement(facts.serial, facts.lineage, hashlib.md5(raw, usedforsecurity=False).hexdigest())
        said = msgspec.structs.replace(said, **more)
        return self.store.write(lambda tx: state_uploads.announce(tx, by, "ws-1", upload, said))[1]

    def send(self, raw: bytes, by=ANN, upload: str = "u1") -> Written | Refused:
        # Address and nonce are those of the announcement, whatever a command says.
        command = Put(STATE, body(raw), "another", read_facts(raw))
        return self.store.write(lambda tx: state_uploads.write(tx, by, upload, command))

    def kept(self, upload: str = "u1") -> StateUpload:
        return self.store.read(lambda tx: tx.state_upload(upload))


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def test_what_was_announced_under_the_lock_becomes_the_version(cloud):
    cloud.take()
    announced = cloud.announce(state(1))
    assert (announced.lock_id, announced.epoch, announced.seq) == ("run-1", 1, 0)
    assert announced.expires_at == ANN.now + UPLOAD_SECONDS
    result = cloud.send(state(1))
    assert isinstance(result, Written)
    assert (result.created, result.version.nonce, result.version.origin.lock_id) == (True, "u1", "run-1")
    assert (cloud.get(address=cloud.address), cloud.kept().seq) == (state(1), result.version.seq)
    told = [decode(raw) for _, raw in cloud.store.read(lambda tx: tx.unsealed())]
    assert ("upload.announce", "u1") in [(each.action, each.subject) for each in told]


def test_the_same_bytes_again_are_a_success_also_after_the_unlock_but_not_without_the_grant(cloud):
    cloud.take()
    cloud.announce(state(1))
    first = cloud.send(state(1)).version
    cloud.announce(state(2), upload="u2")
    cloud.send(state(2), upload="u2")
    cloud.release()
    again = cloud.send(state(1))
    assert (again.created, again.version.id) == (False, first.id)
    assert cloud.get(address=cloud.address) == state(2)
    reader = caller("ann", grants=(Grant("acme", "", (Right.READ,)),))
    with pytest.raises(AccessDenied):
        cloud.send(state(1), reader)


def test_only_who_announced_may_send_and_only_what_was_announced(cloud):
    cloud.take()
    cloud.announce(state(1))
    with pytest.raises(UploadNotFound):
        cloud.send(state(1), BOB)
    with pytest.raises(UploadNotFound):
        cloud.send(state(1), upload="u2")
    with pytest.raises(BodyDigestMismatch):
        cloud.send(state(2))
    assert cloud.kept().seq == 0


@pytest.mark.parametrize("wrong", [{"serial": 2}, {"lineage": "other"}])
def test_a_body_whose_serial_or_lineage_is_not_the_announced_one_is_refused(cloud, wrong):
    cloud.take()
    cloud.announce(state(1), **wrong)
    with pytest.raises(BodyInvalid):
        cloud.send(state(1))


def test_an_announcement_without_a_lineage_takes_any_and_what_is_no_state_is_refused(cloud):
    cloud.take()
    cloud.announce(state(1), lineage="")
    assert cloud.send(state(1)).created
    no_state = hashlib.md5(b"text", usedforsecurity=False).hexdigest()
    cloud.announce(state(2), upload="u2", md5=no_state)
    with pytest.raises(BodyInvalid):
        cloud.send(b"text", upload="u2")


def test_what_comes_after_the_lock_was_taken_away_is_parked_once(cloud):
    cloud.take()
    cloud.announce(state(1))
    cloud.release(BOB, force=True)
    cloud.take(BOB, "run-2")
    late = cloud.send(state(1))
    assert isinstance(late, Refused)
    assert (late.problem.code, late.parked, cloud.kept().discarded) == ("write.fenced", "u1", True)
    with pytest.raises(WriteFenced) as again:
        cloud.send(state(1))
    assert again.value.details == {"parked": "u1"}
    assert len(cloud.store.read(lambda tx: parking.list_parked(tx, ANN))) == 1


def test_nothing_is_announced_without_the_own_lock_of_the_workspace(cloud):
    with pytest.raises(WriteUnlocked):
        cloud.announce(state(1))
    cloud.take(BOB)
    with pytest.raises(LockMismatch):
        cloud.announce(state(1))


def test_a_lock_that_was_taken_through_another_protocol_is_no_lock_of_the_workspace(cloud):
    cloud.lock(ANN, address=cloud.address)
    with pytest.raises(LockMismatch):
        cloud.announce(state(1))


def test_a_hold_is_the_own_one_of_who_took_it_though_another_credential_took_the_lock():
    ends = (Hold(Facet.WORKSPACE, "one", b"", 1.0), Hold(Facet.WORKSPACE, "two", b"", 2.0, credential="key-bob"))
    record = LockRecord(1, Lock(1, "p", "ann", "key-ann", ends))
    found = {who: state_uploads.own_hold(record, who) for who in ("key-ann", "key-bob", "key-eve")}
    assert found == {"key-ann": ends[0], "key-bob": ends[1], "key-eve": None}


def test_what_could_never_become_current_is_refused_before_its_bytes_come(cloud):
    cloud.take()
    cloud.announce(state(3))
    cloud.send(state(3))
    with pytest.raises(SerialConflict) as refused:
        cloud.announce(state(3, note="other"), upload="u2")
    assert refused.value.details == {"current": 3, "serial": 3}
    with pytest.raises(LineageConflict):
        cloud.announce(state(4, lineage="other"), upload="u2")
    assert cloud.announce(state(3), upload="u2").serial == 3
    assert cloud.announce(state(4), upload="u3", lineage="").lineage == ""


def test_a_forced_announcement_is_an_override(cloud):
    cloud.take()
    cloud.announce(state(3))
    cloud.send(state(3))
    cloud.announce(state(1, lineage="other"), upload="u2", force=True)
    result = cloud.send(state(1, lineage="other"), upload="u2")
    assert (result.created, result.version.origin.mark) == (True, "override")


def test_behind_a_deletion_any_state_may_be_announced(cloud):
    cloud.take()
    cloud.announce(state(3))
    cloud.send(state(3))
    cloud.release()
    cloud.store.write(lambda tx: objects.delete(tx, ANN, cloud.address, "d1"))
    cloud.take(lock_id="run-2")
    cloud.announce(state(1, lineage="other"), upload="u2")
    assert cloud.send(state(1, lineage="other"), upload="u2").created


def test_an_announced_version_is_found_by_who_may_read_the_workspace(cloud):
    cloud.take()
    cloud.announce(state(1))
    stranger = caller("eve", grants=(Grant("acme", "other", (Right.READ,)),))
    assert cloud.store.read(lambda tx: state_uploads.get(tx, BOB, "u1")).id == "u1"
    for who, upload in ((stranger, "u1"), (BOB, "u2")):
        with pytest.raises(UploadNotFound):
            cloud.store.read(lambda tx, who=who, upload=upload: state_uploads.get(tx, who, upload))


def test_what_was_announced_under_the_lock_that_came_after_is_not_discarded(cloud):
    """The lock is released, and who waited for it has announced a version before the rest of the release."""
    cloud.take()
    cloud.announce(state(1))
    cloud.release()
    cloud.take(BOB, "run-2")
    cloud.announce(state(2), BOB, "u2")
    cloud.store.write(lambda tx: state_uploads.discard_pending(tx, cloud.workspace))
    assert (cloud.kept("u1").discarded, cloud.kept("u2").discarded) == (True, False)


def test_the_end_of_the_lock_discards_what_has_not_come(cloud):
    cloud.take()
    for upload, serial in (("u1", 1), ("u2", 2)):
        cloud.announce(state(serial), upload=upload)
    cloud.send(state(1))
    cloud.release()
    cloud.store.write(lambda tx: state_uploads.discard_pending(tx, cloud.workspace))
    assert (cloud.kept("u1").discarded, cloud.kept("u2").discarded) == (False, True)
