"""Which actions there are, who may call them, and the two services behind the AWS gate.

A verified credential is enough to ask who it is; what it may become, `service.access` decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import NamedTuple

from lockhouse.auth.authenticator import Authenticator
from lockhouse.errors import OperationUnsupported, Problem
from lockhouse.protocols.aws.gate import Call as SignedCall
from lockhouse.protocols.aws.gate import Service
from lockhouse.protocols.sts.call import Call
from lockhouse.protocols.sts.operations.assume_role import assume_role
from lockhouse.protocols.sts.operations.get_caller_identity import get_caller_identity
from lockhouse.protocols.sts.operations.get_session_token import get_session_token
from lockhouse.protocols.sts.operations.get_user import get_user
from lockhouse.protocols.sts.operations.list_roles import list_roles
from lockhouse.protocols.sts.wire import (
    IAM_NAMESPACE,
    STS_NAMESPACE,
    Element,
    read_form,
    read_text,
    write_problem,
    write_result,
)
from lockhouse.protocols.web import Request, Response
from lockhouse.runtime.house import House


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
_NAMESPACES = {"sts": STS_NAMESPACE, "iam": IAM_NAMESPACE}


def service(name: str, house: House, authenticator: Authenticator, account: str) -> Service:
    """`sts` or `iam` behind the gate. `account`: the twelve digits of the account id setting."""
    operations = {route.action: route.operation for route in ROUTES if route.service == name}

    async def serve(signed: SignedCall) -> Response:
        fields = read_form(signed.body)
        action = read_text(fields, "Action")
        operation = operations.get(action)
        if operation is None:
            known = ", ".join(operations)
            raise OperationUnsupported(f"cannot do {action[:100]!r}: {name} here knows {known}", argument="Action")
        result = await operation(Call(house, authenticator, signed.caller, account, fields))
        return write_result(action, _NAMESPACES[name], result, signed.caller.request)

    def refuse(request: Request, problem: Problem | None) -> Response:
        return write_problem(problem, request.request_id)

    return Service(name, serve, refuse, whole=True)
