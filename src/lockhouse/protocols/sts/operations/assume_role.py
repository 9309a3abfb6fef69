"""STS AssumeRole: temporary credentials with the rights of a role that trusts the caller."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lockhouse.auth.sessions import SessionCredentials
from lockhouse.core.times import timestamp
from lockhouse.errors import AccessDenied, RequestInvalid
from lockhouse.protocols.sts.call import Call
from lockhouse.protocols.sts.wire import Element, read_number, read_text
from lockhouse.service import access

DEFAULT_SECONDS = 3600
ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(?:[\x21-\x7e]*/)?([\w+=,.@-]{1,64})")
SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)


async def assume_role(call: Call) -> Element:
    """Errors: `access.denied` (not trusted, another account, or no such role), `request.invalid`.

    A session policy can only narrow a role; it cannot be honoured here, so it is refused and not ignored."""
    fields = call.fields
    arn = read_text(fields, "RoleArn")
    session = read_text(fields, "RoleSessionName")
    seconds = read_number(fields, "DurationSeconds", DEFAULT_SECONDS, 900, 12 * 3600)
    match = ROLE.fullmatch(arn)
    if match is None or match[1] != call.account:
        raise RequestInvalid(
            f"cannot assume {arn!r}: a role here is arn:aws:iam::{call.account}:role/NAME",
            hint="lockhouse role list shows them",
            argument="RoleArn",
        )
    if not SESSION.fullmatch(session):
        raise RequestInvalid(
            f"cannot use the RoleSessionName {session[:100]!r}: 2 to 64 of A-Z a-z 0-9 _ + = , . @ -",
            hint="for example: ci-1234",
            argument="RoleSessionName",
        )
    if "Policy" in fields or "PolicyArns.member.1.arn" in fields:
        raise RequestInvalid(
            f"cannot narrow a session of {match[2]} by a policy: give the role only the grants that it needs",
            hint="lockhouse role create --name NAME --role writer --on NAMESPACE/PREFIX",
            argument="Policy",
        )
    refuse_second_factor(fields)
    name = match[2]
    role = await call.house.read(lambda tx: access.assume(tx, call.caller, name))
    credentials = call.authenticator.issue_session(call.caller.who, seconds=seconds, role=role, name=session)
    return {
        "Credentials": credentials_element(credentials),
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role.id}:{session}",
            "Arn": f"arn:aws:sts::{call.account}:assumed-role/{name}/{session}",
        },
        "PackedPolicySize": "0",
    }


def refuse_second_factor(fields: Mapping[str, str]) -> None:
    """AccessDenied (`access.denied`) for a code of a second factor: none is known here, and a client that sends one
    believes that it was checked."""
    if "TokenCode" in fields or "SerialNumber" in fields:
        raise AccessDenied(
            "cannot check a second factor (MultiFactorAuthentication): none is kept here",
            hint="leave out SerialNumber and TokenCode (mfa_serial in the profile)",
            right="session",
        )


def credentials_element(credentials: SessionCredentials) -> Element:
    return {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "SessionToken": credentials.session_token,
        "Expiration": timestamp(credentials.expires_at),
    }
