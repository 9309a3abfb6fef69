"""One verified S3 request on its way through an operation: who asks, what for, and the house that does it."""

from __future__ import annotations

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.aws.incoming import Incoming
from lockhouse.protocols.s3 import fields
from lockhouse.protocols.web import Request
from lockhouse.runtime.house import House
from lockhouse.service.callers import Caller


class Call(msgspec.Struct, frozen=True):
    """Everything an operation is given."""

    house: House
    request: Request
    caller: Caller
    body: Incoming
    address: Address
    """The bucket (empty for operations on the service) and the key (empty for operations on a bucket)."""
    region: str
    """Where buckets are that were made without a region."""
    signed_region: str
    """From the credential scope."""

    @property
    def bucket(self) -> str:
        return self.address[0]

    @property
    def key(self) -> str:
        return self.address[1]

    @property
    def version_id(self) -> str:
        """The version that the request names; empty for the newest. Errors: RequestInvalid."""
        text = self.request.parameter("versionId") if self.request.raw_query else None
        return "" if text is None else fields.read_version_id(text)

    def text(self, name: str) -> str:
        """A query parameter that will be compared with keys. Errors: RequestInvalid unless it is UTF-8."""
        value = self.request.parameter(name) or ""
        try:
            value.encode()
        except UnicodeEncodeError:
            raise RequestInvalid(
                f"cannot use {name}: it is not UTF-8", hint="encode it in UTF-8 and then in percents", argument=name
            ) from None
        return value
