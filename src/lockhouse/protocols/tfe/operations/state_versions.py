"""State versions: announce, upload, list, show, download, roll back (PROTOCOLS 4.6)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import AsyncIterator

import msgspec

from lockhouse.core.grace import expired
from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, require, require_writing
from lockhouse.core.versions import Body, Version
from lockhouse.core.workspaces import StateUpload, Workspace
from lockhouse.errors import (
    AccessDenied,
    BodyDigestMismatch,
    CredentialUnknown,
    RequestInvalid,
    StateNotFound,
    UploadNotFound,
    VersionNotFound,
    WorkspaceNotFound,
)
from lockhouse.protocols.tfe import documents
from lockhouse.protocols.tfe.call import Call, respond, respond_one
from lockhouse.protocols.tfe.finishing import finish_upload
from lockhouse.protocols.tfe.operations import outputs
from lockhouse.protocols.tfe.operations.finding import find
from lockhouse.protocols.tfe.operations.workspaces import by_id
from lockhouse.protocols.tfe.signing import UploadKind, UploadPass
from lockhouse.protocols.tfe.wire import Document, Json, page_of
from lockhouse.protocols.web import Response
from lockhouse.service import state_uploads, workspaces
from lockhouse.service.objects import Found
from lockhouse.service.state_uploads import Announcement
from lockhouse.service.versions import Put, Refused, Written
from lockhouse.service.workspaces import View

_MD5 = re.compile(r"[0-9a-f]{32}")
_NOTHING = Body(size=0, md5=b"", sha256=b"")


async def create(call: Call) -> Response:
    """Announce a version, or write it at once when its bytes are in the document."""
    document = await call.document()
    rollback = document.related_id("rollback-state-version")
    if rollback and call.caller.who.ended_at:
        raise expired()
    if rollback:
        return await _roll_back(call, rollback)
    if "state" in document.attributes and document.attributes["state"] is not None:
        return await _create_inline(call, document)
    said = _announcement(document)
    caller, workspace_id = call.caller, call["id"]
    upload_id = call.house.engine.nonce()[: documents.UPLOAD_NONCE - 1] + documents.UPLOAD_MARK
    workspace, upload = await call.house.write(
        lambda tx: state_uploads.announce(tx, caller, workspace_id, upload_id, said)
    )
    urls = (_address(call, upload, UploadKind.STATE), _address(call, upload, UploadKind.JSON))
    return respond_one(documents.pending_version(workspace, upload, call.base, caller.now, urls), 201, snapshots=True)


def _announcement(document: Document) -> Announcement:
    md5 = document.text("md5").lower()
    if not _MD5.fullmatch(md5):
        raise RequestInvalid(
            "param is missing or the value is empty: md5",
            hint="send the MD5 of the state in hexadecimal digits, as Terraform does",
            argument="md5",
        )
    return Announcement(document.number("serial"), document.text("lineage"), md5, document.flag("force"))


def _address(call: Call, upload: StateUpload, kind: UploadKind) -> str:
    who = call.caller.who
    limit = call.house.max_body
    given = UploadPass(
        upload.id, kind, who.principal, who.credential, upload.epoch, upload.md5, limit, upload.expires_at
    )
    return f"{call.base}state-uploads/{call.uploads.sign(given)}"


async def _create_inline(call: Call, document: Document) -> Response:
    try:
        raw = base64.b64decode(document.text("state"), validate=True)
    except (binascii.Error, ValueError):
        raise RequestInvalid(
            "cannot read the attribute state: it is not base64",
            hint="encode the state in base64, as Terraform does",
            argument="state",
        ) from None
    md5 = document.text("md5").lower()
    if md5 and md5 != hashlib.md5(raw, usedforsecurity=False).hexdigest():
        raise BodyDigestMismatch("cannot accept this state: its MD5 is not the attribute md5")
    caller, workspace_id, forced = call.caller, call["id"], document.flag("force")

    def hold(tx: Reader) -> tuple[Workspace, str]:
        workspace = workspaces.get_by_id(tx, caller, workspace_id).workspace
        require_writing(caller.who, *workspace.address, override=forced)
        return workspace, state_uploads.require_hold(tx, caller, workspace)[1].id

    workspace, lock_id = await call.house.read(hold)
    intake = await call.house.take_in(_one(raw), expect_state=True)
    command = Put(
        address=workspace.address,
        body=_NOTHING,
        nonce=call.house.engine.nonce(),
        content_type="application/json",
        lock_id=lock_id,
        override=forced,
        only_state=True,
    )
    written = await call.house.put_intake(caller, command, intake)
    return respond_one(documents.state_version(workspace, written.version, call.base), 201, snapshots=True)


async def _roll_back(call: Call, version_id: str) -> Response:
    """An old version's bytes under the highest serial plus one. The caller must hold the lock or nobody."""
    caller, view = call.caller, await by_id(call)
    found = documents.parse_id(version_id)
    version = await call.house.read(lambda tx: find(tx, call, version_id)) if found else None
    if version is None or not isinstance(version[1], Version) or version[0] != view.workspace:
        raise VersionNotFound(
            f"cannot find the state version {version_id!r} of {view.workspace.name}",
            hint=f"lockhouse state versions {view.workspace.address.words}",
        )
    hold = state_uploads.own_hold(view.lock, caller.who.credential)
    written = await call.house.restore(
        caller, view.workspace.address, version[1].id, lock_id=hold.id if hold is not None else ""
    )
    return respond_one(documents.state_version(view.workspace, written.version, call.base), 201)


