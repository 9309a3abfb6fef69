"""DeleteObjects: POST /BUCKET?delete, up to 1,000 keys, each with its own outcome. Source: Amazon S3 API Reference."""

from __future__ import annotations

import asyncio

from lockhouse.core.addresses import check_key
from lockhouse.errors import BodyDigestInvalid, DocumentMalformed, Problem
from lockhouse.protocols.aws import xml
from lockhouse.protocols.aws.checksums import CHECKSUM_BYTES
from lockhouse.protocols.aws.xml import Node
from lockhouse.protocols.s3 import answers, listing
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.s3.operations.delete_object import delete_key
from lockhouse.protocols.web import Headers, Response
from lockhouse.service import namespaces
from lockhouse.service.versions import Conditions

MAX_KEYS = 1000
MAX_BYTES = 2 * 1024 * 1024


async def delete_objects(call: Call) -> Response:
    _require_digest(call.request.headers)
    document = xml.read_document(await call.body.whole(MAX_BYTES), "Delete")
    wanted = document.all("Object")
    if not 1 <= len(wanted) <= MAX_KEYS:
        raise DocumentMalformed(
            f"cannot read this list: 1 to {MAX_KEYS} objects", hint=f"send at most {MAX_KEYS} in one request"
        )
    await call.house.read(lambda tx: namespaces.get(tx, call.caller, call.bucket))
    quiet = document.value("Quiet").strip().lower() == "true"
    # All are queued at once, so that they share commits; each is decided on its own.
    outcomes = await asyncio.gather(*(_delete(call, each, quiet=quiet) for each in wanted))
    return listing.xml_response("DeleteResult", *outcomes)


async def _delete(call: Call, node: Node, *, quiet: bool) -> str:
    key, version_id = node.value("Key"), node.value("VersionId")
    version = xml.field("VersionId", version_id) if version_id else ""
    etag = node.value("ETag")
    try:
        check_key(key)
        conditions = Conditions(if_match=(etag.strip('"'),)) if etag else Conditions()
        deleted = await delete_key(call, key, version_id, conditions)
    except Problem as problem:
        answer = answers.answer_to(problem)
        return xml.element(
            "Error",
            xml.field("Key", key),
            version,
            xml.field("Code", answer.code),
            xml.field("Message", answers.message_of(problem, answer)),
        )
    if quiet:
        return ""
    marker = ""
    if deleted is not None and deleted.marker:
        marker = xml.field("DeleteMarker", True) + xml.field("DeleteMarkerVersionId", deleted.version_id)
    return xml.element("Deleted", xml.field("Key", key), version, marker)


def _require_digest(headers: Headers) -> None:
    """A list to delete must come with a digest (API reference): a flipped bit must not delete another key."""
    stated = any(f"x-amz-checksum-{name}" in headers for name in CHECKSUM_BYTES) or "x-amz-trailer" in headers
    if "content-md5" not in headers and not stated:
        raise BodyDigestInvalid("cannot delete a list of objects without Content-MD5 or an x-amz-checksum- header")
