"""IAM GetUser without a name, as Terraform's S3 backend calls it to learn its account."""

from __future__ import annotations

from lockhouse.core.times import timestamp
from lockhouse.errors import AccessDenied
from lockhouse.protocols.sts.call import Call, arn_of
from lockhouse.protocols.sts.wire import Element


async def get_user(call: Call) -> Element:
    """The caller itself. Errors: `access.denied` for another user, and for a role session, which is no user."""
    who = call.caller.who
    if who.session or call.fields.get("UserName", who.name) != who.name:
        raise AccessDenied("cannot show another user than yourself", hint="lockhouse key list", right="iam:GetUser")
    principal = await call.house.read(lambda tx: tx.principal(who.principal))
    created = timestamp(float(int(principal.at))) if principal is not None else timestamp(0)
    return {
        "User": {
            "Path": "/",
            "UserName": who.name,
            "UserId": who.principal,
            "Arn": arn_of(who, call.account),
            "CreateDate": created,
        }
    }
