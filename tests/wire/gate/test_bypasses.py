"""The known ways around a signature, through everything that the server dispatches, to every handler that there is.

Sources: CVE-2025-31489, CVE-2026-40344 and CVE-2026-41145 (a gate that looked at the header only, handlers that forgot to
ask, unsigned trailers that were not asked at all), and what stands in the shapes.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from lockhouse.core.principals import Right
from lockhouse.protocols.aws.sigv4 import Parts
from tests.unit.protocols.aws.shapes import Signing
from tests.wire.access.probes import Probe, all_probes
from tests.wire.access.world import KEY, NAMESPACE, Answer, Sent, World
from tests.wire.gate.test_mutants import MARK

PROBES = [each for each in all_probes() if each.protocol in ("s3", "dynamodb", "sts")]
PROVED = (b"SignatureDoesNotMatch", b"AccessDenied", b"MissingAuthenticationToken", b"MissingAuthenticationTokenException",
          b"InvalidSignatureException", b"IncompleteSignature", b"AuthorizationHeaderMalformed", b"InvalidRequest", b"InvalidArgument",
          b"AuthorizationQueryParametersError", b"NotImplemented", b"InvalidAccessKeyId", b"SignatureVersionNotSupported", b"header x-amz-content-sha256")  # fmt: skip
UNSIGNED_TRAILER = b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"
NOTHING = b"0" * 64


def refused(world: World, answer: Answer, about: object) -> None:
    assert answer.status in (400, 401, 403, 501), (about, answer)
    assert answer.body == b"" or any(each in answer.body for each in PROVED), (about, answer)
    assert MARK not in answer.body, about
    assert world.untouched, about


def test_the_named_shapes_are_refused_by_the_whole_server(world: World):
    admin = world.people[Right.ADMIN]
    signing = Signing(admin.key, admin.secret, "lock.test", f"/{NAMESPACE}/{KEY}")
    shapes = list(signing.bypass_shapes())
    assert len(shapes) >= 40
    assert world.send(sent(signing.signed())).status == 200
    for name, parts, _ in shapes:
        body = b"state" if parts.method == "PUT" else b""
        refused(world, world.send(sent(parts, body)), name)


def sent(parts: Parts, body: bytes = b"") -> Sent:
    return Sent(parts.method, parts.raw_path, parts.raw_query, tuple(parts.headers.raw), body)


def spoiled(good: Sent, key: str) -> dict[str, Sent]:
    """One request, well signed, in every way in which it is not."""
    fields = dict(good.headers)
    authorization = fields[b"authorization"]
    zero = authorization[:-64] + NOTHING
    day = fields[b"x-amz-date"]
    claimed = b"&".join(
        (
            b"X-Amz-Algorithm=AWS4-HMAC-SHA256",
            b"X-Amz-Credential=%s%%2F%s%%2Fus-east-1%%2Fs3%%2Faws4_request" % (key.encode(), day[:8]),
            b"X-Amz-Date=" + day,
            b"X-Amz-Expires=900",
            b"X-Amz-SignedHeaders=host",
            b"X-Amz-Signature=" + NOTHING,
        )
    )
    query = good.query + (b"&" if good.query else b"") + claimed
    trailer = {b"x-amz-content-sha256": UNSIGNED_TRAILER, b"x-amz-decoded-content-length": b"%d" % len(good.body)}
    bare = {name: value for name, value in fields.items() if name != b"authorization"}

    def made(changed: dict[bytes, bytes], raw_query: bytes = good.query, body: bytes = good.body) -> Sent:
        return replace(good, headers=tuple(changed.items()), query=raw_query, body=body)

    framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(good.body), good.body) if good.body else b"0\r\n\r\n"
    return {
        "no signature": made(bare),
        "another signature": made(fields | {b"authorization": zero}),
        "another signature, unsigned body": made(
            fields | {b"authorization": zero, b"x-amz-content-sha256": b"UNSIGNED-PAYLOAD"}
        ),
        "another signature, unsigned trailer": made(fields | trailer | {b"authorization": zero}, body=framed),
        "no signature, unsigned trailer": made(bare | trailer, body=framed),
        "a known key and nothing else": made(
            fields | {b"authorization": authorization.partition(b", SignedHeaders")[0]}
        ),
        "credentials in the query alone": made(bare, query),
        "credentials in the query alone, unsigned trailer": made(bare | trailer, query, framed),
        "credentials in the query beside the header": made(fields, query),
        "credentials in the query beside another header": made(
            fields | trailer | {b"authorization": zero}, query, framed
        ),
        "a bearer token for a signature": made(fields | {b"authorization": b"Bearer " + NOTHING}),
        "archive to be unpacked": made(
            fields | trailer | {b"authorization": zero, b"x-amz-meta-snowball-auto-extract": b"true"}, body=framed
        ),
    }


@pytest.mark.parametrize("probe", PROBES, ids=str)
def test_no_handler_is_reached_without_a_signature(world: World, probe: Probe):
    admin = world.people[Right.ADMIN]
    good = world.sent(admin, replace(world.fill(probe.ask, admin), holding=""))
    granted = world.send(good)
    assert granted.status < 500 or granted.status == 501
    for name, bad in spoiled(good, admin.key).items():
        refused(world, world.send(bad), name)


def test_a_signature_for_one_service_is_none_for_another(world: World):
    admin = world.people[Right.ADMIN]
    for probe in PROBES:
        good = world.sent(admin, replace(world.fill(probe.ask, admin), holding=""))
        fields = dict(good.headers)
        own = {"s3": b"/s3/", "dynamodb": b"/dynamodb/", "sts": b"/%s/" % probe.ask.service.encode()}[probe.protocol]
        for service in (b"/s3/", b"/dynamodb/", b"/sts/", b"/iam/", b"/execute-api/"):
            if service != own:
                changed = fields | {b"authorization": fields[b"authorization"].replace(own, service)}
                refused(world, world.send(replace(good, headers=tuple(changed.items()))), (str(probe), service))
