"""Multipart uploads: create, upload part (also by copy), list parts, list uploads, complete, abort.

Source: Amazon S3 API Reference, the operations of these names; PROTOCOLS 2.1 and 2.6: Terraform uploads so above 5 MiB.
"""

from __future__ import annotations

import base64
import hashlib
from functools import partial

from lockhouse.core.ports import Reader
from lockhouse.core.records import Upload
from lockhouse.core.versions import Version
from lockhouse.errors import DocumentMalformed, RequestInvalid, StateNotFound, UploadNotFound
from lockhouse.protocols.aws import xml
from lockhouse.protocols.aws.checksums import CHECKSUM_BYTES, Checksums, checksum_of, decode_digest
from lockhouse.protocols.s3 import fields, listing
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.s3.copying import digest_text, pieces, read_algorithm, watched
from lockhouse.protocols.s3.operations.copy_object import read_source
from lockhouse.protocols.s3.operations.lock_objects import refuse_lock_key
from lockhouse.protocols.s3.operations.put_object import NO_BODY
from lockhouse.protocols.s3.representation import (
    CHECKSUM_TYPE,
    checksum_element,
    checksum_headers,
    checksum_xml,
    written_headers,
)
from lockhouse.protocols.s3.whole import FULL_OBJECT, Whole, check_part, check_template, checksum_type
from lockhouse.protocols.web import Response
from lockhouse.service import copies, objects, uploads
from lockhouse.service.uploads import ListedPart, Template
from lockhouse.service.versions import Put

MAX_LIST_BYTES = 4 * 1024 * 1024
_PAGE = 1000


async def create_upload(call: Call) -> Response:
    headers = call.request.headers
    refuse_lock_key(call.key)
    fields.check_acl(headers)
    fields.check_storage_class(headers)
    algorithm = read_algorithm(headers)
    template = Template(
        content_type=headers.get("content-type") or "",
        headers=fields.read_stored(headers),
        metadata=fields.read_metadata(headers),
        encryption=fields.read_encryption(headers),
        checksum_algorithm=algorithm,
        checksum_type=(headers.get("x-amz-checksum-type") or "").upper(),
        tags=fields.read_tags(headers.get("x-amz-tagging")),
    )
    check_template(template)
    upload_id = call.house.engine.nonce()
    await call.house.write(lambda tx: uploads.create(tx, call.caller, call.address, upload_id, template))
    response = listing.xml_response(
        "InitiateMultipartUploadResult",
        xml.field("Bucket", call.bucket),
        xml.field("Key", call.key),
        xml.field("UploadId", upload_id),
    )
    response.headers += fields.encryption_headers(template.encryption)
    if algorithm:
        response.headers.append((b"x-amz-checksum-algorithm", algorithm.upper().encode("ascii")))
        response.headers.append((b"x-amz-checksum-type", checksum_type(template).encode("ascii")))
    return response


async def upload_part(call: Call) -> Response:
    number = _part_number(call)
    chunks = call.body.chunks(limit=call.house.max_body)
    upload = await _upload(call)
    template = uploads.template_of(upload)
    fields.check_same_key(template.encryption, fields.read_customer_key(call.request.headers))
    intake = await call.house.take_in_part(chunks, call.body.announced)
    body = intake.body
    checksums = call.body.prove(body.size, body.md5, body.sha256)
    check_part(template, checksums)
    part = call.house.part(upload.id, number, intake, call.caller.now, checksums)
    await call.house.write(lambda tx: uploads.put_part(tx, call.caller, call.address, upload.id, part))
    headers = [(b"etag", fields.quoted(body.md5.hex()).encode("ascii"))]
    headers += [(f"x-amz-checksum-{name}".encode("ascii"), value.encode("ascii")) for name, value in checksums.items()]
    return Response(200, [*headers, *fields.encryption_headers(template.encryption)])


async def upload_part_copy(call: Call) -> Response:
    number = _part_number(call)
    upload = await _upload(call)
    origin = await read_source(call)
    source = origin.version
    wanted = call.request.headers.get("x-amz-copy-source-range")
    part = fields.read_range(wanted, source.size)
    if wanted is not None and (part is None or wanted != f"bytes={part[0]}-{part[1] - 1}"):
        raise RequestInvalid(
            f"cannot read the range {wanted[:60]!r}: it lies outside the {source.size} bytes, or is none",
            hint="for example: bytes=0-5242879",
            argument="x-amz-copy-source-range",
        )
    algorithm = uploads.template_of(upload).checksum_algorithm
    if part is None and not algorithm:
        intake, checksums = await call.house.copied(origin), {}
    else:
        running = Checksums(frozenset({algorithm} if algorithm else ()))
        given = await call.house.give_out(source, *(part or (0, None)))
        intake = await call.house.take_in_part(watched(pieces(given), running))
        checksums = digest_text(algorithm, running, intake.body)
    made = call.house.part(upload.id, number, intake, call.caller.now, checksums)
    await call.house.write(lambda tx: copies.put_part(tx, call.caller, call.address, upload.id, made, origin))
    return listing.xml_response(
        "CopyPartResult",
        xml.field("ETag", fields.quoted(intake.body.md5.hex())),
        xml.field("LastModified", fields.iso_date(call.caller.now)),
        *(xml.field(checksum_element(name), value) for name, value in checksums.items()),
    )


