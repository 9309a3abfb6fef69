"""CopyObject: PUT /BUCKET/KEY with x-amz-copy-source. Source: Amazon S3 API Reference, CopyObject.

The bytes are not copied: versions are immutable, so the new one refers to the same body.
"""

from __future__ import annotations

from lockhouse.core.versions import Version
from lockhouse.errors import ConditionFailed, RequestInvalid
from lockhouse.protocols.aws import xml
from lockhouse.protocols.aws.checksums import Checksums
from lockhouse.protocols.s3 import fields, listing
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.s3.copying import digest_text, pieces, read_algorithm
from lockhouse.protocols.s3.operations.lock_objects import refuse_lock_key
from lockhouse.protocols.s3.representation import CHECKSUM_TYPE, checksum_xml, written_headers
from lockhouse.protocols.web import Headers, Response
from lockhouse.service.copies import Source
from lockhouse.service.versions import Put

_SOURCE = "x-amz-copy-source-"
_CHANGING = (
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
)
"""With one of these even a copy onto itself changes something."""


async def copy_object(call: Call) -> Response:
    headers = call.request.headers
    fields.check_acl(headers)
    fields.check_storage_class(headers)
    refuse_lock_key(call.key)
    algorithm = read_algorithm(headers)
    origin = await read_source(call)
    source = origin.version
    replaced = _directive(headers, "x-amz-metadata-directive")
    retagged = _directive(headers, "x-amz-tagging-directive")
    _refuse_no_change(call, replaced=replaced)
    assert source.body is not None
    command = Put(
        address=call.address,
        body=source.body,
        nonce=call.house.engine.nonce(),
        content_type=(headers.get("content-type") or "") if replaced else source.content_type,
        headers=fields.read_stored(headers) if replaced else source.headers,
        metadata=fields.read_metadata(headers) if replaced else source.metadata,
        encryption=fields.read_encryption(headers),
        checksums=await _checksums(call, source, algorithm),
        tags=fields.read_tags(headers.get("x-amz-tagging")) if retagged else source.tags,
        conditions=fields.read_write_conditions(headers),
    )
    written = await call.house.put_copy(call.caller, command, origin)
    version = written.version
    response = listing.xml_response(
        "CopyObjectResult",
        xml.field("ETag", fields.quoted(version.etag)),
        xml.field("LastModified", fields.iso_date(version.at)),
        checksum_xml(version.checksums),
    )
    response.headers += [pair for pair in written_headers(version) if pair[0] != b"etag"]
    response.headers.append((b"x-amz-copy-source-version-id", source.id.encode("ascii")))
    return response


async def read_source(call: Call) -> Source:
    """The version to copy from. Errors: as reading it; ConditionFailed for the conditions on the source."""
    headers = call.request.headers
    address, version_id = fields.read_copy_source(headers.get("x-amz-copy-source") or "")
    refuse_lock_key(address.key)
    conditions = fields.read_conditions(headers, _SOURCE)
    try:
        found = await call.house.get(call.caller, address, version_id, conditions)
    except ConditionFailed as problem:
        problem.details["when"] = "match"
        raise
    version = found.version
    if version.is_delete_marker:
        raise RequestInvalid(
            f"cannot copy version {version.id} of {address.lock_id}: it is a delete marker",
            hint=f"aws s3api list-object-versions shows the others; lockhouse state versions {address.words}",
            argument="combination",
        )
    fields.check_customer_key(version, fields.read_customer_key(headers, _SOURCE))
    return Source(address, version)


def _refuse_no_change(call: Call, *, replaced: bool) -> None:
    """Errors: RequestInvalid for a copy of the newest version onto itself that changes nothing."""
    headers = call.request.headers
    address, version_id = fields.read_copy_source(headers.get("x-amz-copy-source") or "")
    changes = replaced or version_id or any(name in headers for name in _CHANGING)
    if address == call.address and not changes:
        raise RequestInvalid(
            f"cannot copy {address.lock_id} onto itself: nothing of it would change",
            hint="copy to another key, or say what changes: --metadata-directive REPLACE",
            argument="combination",
        )


async def _checksums(call: Call, source: Version, algorithm: str) -> dict[str, str]:
    """Those of the source, which its bytes keep, but for one of parts; or the one that is asked for."""
    kept = source.checksums if CHECKSUM_TYPE not in source.checksums else {}
    if not algorithm or algorithm in kept:
        return kept
    assert source.body is not None
    running = Checksums(frozenset({algorithm}))
    if algorithm != "sha256":
        async for piece in pieces(await call.house.give_out(source)):
            running.update(bytes(piece))
    return digest_text(algorithm, running, source.body)


def _directive(headers: Headers, name: str) -> bool:
    """Whether the request replaces what the source says. Errors: RequestInvalid."""
    text = headers.get(name) or "COPY"
    if text not in ("COPY", "REPLACE"):
        raise RequestInvalid(f"cannot use {name}: {text}; it is COPY or REPLACE", hint=f"{name}: COPY", argument=name)
    return text == "REPLACE"