async def upload(call: Call) -> Response:
    """The bytes of an announced version come, without any Authorization: the signed address is the permission, and what
    it permits is decided again now."""
    given = call.uploads.read(call["pass"])
    if given is None:
        raise UploadNotFound(
            "cannot upload here: this address was not made by this server",
            hint="terraform apply again: each upload gets an address of its own",
        )
    who = await call.tokens.asking(lambda: call.tokens.holder(given.credential, finish_upload(given.upload_id)))
    if who is None or who.principal != given.principal:
        raise CredentialUnknown(
            "cannot upload here: who asked for this address has no access any more",
            hint="terraform login HOST, then terraform state push errored.tfstate",
        )
    caller = msgspec.structs.replace(call.caller, who=who)
    if caller.now >= given.expires_at:
        raise UploadNotFound(
            "cannot upload here: this address was good for 15 minutes, and they are over",
            hint="terraform state push errored.tfstate",
        )
    announced = await call.house.read(lambda tx: tx.state_upload(given.upload_id))
    if announced is None or announced.epoch != given.epoch or announced.md5 != given.md5:
        raise UploadNotFound(
            "cannot upload here: the state version is not the one that was announced",
            hint="terraform state push errored.tfstate",
        )
    require_writing(who, *announced.address)
    if given.kind == UploadKind.JSON:
        await _drain(call, given.limit)
        return Response(200)
    intake = await call.house.take_in(call.request.chunks(), call.request.announced, expect_state=True)
    command = call.house.with_body(
        Put(address=announced.address, body=_NOTHING, nonce=announced.id, content_type="application/json"), intake
    )

    def write(tx: Transaction) -> Written | Refused:
        return state_uploads.write(tx, call.house.still(tx, caller), given.upload_id, command)

    result = await call.house.write(write)
    if isinstance(result, Refused):
        raise result.problem
    return Response(200)


async def _drain(call: Call, limit: int) -> None:
    """The JSON form is read and dropped: everything in it is in the state, and a second copy of a state that somebody
    encrypts would not be encrypted (docs/decisions/0032)."""
    size = 0
    async for chunk in call.request.chunks():
        size += len(chunk)
        if size > limit:
            raise RequestInvalid(
                f"cannot take more than {limit} bytes in one body",
                hint="raise the setting max_body (LOCKHOUSE_MAX_BODY)",
                argument="body",
            )


async def show(call: Call) -> Response:
    owner, found = await call.house.read(lambda tx: find(tx, call, call["id"]))
    if isinstance(found, StateUpload):
        return respond_one(documents.pending_version(owner, found, call.base, call.caller.now, None), snapshots=True)
    return await _respond(call, owner, found)


async def current(call: Call) -> Response:
    """The one opaque id that does not hide behind 404: to clients that is a workspace without a state, and a run whose
    grant ended between its requests would create everything a second time."""
    try:
        view = await by_id(call)
    except WorkspaceNotFound:
        raise AccessDenied(
            f"cannot read the state of the workspace {call['id']!r}: it is gone, or {call.caller.who.name} has no "
            "grant there any more",
            hint="lockhouse workspace list NAMESPACE",
            right=str(Right.READ),
        ) from None
    try:
        found = await call.house.get(call.caller, view.workspace.address)
    except StateNotFound as problem:
        problem.message = f"the workspace {view.workspace.name} has no state version"
        raise
    return await _respond(call, view.workspace, found.version)


