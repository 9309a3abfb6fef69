"""`sts` and `iam` behind the gate of the AWS protocols."""

from __future__ import annotations

from lockhouse.auth.authenticator import Authenticator
from lockhouse.errors import OperationUnsupported, Problem
from lockhouse.protocols.aws.gate import Call as SignedCall
from lockhouse.protocols.aws.gate import Service
from lockhouse.protocols.sts.call import Call
from lockhouse.protocols.sts.routes import ROUTES
from lockhouse.protocols.sts.wire import (
    IAM_NAMESPACE,
    STS_NAMESPACE,
    read_form,
    read_text,
    write_problem,
    write_result,
)
from lockhouse.protocols.web import Request, Response
from lockhouse.runtime.house import House

_NAMESPACES = {"sts": STS_NAMESPACE, "iam": IAM_NAMESPACE}


def query_service(name: str, house: House, authenticator: Authenticator, account: str) -> Service:
    """`sts` or `iam` behind the gate. `account`: the twelve digits of the account id setting."""
    operations = {route.action: route.operation for route in ROUTES if route.service == name}

    async def serve(signed: SignedCall) -> Response:
        fields = read_form(signed.body)
        action = read_text(fields, "Action")
        signed.request.trail.action = action
        operation = operations.get(action)
        if operation is None:
            known = ", ".join(operations)
            raise OperationUnsupported(
                f"cannot do {action[:100]!r}: {name} here knows {known}",
                hint="leave it out: skip_credentials_validation and skip_requesting_account_id in the backend block",
                argument="Action",
            )
        result = await operation(Call(house, authenticator, signed.caller, account, fields))
        return write_result(action, _NAMESPACES[name], result, signed.caller.request)

    def refuse(request: Request, problem: Problem | None) -> Response:
        return write_problem(problem, request.request_id)

    return Service(name, serve, refuse)
