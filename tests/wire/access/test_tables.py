"""The tables of needs have every route of every protocol. A new route fails here until its `needs` module names it."""

from __future__ import annotations

from lockhouse.protocols.api import needs as api_needs
from lockhouse.protocols.api.routes import ROUTES as API
from lockhouse.protocols.dynamodb import needs as dynamodb_needs
from lockhouse.protocols.dynamodb.routes import ROUTES as DYNAMODB
from lockhouse.protocols.http import needs as http_needs
from lockhouse.protocols.http.wire import Act
from lockhouse.protocols.s3 import needs as s3_needs
from lockhouse.protocols.s3.routes import ROUTES as S3
from lockhouse.protocols.sts import needs as sts_needs
from lockhouse.protocols.sts.routes import ROUTES as STS
from lockhouse.protocols.tfe import needs as tfe_needs
from lockhouse.protocols.tfe.routes import ROUTES as TFE


def test_every_route_of_every_protocol_has_its_needs_and_no_other():
    assert s3_needs.NEEDS.keys() == {route.name for route in S3}
    assert dynamodb_needs.NEEDS.keys() == {route.action for route in DYNAMODB}
    assert sts_needs.NEEDS.keys() == {f"{route.service}:{route.action}" for route in STS}
    assert http_needs.NEEDS.keys() == set(Act)
    assert tfe_needs.NEEDS.keys() == {f"{route.method} {route.path}" for route in TFE}
    assert api_needs.NEEDS.keys() == {f"{route.method} {route.path}" for route in API}
