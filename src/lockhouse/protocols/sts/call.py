"""One verified call, and how principals are named to AWS clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lockhouse.auth.authenticator import Authenticator
from lockhouse.core.principals import Identity
from lockhouse.runtime.house import House
from lockhouse.service.callers import Caller


@dataclass(frozen=True, slots=True)
class Call:
    """Everything an operation is given."""

    house: House
    authenticator: Authenticator
    caller: Caller
    account: str
    """Twelve digits: the account id setting."""
    fields: Mapping[str, str]


def arn_of(who: Identity, account: str) -> str:
    """The ARN by which AWS clients know a caller (IAM identifiers reference)."""
    if who.session:
        role = who.name.removesuffix(f"/{who.session}")  # the name of a session says both
        return f"arn:aws:sts::{account}:assumed-role/{role}/{who.session}"
    return f"arn:aws:iam::{account}:user/{who.name}"


def user_id_of(who: Identity) -> str:
    """The stable id of a caller; of a role session, with the session's name."""
    return f"{who.principal}:{who.session}" if who.session else who.principal
