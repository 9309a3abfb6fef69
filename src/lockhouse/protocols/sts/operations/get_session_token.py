"""STS GetSessionToken: temporary credentials with the caller's own rights, for 15 minutes to 36 hours."""

from __future__ import annotations

from lockhouse.errors import AccessDenied
from lockhouse.protocols.sts.call import Call
from lockhouse.protocols.sts.operations.assume_role import credentials_element, refuse_second_factor
from lockhouse.protocols.sts.wire import Element, read_number

DEFAULT_SECONDS = 12 * 3600


async def get_session_token(call: Call) -> Element:
    """Errors: `access.denied` (a temporary caller, a second factor), `request.invalid` (DurationSeconds)."""
    refuse_second_factor(call.fields)
    seconds = read_number(call.fields, "DurationSeconds", DEFAULT_SECONDS, 900, 36 * 3600)
    who = call.caller.who
    if who.base:
        raise AccessDenied(
            f"cannot issue a session token to {who.name}: the credential is temporary already",
            hint="sign with the access key itself",
            right="session",
        )
    return {"Credentials": credentials_element(call.authenticator.issue_session(who, seconds=seconds))}
