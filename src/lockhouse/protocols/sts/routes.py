"""Which actions there are, and who may call them.

A verified credential is enough to ask who it is; what it may become, `service.access` decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import NamedTuple

from lockhouse.protocols.sts.call import Call
from lockhouse.protocols.sts.operations.assume_role import assume_role
from lockhouse.protocols.sts.operations.get_caller_identity import get_caller_identity
from lockhouse.protocols.sts.operations.get_session_token import get_session_token
from lockhouse.protocols.sts.operations.get_user import get_user
from lockhouse.protocols.sts.operations.list_roles import list_roles
from lockhouse.protocols.sts.wire import Element


class Access(StrEnum):
    CREDENTIAL = "any verified credential, about itself"
    LASTING = "any verified access key that is not temporary"
    TRUSTED = "whom the role trusts"


class Route(NamedTuple):
    service: str
    action: str
    operation: Callable[[Call], Awaitable[Element]]
    access: Access


ROUTES = (
    Route("sts", "GetCallerIdentity", get_caller_identity, Access.CREDENTIAL),
    Route("sts", "GetSessionToken", get_session_token, Access.LASTING),
    Route("sts", "AssumeRole", assume_role, Access.TRUSTED),
    Route("iam", "GetUser", get_user, Access.CREDENTIAL),
    Route("iam", "ListRoles", list_roles, Access.CREDENTIAL),
)
UNSIGNED = ("AssumeRoleWithWebIdentity",)
"""Actions of STS that nobody signs: `web_identity` answers them."""
