"""GetObjectAttributes: what a HEAD tells of an object, and its size, as a document. Source: Amazon S3 API Reference.

The parts of an upload are not kept apart here, so only their number is told, as S3 does for parts without checksums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lockhouse.core.versions import Version
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.aws import xml
from lockhouse.protocols.s3 import fields
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.s3.operations.lock_objects import refuse_lock_key
from lockhouse.protocols.s3.representation import checksum_xml, marker_refused
from lockhouse.protocols.web import Headers, Response
from lockhouse.service import objects

_WANTED = "x-amz-object-attributes"


async def get_object_attributes(call: Call) -> Response:
    """Of an object with a customer's key only to who sends that key, as HEAD."""
    refuse_lock_key(call.key)
    wanted = _read_wanted(call.request.headers)
    customer_key = fields.read_customer_key(call.request.headers)
    version_id = call.version_id
    found = await call.house.read(lambda tx: objects.read(tx, call.caller, call.address, version_id, packed=False))
    version = found.version
    if version.is_delete_marker:
        raise marker_refused(f"cannot read version {version.id} of {call.address.lock_id}", version)
    fields.check_customer_key(version, customer_key)
    headers = [
        (b"content-type", b"application/xml"),
        (b"last-modified", fields.http_date(version.at)),
        (b"x-amz-version-id", version.id.encode("ascii")),
    ]
    members = "".join(write(version) for name, write in _ATTRIBUTES.items() if name in wanted)
    return Response(200, headers, xml.document("GetObjectAttributesResponse", members))


def _read_wanted(headers: Headers) -> frozenset[str]:
    """The attributes that are asked for: one header or several, each with one name or several."""
    named = [name.strip() for line in headers.all(_WANTED) for name in line.split(",")]
    for name in named or [""]:
        if name not in _ATTRIBUTES:
            raise RequestInvalid(
                f"cannot tell the attribute {name[:40]!r} of an object: Invalid attribute name specified.",
                hint=f"name some of {', '.join(_ATTRIBUTES)}: --object-attributes ETag ObjectSize",
                argument=_WANTED,
            )
    return frozenset(named)


def _checksum(version: Version) -> str:
    known = checksum_xml(version.checksums)
    return xml.element("Checksum", known) if known else ""


def _parts(version: Version) -> str:
    return xml.element("ObjectParts", xml.field("PartsCount", version.parts)) if version.parts else ""


_ATTRIBUTES: Mapping[str, Callable[[Version], str]] = {
    "ETag": lambda version: xml.field("ETag", version.etag),
    "Checksum": _checksum,
    "ObjectParts": _parts,
    "StorageClass": lambda _version: xml.field("StorageClass", "STANDARD"),
    "ObjectSize": lambda version: xml.field("ObjectSize", version.size),
}
"""By name, in the order in which S3 writes them. The ETag is without quotes here, in S3, too."""
