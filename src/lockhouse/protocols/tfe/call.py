"""One verified request of this API, and how its handlers answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from lockhouse.core.workspaces import new_workspace_id
from lockhouse.protocols.tfe.signing import Signer, UploadPass
from lockhouse.protocols.tfe.tokens import Tokens
from lockhouse.protocols.tfe.wire import CONTENT_TYPE, SNAPSHOT_SECONDS, Document, Json, Query, encode, unique
from lockhouse.protocols.web import Request, Response
from lockhouse.runtime.house import House
from lockhouse.service.callers import Caller

MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
"""The largest JSON document: an inline state version is a state in base64. Larger states go to an upload address."""


@dataclass(slots=True)
class Call:
    """A request and all that a handler may use."""

    request: Request
    caller: Caller
    house: House
    tokens: Tokens
    uploads: Signer[UploadPass]
    base: str
    """The absolute address of this API, ending in `/`."""
    arguments: dict[str, str]
    """The variable parts of the path, decoded."""
    query: Query = field(init=False)

    def __post_init__(self) -> None:
        self.query = Query(self.request.raw_query)

    def __getitem__(self, name: str) -> str:
        return self.arguments[name]

    async def document(self) -> Document:
        """The request document. Errors: `request.document`, `body.too_large`, `body.incomplete`."""
        return Document(await self.request.whole(MAX_DOCUMENT_BYTES))

    def new_id(self, prefix: str) -> str:
        """A random opaque id."""
        return prefix + new_workspace_id(self.house.engine.nonce())[3:]


Operation = Callable[[Call], Awaitable[Response]]


def respond(document: Json, status: int = 200, *, snapshots: bool = False) -> Response:
    headers = [(b"content-type", CONTENT_TYPE), (b"cache-control", b"no-store")]
    if snapshots:
        headers.append((b"x-terraform-snapshot-interval", str(SNAPSHOT_SECONDS).encode()))
    return Response(status, headers, encode(document))


def respond_one(data: Json, status: int = 200, included: Sequence[Json] = (), *, snapshots: bool = False) -> Response:
    document: Json = {"data": data}
    if included:
        document["included"] = unique(included)
    return respond(document, status, snapshots=snapshots)


def no_content() -> Response:
    return Response(204)
