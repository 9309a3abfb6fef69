"""IAM ListRoles, the last way by which Terraform's S3 backend learns its account: the roles that trust the caller."""

from __future__ import annotations

from itertools import islice

from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader
from lockhouse.core.principals import Principal
from lockhouse.core.times import timestamp
from lockhouse.protocols.sts.call import Call
from lockhouse.protocols.sts.wire import Element, read_number

_PAGE = 500


async def list_roles(call: Call) -> Element:
    """At most MaxItems (100) roles; nobody trusts the same caller with more in practice, so there is no next page."""
    wanted = read_number(call.fields, "MaxItems", 100, 1, 1000)
    mine = call.caller.who.principal

    def find(tx: Reader) -> list[Principal]:
        everybody = paged(lambda after: tx.principals(after, _PAGE), "", lambda each: each.id)
        found = (each for each in everybody if each.kind == "role" and not each.revoked_at and mine in each.trusted)
        return list(islice(found, wanted))

    roles = await call.house.read(find)
    return {"IsTruncated": "false", "Roles": [_element(call, role) for role in roles]}


def _element(call: Call, role: Principal) -> Element:
    return {
        "Path": "/",
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": f"arn:aws:iam::{call.account}:role/{role.name}",
        "CreateDate": timestamp(float(int(role.at))),
    }
