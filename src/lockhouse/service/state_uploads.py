"""State versions that are announced first and written later, through a signed address (cloud and remote).

Who announces must hold the workspace's lock. The bytes must be those that were announced (MD5, serial, lineage), come
while that very lock is held by that very credential, and become the version under the rule of every other write. The
same bytes again are a success, also after the lock was released: clients repeat what they got no answer for.
"""

from __future__ import annotations

import msgspec

from lockhouse.core.locks import Facet, Hold, Lock, LockRecord
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, require, require_writing
from lockhouse.core.versions import Facts
from lockhouse.core.workspaces import StateUpload, Workspace
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
from lockhouse.service import audit, objects, workspaces
from lockhouse.service.callers import Caller
from lockhouse.service.versions import Put, Refused, Written

UPLOAD_SECONDS = 900.0
"""How long the signed address is good for."""


class Announcement(msgspec.Struct, frozen=True):
    """What a client says of a state version before it sends the bytes."""

    serial: int
    lineage: str
    md5: str
    """In hex."""
    force: bool = False


def own_hold(record: LockRecord, credential: str) -> Hold | None:
    """The workspace hold that this credential took, or None."""
    lock = record.lock
    if lock is None:
        return None
    for hold in reversed(lock.holds):
        if hold.facet is Facet.WORKSPACE and (hold.credential or lock.credential) == credential:
            return hold
    return None


def require_hold(tx: Reader, caller: Caller, workspace: Workspace) -> tuple[Lock, Hold]:
    """The lock that the caller holds through the workspace. Errors: `write.lock_required`, `lock.mismatch`."""
    state = tx.state(workspace.address)
    record = tx.lock(state) if state is not None else LockRecord()
    hold = own_hold(record, caller.who.credential)
    if hold is not None and record.lock is not None:
        return record.lock, hold
    if record.lock is None:
        raise WriteUnlocked(
            f"cannot write the workspace {workspace.name}: it must be locked by who writes, and nobody has locked it",
            hint="terraform plan and apply lock it; do not use -lock=false here",
        )
    raise LockMismatch(
        f"cannot write the workspace {workspace.name}: it is locked by {record.lock.holder}",
        hint=f"wait for it: lockhouse lock show {workspace.address.words}",
    )


def announce(
    tx: Transaction, caller: Caller, workspace_id: str, upload_id: str, said: Announcement
) -> tuple[Workspace, StateUpload]:
    """A pending state version. Needs `apply` or `write`; with `force`, `write`. Errors: as `require_hold`;
    `write.serial` and `write.lineage` when it could never become current; `workspace.not_found`, `access.denied`."""
    workspace = workspaces.get_by_id(tx, caller, workspace_id).workspace
    require_writing(caller.who, *workspace.address, override=said.force)
    lock, hold = require_hold(tx, caller, workspace)
    if not said.force:
        _refuse_conflict(tx, workspace, said)
    upload = StateUpload(
        id=upload_id,
        address=workspace.address,
        at=caller.now,
        credential=caller.who.credential,
        lock_id=hold.id,
        epoch=lock.epoch,
        serial=said.serial,
        lineage=said.lineage,
        md5=said.md5,
        expires_at=caller.now + UPLOAD_SECONDS,
        force=said.force,
    )
    tx.save_state_upload(upload)
    audit.note(tx, caller, "upload.announce", workspace.address, subject=upload_id, detail=f"serial {said.serial}")
    return workspace, upload


