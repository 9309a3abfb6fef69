"""The tables of needs have every route of every protocol. A new route fails here until its `needs` module names it.

And the tables are all there is: whatever in the code looks like the path of a request is the path of a row, or the
beginning of rows.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import lockhouse
from lockhouse.console.app import ROUTES as CONSOLE
from lockhouse.protocols.api import app as api_app
from lockhouse.protocols.api import needs as api_needs
from lockhouse.protocols.api.routes import PREFIX, Access
from lockhouse.protocols.api.routes import ROUTES as API
from lockhouse.protocols.dynamodb import needs as dynamodb_needs
from lockhouse.protocols.dynamodb.routes import ROUTES as DYNAMODB
from lockhouse.protocols.http import needs as http_needs
from lockhouse.protocols.http import wire as http_wire
from lockhouse.protocols.http.wire import Act
from lockhouse.protocols.s3 import needs as s3_needs
from lockhouse.protocols.s3.routes import ROUTES as S3
from lockhouse.protocols.sts import needs as sts_needs
from lockhouse.protocols.sts.routes import ROUTES as STS
from lockhouse.protocols.sts.routes import UNSIGNED
from lockhouse.protocols.tfe import needs as tfe_needs
from lockhouse.protocols.tfe import room as tfe_room
from lockhouse.protocols.tfe.routes import ROUTES as TFE

SOURCE = Path(lockhouse.__file__).parent
ROOMS = ("app.py", "console", "edge", "protocols", "runtime/entrance.py")
"""Where requests are told apart by their path."""
BEGINNINGS = {
    "/",
    "/http/",
    "/lockhouse/",
    "/api/v2/",
    "/oauth/",
    "/console",
    "/console/",
    "/.well-known/terraform.json",
}
"""How the application tells rooms apart; `/` alone is AWS's, and leads browsers to the console."""
WITHIN = {
    "/lock": "of `http`: METHODS on the lock of an address",
    "/current-state-version": "of `cloud`: a row, told apart for a header of its refusal",
    "/api/v2/teams/team-": "the beginning of links to teams",
    "/aws4_request": "the end of a credential scope",
    "/~": "characters that a signature leaves as they are",
}
"""Parts of a path that are told apart inside of rows, and what only looks like a path."""


def test_every_route_of_every_protocol_has_its_needs_and_no_other():
    assert s3_needs.NEEDS.keys() == {route.name for route in S3}
    assert dynamodb_needs.NEEDS.keys() == {route.action for route in DYNAMODB}
    assert sts_needs.NEEDS.keys() == {f"{route.service}:{route.action}" for route in STS}
    assert http_needs.NEEDS.keys() == set(Act)
    assert set(http_wire.METHODS.values()) | set(http_wire.LOCK_METHODS.values()) == set(Act)
    assert tfe_needs.NEEDS.keys() == {f"{route.method} {route.path}" for route in TFE}
    asked = {f"{route.method} {route.path}" for route in API if route.access is not Access.PROOF}
    assert api_needs.NEEDS.keys() == asked


def test_every_route_without_a_credential_says_what_it_asks_for_instead():
    proved = {f"{route.method} {PREFIX}{route.path}" for route in API if route.access is Access.PROOF}
    assert api_needs.OPEN.keys() == proved | {f"GET {path}" for path in api_app.OPEN}
    assert tfe_needs.OPEN.keys() == {f"{method} {path.decode()}" for method, path in tfe_room.OPEN}
    assert sts_needs.OPEN.keys() == {f"sts:{action}" for action in UNSIGNED}


def literals(path: Path) -> Iterator[str]:
    """The texts in a module that begin with a slash, without a query; also those in one that is put together, and not
    regular expressions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
            if text.startswith("/") and text != "//" and "[" not in text:
                yield text.partition("?")[0]


def test_no_path_is_answered_that_stands_in_no_table():
    rows = (
        {route.path for route in CONSOLE} | {route.path for route in API} | {f"/api/v2/{route.path}" for route in TFE}
    )
    rows |= {name.partition(" ")[2] for table in (api_needs.OPEN, tfe_needs.OPEN) for name in table}
    known = rows | BEGINNINGS | WITHIN.keys() | {PREFIX}
    found = {
        (path.relative_to(SOURCE).as_posix(), text)
        for room in ROOMS
        for path in (sorted((SOURCE / room).rglob("*.py")) if (SOURCE / room).is_dir() else [SOURCE / room])
        if path.name != "needs.py"
        for text in literals(path)
    }
    assert len(found) > len(CONSOLE), "nothing was read"
    strange = {(where, text) for where, text in found if text not in known and not any(text in row for row in rows)}
    assert not strange, sorted(strange)