async def list_parts(call: Call) -> Response:
    upload_id = call.request.parameter("uploadId") or ""
    limit = fields.read_number(call.request, "max-parts", _PAGE, 0, _PAGE)
    after = fields.read_number(call.request, "part-number-marker", 0, 0, uploads.MAX_PARTS)
    upload, found = await call.house.read(
        lambda tx: uploads.list_parts(tx, call.caller, call.address, upload_id, after, limit + 1)
    )
    page = found[:limit]
    more = bool(page) and len(found) > limit
    template = uploads.template_of(upload)
    return listing.xml_response(
        "ListPartsResult",
        xml.field("Bucket", call.bucket),
        xml.field("Key", call.key),
        xml.field("UploadId", upload_id),
        xml.element("Initiator", xml.field("ID", listing.OWNER_ID), xml.field("DisplayName", "lockhouse")),
        listing.OWNER,
        xml.field("StorageClass", "STANDARD"),
        xml.field("PartNumberMarker", after),
        xml.field("NextPartNumberMarker", page[-1].number if page else 0),
        xml.field("MaxParts", limit),
        xml.field("IsTruncated", more),
        _announced_checksum(template),
        *(
            xml.element(
                "Part",
                xml.field("PartNumber", each.number),
                xml.field("LastModified", fields.iso_date(each.at)),
                xml.field("ETag", fields.quoted(each.body.md5.hex())),
                xml.field("Size", each.body.size),
                *(xml.field(checksum_element(name), value) for name, value in each.checksums.items()),
            )
            for each in page
        ),
    )


async def list_uploads(call: Call) -> Response:
    encode, encoding = listing.key_encoding(call)
    prefix, delimiter = call.text("prefix"), call.text("delimiter")
    key_marker = call.text("key-marker")
    id_marker = call.text("upload-id-marker") if key_marker else ""
    limit = fields.read_number(call.request, "max-uploads", _PAGE, 0, _PAGE)
    after = (key_marker, id_marker or ("\U0010ffff" if key_marker else ""))
    found = await call.house.read(
        lambda tx: uploads.list_uploads(tx, call.caller, call.bucket, prefix, after, limit + 1, delimiter)
    )
    page = found[:limit]
    more = bool(page) and len(found) > limit
    last_key, last_id = _place(page[-1]) if more else ("", "")
    return listing.xml_response(
        "ListMultipartUploadsResult",
        xml.field("Bucket", call.bucket),
        xml.field("KeyMarker", encode(key_marker)),
        xml.field("UploadIdMarker", id_marker),
        xml.field("NextKeyMarker", encode(last_key)) if more else "",
        xml.field("NextUploadIdMarker", last_id) if more else "",
        xml.field("Prefix", encode(prefix)),
        xml.field("Delimiter", encode(delimiter)) if delimiter else "",
        xml.field("MaxUploads", limit),
        encoding,
        xml.field("IsTruncated", more),
        *(
            xml.element(
                "Upload",
                xml.field("Key", encode(each.address.key)),
                xml.field("UploadId", each.id),
                xml.element("Initiator", xml.field("ID", listing.OWNER_ID), xml.field("DisplayName", "lockhouse")),
                listing.OWNER,
                xml.field("StorageClass", "STANDARD"),
                xml.field("Initiated", fields.iso_date(each.at)),
                _announced_checksum(uploads.template_of(each)),
            )
            for each in page
            if not isinstance(each, str)
        ),
        *(listing.prefix_xml(each, encode) for each in page if isinstance(each, str)),
    )


def _place(entry: Upload | str) -> tuple[str, str]:
    """Where a listing goes on after this upload or common prefix."""
    return (entry, "") if isinstance(entry, str) else (entry.address.key, entry.id)


async def complete_upload(call: Call) -> Response:
    """Make the object of its parts. The same completion again, after a lost answer, is the same success."""
    upload_id = call.request.parameter("uploadId") or ""
    document = xml.read_document(await call.body.whole(MAX_LIST_BYTES, checksums=False), "CompleteMultipartUpload")
    listed = [
        ListedPart(
            fields.read_part_number(each.value("PartNumber")), each.value("ETag").strip('"'), _listed_checksums(each)
        )
        for each in document.all("Part")
    ]
    if not listed or not all(each.etag for each in listed):
        raise DocumentMalformed(
            "cannot read this list of parts: each has a PartNumber and an ETag",
            hint="aws s3api complete-multipart-upload help",
        )
    etag = _whole_etag(listed)
    try:
        return await _complete(call, upload_id, listed, etag)
    except UploadNotFound:  # also where the first completion ends while this one reads the parts
        again = await _completed(call, etag)
        if again is None:
            raise
        return again


