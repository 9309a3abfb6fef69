"""STS GetCallerIdentity: every credential may ask who it is."""

from __future__ import annotations

from lockhouse.protocols.sts.call import Call, arn_of, user_id_of
from lockhouse.protocols.sts.wire import Element


async def get_caller_identity(call: Call) -> Element:
    who = call.caller.who
    return {"Arn": arn_of(who, call.account), "UserId": user_id_of(who), "Account": call.account}
