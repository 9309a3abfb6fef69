"""What each action of DynamoDB needs. Vocabulary: `core.needs`.

A lock item is the lock of a state, and needs what that needs on the state; an ordinary item is the table's own.
"""

from __future__ import annotations

from lockhouse.core import needs
from lockhouse.core.needs import Need, need
from lockhouse.core.principals import Right
from lockhouse.protocols.dynamodb.routes import ROUTES, Access

_READ_ITEM = need("an ordinary item", Right.READ, Right.LOCK, Right.WRITE)
_WRITE_ITEM = need("an ordinary item", Right.LOCK, Right.WRITE)
_READ_DIGEST = need("a digest item", Right.READ, Right.LOCK)
_WRITE_DIGEST = need("a digest item", Right.LOCK, Right.WRITE, note="checked, never stored")
_READ = (needs.SEE_LOCK, _READ_DIGEST, _READ_ITEM)
_WRITE = (needs.TAKE, _WRITE_DIGEST, _WRITE_ITEM)
_DELETE = (needs.RELEASE, needs.FORCE, _WRITE_ITEM)
_BY_ACTION: dict[str, tuple[Need, ...]] = {
    "GetItem": _READ,
    "BatchGetItem": _READ,
    "Query": _READ,
    "PutItem": _WRITE,
    "UpdateItem": (_WRITE_ITEM,),
    "DeleteItem": _DELETE,
    "BatchWriteItem": (_WRITE_ITEM,),
    "Scan": (need("a table", *needs.EVERY_RIGHT, note="shows what the caller's grants cover"),),
}
_ANY = (need("a table", *needs.EVERY_RIGHT, note="anywhere"),)
_BY_ACCESS: dict[Access, tuple[Need, ...]] = {
    Access.CREDENTIAL: (needs.VERIFIED,),
    Access.ANY_GRANT: _ANY,
    Access.READ: (_READ_ITEM,),
    Access.WRITE: (_WRITE_ITEM,),
    Access.ADMIN: (need("a table", Right.ADMIN),),
}
NEEDS: dict[str, tuple[Need, ...]] = {
    route.action: _BY_ACTION.get(route.action) or _BY_ACCESS[route.access] for route in ROUTES
}
"""By the name of the action."""