async def _complete(call: Call, upload_id: str, listed: list[ListedPart], etag: str) -> Response:
    upload = await _upload(call)
    template = uploads.template_of(upload)
    whole = Whole(call.request.headers, template)
    command = Put(
        address=call.address,
        body=NO_BODY,
        nonce=call.house.engine.nonce(),
        etag=etag,
        content_type=template.content_type,
        headers=template.headers,
        metadata=template.metadata,
        encryption=template.encryption,
        checksums=await _composite(call, upload, template, listed),
        parts=len(listed),
        tags=template.tags,
        conditions=fields.read_write_conditions(call.request.headers),
    )
    written = await call.house.complete_upload(
        call.caller, upload_id, command, listed, passed=whole.passed, settled=whole.settled
    )
    headers = [pair for pair in written_headers(written.version) if pair[0] != b"etag"]
    return _complete_result(call, written.version, headers)


async def abort_upload(call: Call) -> Response:
    upload_id = call.request.parameter("uploadId") or ""
    await call.house.write(lambda tx: uploads.abort(tx, call.caller, call.address, upload_id))
    return Response(204)


async def _upload(call: Call) -> Upload:
    upload_id = call.request.parameter("uploadId") or ""
    return await call.house.read(lambda tx: uploads.get(tx, call.caller, call.address, upload_id))


async def _completed(call: Call, etag: str) -> Response | None:
    try:
        found = await call.house.read(lambda tx: objects.read(tx, call.caller, call.address, packed=False))
    except StateNotFound:
        return None
    version = found.version
    if version.etag != etag or version.origin.credential != call.caller.who.credential:
        return None
    return _complete_result(
        call, version, [(b"x-amz-version-id", version.id.encode("ascii")), *checksum_headers(version)]
    )


def _complete_result(call: Call, version: Version, headers: list[tuple[bytes, bytes]]) -> Response:
    response = listing.xml_response(
        "CompleteMultipartUploadResult",
        xml.field("Location", f"{call.request.scheme}://{call.request.headers.get('host')}/{call.bucket}/{call.key}"),
        xml.field("Bucket", call.bucket),
        xml.field("Key", call.key),
        xml.field("ETag", fields.quoted(version.etag)),
        checksum_xml(version.checksums),
    )
    response.headers += headers
    return response


async def _composite(call: Call, upload: Upload, template: Template, listed: list[ListedPart]) -> dict[str, str]:
    """The checksum of the parts' checksums, where the upload asked for one and every part has it."""
    algorithm = template.checksum_algorithm
    if not algorithm or template.checksum_type == FULL_OBJECT or algorithm == "crc64nvme":
        return {}
    known = await call.house.read(partial(_part_checksums, call=call, upload_id=upload.id, algorithm=algorithm))
    digests = [known.get(part.number, "") for part in listed]
    if not all(digests):
        return {}
    size = CHECKSUM_BYTES[algorithm]
    joined = checksum_of(algorithm, b"".join(decode_digest(text, size, algorithm) for text in digests))
    return {algorithm: f"{base64.b64encode(joined).decode()}-{len(listed)}", CHECKSUM_TYPE: "COMPOSITE"}


def _part_checksums(tx: Reader, *, call: Call, upload_id: str, algorithm: str) -> dict[int, str]:
    known: dict[int, str] = {}
    after = 0
    while page := uploads.list_parts(tx, call.caller, call.address, upload_id, after, _PAGE)[1]:
        known.update((part.number, part.checksums.get(algorithm, "")) for part in page)
        after = page[-1].number
    return known


def _whole_etag(listed: list[ListedPart]) -> str:
    """MD5 of the parts' MD5s, and their number (S3 User Guide, "ETag")."""
    try:
        digests = b"".join(bytes.fromhex(part.etag) for part in listed)
    except ValueError:
        return "-"
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(listed)}"


def _part_number(call: Call) -> int:
    return fields.read_part_number(call.request.parameter("partNumber") or "")


def _announced_checksum(template: Template) -> str:
    algorithm = template.checksum_algorithm
    if not algorithm:
        return ""
    return xml.field("ChecksumAlgorithm", algorithm.upper()) + xml.field("ChecksumType", checksum_type(template))


def _listed_checksums(part: xml.Node) -> dict[str, str]:
    return {name: value for name in CHECKSUM_BYTES if (value := part.value(checksum_element(name)).strip())}
