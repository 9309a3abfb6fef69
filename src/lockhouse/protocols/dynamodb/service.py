"""DynamoDB as a service behind the gate of the AWS protocols: the gate has verified the signature and read the body."""

from __future__ import annotations

from collections.abc import Awaitable

from lockhouse.errors import Problem
from lockhouse.protocols.aws.gate import Call as SignedCall
from lockhouse.protocols.aws.gate import Service
from lockhouse.protocols.dynamodb import wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.faults import Fault
from lockhouse.protocols.dynamodb.finishing import finish_of
from lockhouse.protocols.dynamodb.routes import answer
from lockhouse.protocols.web import Request, Response
from lockhouse.runtime.house import House


def dynamodb_service(house: House, *, account: str) -> Service:
    """`account`: the twelve digits of the account id setting, for ARNs."""

    def serve(signed: SignedCall) -> Awaitable[Response]:
        request = signed.request
        field = request.headers.first.get
        call = Call(
            house,
            signed.caller,
            account,
            signed.verified.region,
            field(b"host", b"").decode("latin-1"),
            request.disconnected,
            request.trail,
        )
        return answer(call, field(b"x-amz-target", b"").decode("latin-1"), signed.body)

    def refuse(request: Request, problem: Problem | None) -> Response:
        if problem is None:
            return wire.write_fault(Fault.INTERNAL, "Internal server error", request.request_id)
        return wire.write_problem(problem, request.request_id)

    return Service("dynamodb", serve, refuse, finish=finish_of)
