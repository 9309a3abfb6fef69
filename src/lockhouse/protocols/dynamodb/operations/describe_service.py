"""DescribeEndpoints and DescribeLimits: about the service and not about any table."""

from __future__ import annotations

from collections.abc import Mapping

from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.values import Json

_UNITS = 80_000
_TABLE_UNITS = 40_000


async def describe_endpoints(call: Call, body: bytes) -> Mapping[str, Json]:  # noqa: ARG001 - it has no input
    """Where the client is already: a client that looks for its endpoint must not be led away to AWS."""
    return {"Endpoints": [{"Address": call.host, "CachePeriodInMinutes": 1440}]}


async def describe_limits(call: Call, body: bytes) -> Mapping[str, Json]:  # noqa: ARG001 - it has no input
    """AWS's defaults; nothing here is metered."""
    return {
        "AccountMaxReadCapacityUnits": _UNITS,
        "AccountMaxWriteCapacityUnits": _UNITS,
        "TableMaxReadCapacityUnits": _TABLE_UNITS,
        "TableMaxWriteCapacityUnits": _TABLE_UNITS,
    }
