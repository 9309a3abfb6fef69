"""The grammar of ProjectionExpression: paths separated by commas, none inside another."""

from __future__ import annotations

from lockhouse.core.conditions import Path
from lockhouse.protocols.dynamodb.expressions.placeholders import Placeholders, read_path
from lockhouse.protocols.dynamodb.expressions.tokens import Cursor, Wrong
from lockhouse.protocols.dynamodb.expressions.update import check_overlaps

_ORDER = tuple(map(frozenset, ([Wrong.RESERVED], [Wrong.NAME], [Wrong.PATHS])))


def parse_projection(text: str, placeholders: Placeholders) -> tuple[Path, ...]:
    """The paths in their order. RequestInvalid (`request.invalid`) with AWS's message."""
    cursor = Cursor("ProjectionExpression", text)
    paths = [read_path(cursor, placeholders)]
    while cursor.accept(","):
        paths.append(read_path(cursor, placeholders))
    cursor.finish()
    check_overlaps(cursor, paths)
    cursor.settle(_ORDER)
    return tuple(paths)
