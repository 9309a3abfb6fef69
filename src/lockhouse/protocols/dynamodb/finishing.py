"""Which requests a credential that has ended may still finish something with, over DynamoDB (`core.grace`).

GetItem of a lock or digest, PutItem of a digest, DeleteItem of a lock: what Terraform's S3 backend with
`dynamodb_table` needs to save a state and to let its lock go.
"""

from __future__ import annotations

import msgspec

from lockhouse.core.addresses import parse_lock_id
from lockhouse.core.grace import Act, Finish
from lockhouse.protocols.dynamodb.routes import TARGET_PREFIX
from lockhouse.protocols.web import Request
from lockhouse.service.lock_items import DIGEST, LOCK_ID, digest_address

_Text = dict[str, object]


class _Said(msgspec.Struct, frozen=True):
    """What the request is about."""

    Key: dict[str, _Text] | None = None
    Item: dict[str, _Text] | None = None


_decode = msgspec.json.Decoder(_Said).decode


def finish_of(request: Request, body: bytes) -> Finish | None:
    """What this request would finish; None: nothing."""
    target = request.headers.get("x-amz-target") or ""
    action = target.removeprefix(TARGET_PREFIX) if target.startswith(TARGET_PREFIX) else ""
    if action not in ("GetItem", "PutItem", "DeleteItem"):
        return None
    try:
        said = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    named = said.Item if action == "PutItem" else said.Key
    text = named.get(LOCK_ID, {}).get("S") if named is not None else None
    address = parse_lock_id(text) if isinstance(text, str) else None
    if address is None or named is None:
        return None
    state = digest_address(address)
    match action:
        case "GetItem" if state is not None:
            return Finish(Act.SHOW, lambda _tx: (address, state))
        case "GetItem":
            return Finish(Act.SHOW, lambda _tx: (address,))
        case "DeleteItem":
            return Finish(Act.UNLOCK, lambda _tx: (address,))
    if state is None or named.keys() != {LOCK_ID, DIGEST}:
        return None
    return Finish(Act.WRITE, lambda _tx: (state,))
