"""GetObject and HeadObject, with ranges and conditions. Source: Amazon S3 API Reference; RFC 9110; PROTOCOLS 2.6.

A HEAD pins the version for the ranged reads that follow it (PROMISES: no read mixes two versions).
"""

from __future__ import annotations

from lockhouse.core.addresses import lockfile_target
from lockhouse.core.versions import Version
from lockhouse.errors import ConditionFailed, RequestInvalid
from lockhouse.protocols.s3 import fields
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.s3.fields import read_part_number
from lockhouse.protocols.s3.operations.lock_objects import get_lock_object
from lockhouse.protocols.s3.representation import marker_refused, object_headers
from lockhouse.protocols.web import Response


async def get_object(call: Call) -> Response:
    if lockfile_target(call.key) is not None:
        return await get_lock_object(call)
    headers = call.request.headers
    conditions = fields.read_conditions(headers)
    wanted = headers.get("range")
    try:
        found = await call.house.get(call.caller, call.address, call.version_id, conditions, ranged=wanted is not None)
    except ConditionFailed as problem:
        return _not_modified(problem)
    version = found.version
    described, part = _describe(call, version)
    if part is None:
        return Response(200, described, await call.house.give_out(version))
    return Response(206, described, await call.house.give_out(version, *part))


async def head_object(call: Call) -> Response:
    if lockfile_target(call.key) is not None:
        return await get_lock_object(call)
    conditions = fields.read_conditions(call.request.headers)
    try:
        found = await call.house.head(call.caller, call.address, call.version_id, conditions)
    except ConditionFailed as problem:
        return _not_modified(problem)
    described, part = _describe(call, found.version)
    if part is None:
        return Response(200, described, head_length=found.version.size)
    return Response(206, described, head_length=part[1] - part[0])


def _describe(call: Call, version: Version) -> tuple[list[tuple[bytes, bytes]], tuple[int, int] | None]:
    """The headers of the answer, and the range to send (None: the whole body)."""
    headers = call.request.headers
    if version.is_delete_marker:
        raise marker_refused(f"cannot read version {version.id} of {call.address.lock_id}", version)
    fields.check_customer_key(version, fields.read_customer_key(headers))
    part = _part(call, version)
    mode = headers.first.get(b"x-amz-checksum-mode", b"")
    described = object_headers(version, checksums=mode.upper() == b"ENABLED" and part is None)
    for name in fields.RESPONSE_OVERRIDES if call.request.raw_query else ():
        value = call.request.parameter(name)
        if value is not None:
            field = name.removeprefix("response-").encode("ascii")
            described = [pair for pair in described if pair[0] != field]
            described.append((field, fields.field_text(value, name)))
    if part is not None:
        described.append((b"content-range", b"bytes %d-%d/%d" % (part[0], part[1] - 1, version.size)))
    return described, part


def _part(call: Call, version: Version) -> tuple[int, int] | None:
    number = call.request.parameter("partNumber")
    wanted = call.request.headers.get("range")
    if number is not None:
        return _whole_as_part(number, version, ranged=wanted is not None)
    if wanted is not None and (since := call.request.headers.get("if-range")) is not None:
        same = since.strip('"') == version.etag or since == fields.http_date(version.at).decode()
        if not same:
            return None
    return fields.read_range(wanted, version.size)


def _whole_as_part(number: str, version: Version, *, ranged: bool) -> tuple[int, int] | None:
    """The one part that an object has here: its body is one, however it was uploaded, as after a copy in S3."""
    if ranged:
        raise RequestInvalid(
            "cannot use a Range together with partNumber", hint="leave one of the two out", argument="combination"
        )
    if read_part_number(number) != 1:
        raise RequestInvalid(
            f"cannot read part {number}: an object is kept as one part here",
            hint="leave partNumber out",
            argument="part_beyond",
        )
    return (0, version.size) if version.size else None


def _not_modified(problem: ConditionFailed) -> Response:
    """304 for a reader that has the bytes already; every other unmet condition is an error."""
    if problem.details.get("when") != "none_match":
        raise problem
    details = problem.details
    headers = [fields.etag_field(str(details.get("etag", "")))]
    if "version_id" in details:
        headers.append((b"last-modified", fields.http_date(int(details["at"]))))
        headers.append((b"x-amz-version-id", str(details["version_id"]).encode("ascii")))
    return Response(304, headers)
