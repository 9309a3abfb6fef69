"""S3 behind the gate: a verified request finds its route, runs its operation, and is answered in S3's words."""

from __future__ import annotations

from lockhouse.core.addresses import Address
from lockhouse.errors import AccessDenied
from lockhouse.protocols.aws.gate import Call as SignedCall
from lockhouse.protocols.aws.gate import Service
from lockhouse.protocols.aws.incoming import Incoming
from lockhouse.protocols.s3.answers import identified, refuse
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.s3.finishing import finish_of
from lockhouse.protocols.s3.routes import find_route
from lockhouse.protocols.s3.targets import read_target
from lockhouse.protocols.web import Headers, Response
from lockhouse.runtime.house import House

_OWNERS = frozenset({b"x-amz-expected-bucket-owner", b"x-amz-source-expected-bucket-owner"})


def require_owner(headers: Headers, account: str) -> None:
    """Refuse a client that means a bucket of another account. Errors: `access.denied`."""
    for name in sorted(_OWNERS):
        if (expected := headers.first.get(name)) is not None and expected != account.encode("ascii"):
            raise AccessDenied(
                f"cannot use this bucket as one of account {expected.decode('latin-1')[:20]}: all are of {account}",
                hint="leave x-amz-expected-bucket-owner out",
            )


def s3_service(house: House, *, public_host: str, region: str, account: str) -> Service:
    """The service for the gate. `public_host`: below it bucket names are host names; empty: path style only.
    `region`: of buckets that were made without one. `account`: whose all buckets are."""

    async def serve(signed: SignedCall) -> Response:
        request = signed.request
        bucket, key = read_target(request, public_host)
        address = Address(bucket, key)
        route = find_route(request, bucket, key)
        request.trail.action = route.name
        request.trail.address = address
        if not _OWNERS.isdisjoint(request.headers.first):
            require_owner(request.headers, account)
        verified = signed.verified
        call = Call(
            house, request, signed.caller, Incoming(request, verified), address, region, signed_region=verified.region
        )
        return identified(request, await route.operation(call))

    return Service("s3", serve, refuse, finish=lambda request, _body: finish_of(request, public_host))
