"""Get, put and delete the sub-resources of a bucket, by one table (`documents.DOCUMENTS`), and the special ones.

Source: Amazon S3 API Reference, GetBucket…, PutBucket…, DeleteBucket….
"""

from __future__ import annotations

from lockhouse.errors import DocumentNotFound
from lockhouse.protocols.aws import xml
from lockhouse.protocols.s3 import documents, listing
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.s3.documents import DOCUMENTS, Document
from lockhouse.protocols.web import Response
from lockhouse.service import namespaces


async def get_document(call: Call) -> Response:
    document = _named(call)
    try:
        body = await call.house.read(lambda tx: namespaces.get_document(tx, call.caller, call.bucket, document.kind))
    except DocumentNotFound:
        if not document.unset:
            raise
        body = document.unset
    return _given(body, json=not document.root)


async def put_document(call: Call) -> Response:
    document = _named(call)
    await call.house.read(lambda tx: namespaces.require_admin(tx, call.caller, call.bucket))
    raw = await call.body.whole(documents.MAX_BYTES)
    documents.read_document(document, raw)
    await call.house.write(lambda tx: namespaces.set_document(tx, call.caller, call.bucket, document.kind, raw))
    return Response(document.put_status)


async def delete_document(call: Call) -> Response:
    document = _named(call)
    await call.house.write(lambda tx: namespaces.set_document(tx, call.caller, call.bucket, document.kind, None))
    return Response(204)


async def get_versioning(call: Call) -> Response:
    """Versions are always kept."""
    await call.house.read(lambda tx: namespaces.get(tx, call.caller, call.bucket))
    return listing.xml_response("VersioningConfiguration", xml.field("Status", "Enabled"))


async def put_versioning(call: Call) -> Response:
    await call.house.read(lambda tx: namespaces.require_admin(tx, call.caller, call.bucket))
    documents.read_versioning(await call.body.whole(documents.MAX_BYTES))
    return Response(200)


async def get_acl(call: Call) -> Response:
    await call.house.read(lambda tx: namespaces.get(tx, call.caller, call.bucket))
    return _given(documents.private_acl())


async def put_acl(call: Call) -> Response:
    await call.house.read(lambda tx: namespaces.require_admin(tx, call.caller, call.bucket))
    documents.check_acl(call.request.headers, await call.body.whole(documents.MAX_BYTES))
    return Response(200)


async def get_policy_status(call: Call) -> Response:
    await call.house.read(lambda tx: namespaces.get_document(tx, call.caller, call.bucket, "policy"))
    return _given(documents.policy_status())


def _named(call: Call) -> Document:
    return next(DOCUMENTS[name] for name, _ in call.request.query if name in DOCUMENTS)


def _given(body: bytes, *, json: bool = False) -> Response:
    return Response(200, [(b"content-type", b"application/json" if json else b"application/xml")], body)