async def _respond(call: Call, owner: Workspace, version: Version) -> Response:
    listed: list[Json] | None = None
    included: list[Json] = []
    if call.query.includes("outputs"):
        listed = await outputs.of_version(call, owner, version)
        included += listed
    if call.query.includes("created_by") and version.origin.principal:
        included.append(documents.user(version.origin.principal, version.origin.name))
    return respond_one(documents.state_version(owner, version, call.base, listed), included=included, snapshots=True)


async def download(call: Call) -> Response:
    owner, found = await call.house.read(lambda tx: find(tx, call, call["id"]))
    call.request.trail.address = owner.address
    if isinstance(found, StateUpload):
        raise VersionNotFound(
            f"cannot download the state version {call['id']!r}: its bytes have not come",
            hint="wait for its upload, or read the one before: current-state-version",
        )
    if documents.HIDDEN in found.tags:
        raise VersionNotFound(
            f"cannot download the state version {call['id']!r}: its data was soft-deleted",
            hint=f"POST /api/v2/state-versions/{call['id']}/actions/restore_backing_data",
        )
    version = await read_version(call, owner, found)
    assert version.body is not None
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    return Response(200, headers, await call.house.give_out(version))


async def soft_delete(call: Call) -> Response:
    """Take an old version out of this API's reads until it is restored. The bytes stay."""
    return await _hide(call, hidden=True)


async def restore_data(call: Call) -> Response:
    return await _hide(call, hidden=False)


async def _hide(call: Call, *, hidden: bool) -> Response:
    def command(tx: Transaction) -> Json:
        owner, found = find(tx, call, call["id"])
        state = tx.state(owner.address)
        require(call.caller.who, Right.WRITE, *owner.address)
        if isinstance(found, StateUpload) or state is None:
            raise VersionNotFound(
                f"cannot hide the state version {call['id']!r}: its bytes have not come", hint="wait for its upload"
            )
        if hidden and found.seq == state.current:
            raise RequestInvalid(
                f"cannot delete the state version {call['id']!r}: it is the current one",
                hint=f"to delete the whole state: lockhouse state delete {owner.address.words}",
                argument="id",
            )
        tags = {name: value for name, value in found.tags.items() if name != documents.HIDDEN}
        if hidden:
            tags[documents.HIDDEN] = "yes"
        tx.set_tags(state, found.seq, tags)
        return documents.state_version(owner, msgspec.structs.replace(found, tags=tags), call.base)

    return respond_one(await call.house.write(command))


async def read_version(call: Call, owner: Workspace, version: Version) -> Version:
    """The version with its bytes, as the caller may see them."""
    found: Found = await call.house.get(call.caller, owner.address, version.id)
    return found.version


async def list_of_workspace(call: Call) -> Response:
    return await _list(call, await by_id(call))


async def list_by_filter(call: Call) -> Response:
    caller, query = call.caller, call.query
    namespace, name = query.get("filter[organization][name]"), query.get("filter[workspace][name]")
    if not namespace or not name:
        raise RequestInvalid(
            "cannot list state versions: name filter[organization][name] and filter[workspace][name]",
            hint="filter[organization][name]=NAMESPACE&filter[workspace][name]=NAME",
            argument="filter",
        )
    return await _list(call, await call.house.read(lambda tx: workspaces.get(tx, caller, namespace, name)))


async def _list(call: Call, view: View) -> Response:
    require(call.caller.who, Right.READ, *view.workspace.address)
    number, size = call.query.page()
    status = call.query.get("filter[status]")

    def look(tx: Reader) -> tuple[list[Version], int]:
        state = view.state
        if state is None or status not in ("", "finalized"):
            return [], 0
        found: list[Version] = []
        total, skip = 0, (number - 1) * size
        for version in paged(lambda before: tx.versions(state, before), 0, lambda each: each.seq):
            if version.is_delete_marker:
                continue
            if skip <= total < skip + size:
                found.append(version)
            total += 1
        return found, total

    versions, total = await call.house.read(look)
    listed = [documents.state_version(view.workspace, each, call.base) for each in versions]
    return respond(page_of(listed, call.query, total))


async def _one(raw: bytes) -> AsyncIterator[bytes]:
    yield raw