def write(tx: Transaction, caller: Caller, upload_id: str, command: Put) -> Written | Refused:
    """The announced bytes came. `command` has the body and facts as they were taken in.

    When the lock has ended meanwhile they are refused and parked, once. Errors: `upload.not_found`, `body.digest`,
    `body.invalid`, `access.denied`, `write.fenced`, and all of `service.objects.put`."""
    upload = tx.state_upload(upload_id)
    if upload is None or upload.credential != caller.who.credential:
        raise UploadNotFound(
            f"cannot find the state version {upload_id!r}", hint="terraform state push errored.tfstate"
        )
    if command.body.md5.hex() != upload.md5:
        raise BodyDigestMismatch(
            f"cannot write {upload.address.lock_id}: the MD5 of these bytes is not the one that was announced"
        )
    state = tx.state(upload.address)
    if upload.seq and state is not None:
        version = tx.version(state, upload.seq, packed=False)
        if version is not None:
            require_writing(caller.who, *upload.address)
            return Written(version, created=False)
    if tx.parked(upload.id) is not None:
        raise WriteFenced(
            f"cannot write {upload.address.lock_id}: the lock of this run has ended (your bytes are parked as "
            f"{upload.id})",
            hint=f"lockhouse state parked show {upload.id}",
            parked=upload.id,
        )
    _check_facts(upload, command.facts)
    result = objects.put(
        tx,
        caller,
        msgspec.structs.replace(
            command,
            address=upload.address,
            nonce=upload.id,
            lock_id=upload.lock_id,
            override=upload.force,
            only_state=True,
        ),
    )
    if isinstance(result, Written):
        tx.save_state_upload(msgspec.structs.replace(upload, seq=result.version.seq))
    else:
        tx.save_state_upload(msgspec.structs.replace(upload, discarded=True))
    return result


def discard_pending(tx: Transaction, workspace: Workspace) -> None:
    """A lock ended: what was announced under it can never become a version any more. What was announced under the lock
    that somebody has taken since can."""
    state = tx.state(workspace.address)
    lock = tx.lock(state).lock if state is not None else None
    for upload in tx.pending_uploads(workspace.address):
        if lock is None or upload.epoch != lock.epoch or not lock.has_id(upload.lock_id):
            tx.save_state_upload(msgspec.structs.replace(upload, discarded=True))


def get(tx: Reader, caller: Caller, upload_id: str) -> StateUpload:
    """An announced state version. Errors: `upload.not_found` (also for who may not see the workspace)."""
    upload = tx.state_upload(upload_id)
    if upload is not None:
        try:
            require(caller.who, Right.READ, *upload.address)
        except AccessDenied:
            upload = None
    if upload is None:
        raise UploadNotFound(
            f"cannot find the state version {upload_id!r}", hint="terraform state push errored.tfstate"
        )
    return upload


def _refuse_conflict(tx: Reader, workspace: Workspace, said: Announcement) -> None:
    state = tx.state(workspace.address)
    current = tx.current(state, packed=False) if state is not None and state.live else None
    facts = current.facts if current is not None else None
    if current is None or current.body is None or facts is None or current.body.md5.hex() == said.md5:
        return
    if facts.lineage != said.lineage and said.lineage:
        raise LineageConflict(
            f"cannot write the workspace {workspace.name}: it has lineage {facts.lineage!r}, yours has "
            f"{said.lineage!r}",
            hint="is it the right workspace? to replace its state: terraform state push -force FILE",
        )
    if said.serial <= facts.serial:
        raise SerialConflict(
            f"cannot write the workspace {workspace.name}: it has serial {facts.serial} and other content, yours has "
            f"serial {said.serial}",
            hint=f"plan again from the state as it is: lockhouse state versions {workspace.address.words}",
            current=facts.serial,
            serial=said.serial,
        )


def _check_facts(upload: StateUpload, facts: Facts | None) -> None:
    if facts is None:
        raise BodyInvalid(
            f"cannot write {upload.address.lock_id}: the body is not a whole Terraform state; the old state stays",
            hint="upload a whole state: terraform state push FILE",
        )
    if facts.serial != upload.serial or (upload.lineage and facts.lineage != upload.lineage):
        raise BodyInvalid(
            f"cannot write {upload.address.lock_id}: its serial or lineage is not the one that was announced",
            hint="send what was announced: terraform state push FILE",
        )
