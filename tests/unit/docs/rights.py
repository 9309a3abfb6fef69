"""The page of rights, written from the tables of every protocol. `make reference` writes it; a test holds it there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lockhouse.console.app import ROUTES as CONSOLE
from lockhouse.core.grants import ROLE_RIGHTS
from lockhouse.core.needs import Need, Open
from lockhouse.core.principals import Right
from lockhouse.protocols.api import needs as api
from lockhouse.protocols.api.routes import PREFIX
from lockhouse.protocols.dynamodb import needs as dynamodb
from lockhouse.protocols.http import needs as http
from lockhouse.protocols.http.wire import LOCK_METHODS, METHODS, Act
from lockhouse.protocols.s3 import needs as s3
from lockhouse.protocols.sts import needs as sts
from lockhouse.protocols.tfe import needs as tfe

_HEAD = f"""\
# Rights

One table: every route of every protocol, and which right alone is enough for it. A row says `yes` under each right that
lets the request through when it is the only one granted there; where two are needed together (such as reading the source
of a copy), no single right but `admin` has a `yes`, and the last column says so. What is not granted is denied.

Without a credential, and with one that is revoked or over, every row is refused but those of the last two tables: 401,
or 403 in S3's words, or DynamoDB's own codes. Without the right, what is named by its name answers 403 whether or not it
exists; what is named by an opaque id answers 404 (the current state of a workspace: 403), word for word as an id that
nobody has. `tests/wire/access` asks every row as everybody, and holds the tables to be all that the server answers.

## Roles

| Role | {" | ".join(f"`{right}`" for right in Right)} |
|---|{"---|" * len(Right)}
"""


def page() -> str:
    """The whole page."""
    roles = "".join(
        f"| `{role}` | {' | '.join('yes' if right in rights else '' for right in Right)} |\n"
        for role, rights in ROLE_RIGHTS.items()
    )
    return (
        _HEAD
        + roles
        + _section("S3", s3.NEEDS)
        + _section("DynamoDB", dynamodb.NEEDS)
        + _section("STS and IAM", sts.NEEDS)
        + _section('`backend "http"`', {_methods(act): its for act, its in http.NEEDS.items()})
        + _section('`cloud {}` and `backend "remote"`, below `/api/v2/`', tfe.NEEDS)
        + _section(f"JSON API, below `{PREFIX}`", api.NEEDS)
        + _console()
        + _open()
    )


def _section(title: str, table: Mapping[str, Sequence[Need]]) -> str:
    head = (
        f"| Route | On | {' | '.join(f'`{right}`' for right in Right)} | Note |\n|---|---|{'---|' * len(Right)}---|\n"
    )
    return f"\n## {title}\n\n{head}{''.join(_rows(table))}"


def _rows(table: Mapping[str, Sequence[Need]]) -> Iterable[str]:
    for route, its in table.items():
        for each in its:
            cells = ["yes" if each.is_met_by(right) else "" for right in Right]
            if not each.groups:
                cells = ["any" for _ in Right]
            yield f"| `{route}` | {each.on} | {' | '.join(cells)} | {each.note} |\n"


def _open() -> str:
    tables: tuple[Mapping[str, Open], ...] = (api.OPEN, tfe.OPEN, sts.OPEN)
    rows = "".join(
        f"| `{route}` | {each.proof} | {each.shows} |\n" for table in tables for route, each in table.items()
    )
    return (
        "\n## Without a credential\n\nNo credential is looked at here, and none helps. Whatever gives something away asks"
        f" for a proof of its own.\n\n| Route | What is asked instead | What it is for |\n|---|---|---|\n{rows}"
    )


def _methods(act: Act) -> str:
    plain = [method for method, its in METHODS.items() if its is act]
    locks = [f"{method} …/lock" for method, its in LOCK_METHODS.items() if its is act]
    return ", ".join((*plain, *locks))


def _console() -> str:
    rows = "".join(f"| `{each.method} {each.path}` | {each.access} |\n" for each in CONSOLE)
    return (
        "\n## Console\n\nA page shows what the same caller may see over the JSON API.\n\n| Page | Who may come in |\n"
        f"|---|---|\n{rows}"
    )
