"""How a page of Query or Scan is answered."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lockhouse.core.conditions import Path, project
from lockhouse.protocols.dynamodb.values import Json, write_item
from lockhouse.service.tables import Page


class Answered(msgspec.Struct, frozen=True):
    """A page and what to show of its items (None: everything)."""

    page: Page
    paths: tuple[Path, ...] | None


def write_page(answered: Answered, select: str | None, spent: Mapping[str, Json]) -> dict[str, Json]:
    """The answer's members."""
    page, paths = answered.page, answered.paths
    answer: dict[str, Json] = {"Count": len(page.items), "ScannedCount": page.scanned, **spent}
    if select != "COUNT":
        answer["Items"] = [write_item(item if paths is None else project(paths, item)) for item in page.items]
    if page.last is not None:
        answer["LastEvaluatedKey"] = write_item(page.last)
    return answer
