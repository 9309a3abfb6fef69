"""Which requests a credential that has ended may still finish something with, over S3 (`core.grace`).

What Terraform's S3 backend needs to save a state and to let its lock go: the object of the state, whole, in ranges or
in parts, and its `.tflock` object but for taking it. Everything else is nothing of that kind.
"""

from __future__ import annotations

from collections.abc import Mapping

from lockhouse.core.addresses import Address, lockfile_target
from lockhouse.core.grace import Act, Finish
from lockhouse.errors import Problem
from lockhouse.protocols.s3.routes import find_route
from lockhouse.protocols.s3.targets import read_target
from lockhouse.protocols.web import Request

STATE: Mapping[str, Act] = {
    "HeadObject": Act.READ,
    "GetObject": Act.READ,
    "PutObject": Act.WRITE,
    "CreateMultipartUpload": Act.WRITE,
    "UploadPart": Act.WRITE,
    "CompleteMultipartUpload": Act.WRITE,
    "AbortMultipartUpload": Act.WRITE,
}
LOCK: Mapping[str, Act] = {"HeadObject": Act.SHOW, "GetObject": Act.SHOW, "DeleteObject": Act.UNLOCK}


def finish_of(request: Request, public_host: str) -> Finish | None:
    """What this request would finish; None: nothing."""
    try:
        bucket, key = read_target(request, public_host)
        name = find_route(request, bucket, key).name
    except Problem:
        return None
    if not key or request.parameter("versionId") is not None:
        return None
    target = lockfile_target(key)
    act = STATE.get(name) if target is None else LOCK.get(name)
    if act is None:
        return None
    address = Address(bucket, key if target is None else target)
    return Finish(act, lambda _tx: (address,))
