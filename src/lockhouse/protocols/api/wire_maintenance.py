"""The documents of maintenance in the JSON API. Pure: values to bytes and back."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lockhouse.core.maintenance import MAX_REASON, Maintenance
from lockhouse.protocols.api.wire import Ask, Document, Key, MaintenanceDocument, when


class MaintenanceAsk(Ask, frozen=True, kw_only=True):
    """Without `until` and `lasts` it stands until somebody ends it."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REASON)]
    prefix: Key = ""
    """Of keys; empty: the whole namespace."""
    exact: bool = False
    """`prefix` is one whole key."""
    until: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """When it ends by itself, in seconds since 1970."""
    lasts: Annotated[float, msgspec.Meta(ge=1, le=366 * 86_400)] | None = None
    """Or after how many seconds."""


class StartedMaintenance(Document, frozen=True, kw_only=True):
    maintenance: MaintenanceDocument
    before: MaintenanceDocument | None
    """What stood at this very place: its reason and end were changed."""


class Maintenances(Document, frozen=True, kw_only=True):
    maintenances: tuple[MaintenanceDocument, ...]


def document(found: Maintenance) -> MaintenanceDocument:
    return MaintenanceDocument(
        id=found.id,
        namespace=found.namespace,
        prefix=found.prefix,
        exact=found.exact,
        reason=found.reason,
        since=when(found.at),
        until=when(found.until),
        by=found.name,
    )
