"""The command `lockhouse review PATH`: options to values, a report to stdout, an exit code.

Exit codes: 0 fine, 1 a rule is violated or a document is wrong, 2 could not analyse. Warnings and progress go to
stderr; what a machine parses goes to stdout alone.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lockhouse.errors import Problem

FINE, VIOLATED, IMPOSSIBLE = 0, 1, 2


class Format(StrEnum):
    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    JSON = "json"
    SARIF = "sarif"
    HTML = "html"
    MERMAID = "mermaid"
    SVG = "svg"
    SEQUENCE = "sequence"
    COSTS = "costs"


def review_command(
    path: Annotated[Path, typer.Argument(help="The repository's folder.")] = Path(),
    asked: Annotated[list[str] | None, typer.Option("--ask", help="Write the whole answer for this service.")] = None,
    as_json_flag: Annotated[bool, typer.Option("--json", help="Print JSON (schema lockhouse.review/1).")] = False,
    form: Annotated[Format, typer.Option("--format", help="The form of the report.")] = Format.TERMINAL,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the report to this file.")] = None,
    forbid: Annotated[list[str] | None, typer.Option("--forbid", help="USER:SERVICE that must not be used.")] = None,
    allow_only: Annotated[
        list[str] | None, typer.Option("--allow-only", help="USER:SERVICE[,SERVICE] and nothing else.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Rules (default: review.toml in PATH).")] = None,
    baseline: Annotated[Path | None, typer.Option("--baseline", help="Fail on what is not in this file.")] = None,
    write_baseline: Annotated[
        Path | None, typer.Option("--write-baseline", help="Write today's uses to this file.")
    ] = None,
    base_revision: Annotated[
        str | None, typer.Option("--base", help="Say what changed against this git revision.")
    ] = None,
    fail_on_new: Annotated[bool, typer.Option("--fail-on-new", help="With --base: fail when a use is added.")] = False,
    check_doc: Annotated[Path | None, typer.Option("--check-doc", help="Verify what this document says.")] = None,
    prices: Annotated[Path | None, typer.Option("--prices", help="A prices file (see prices.toml).")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Count an unknown as a use in --forbid.")] = False,
    with_traffic: Annotated[
        bool, typer.Option("--traffic", help="Ask the server which clients still lock through the table.")
    ] = False,
    send_review: Annotated[bool, typer.Option("--send", help="Send the review to the server.")] = False,
    endpoint: Annotated[
        str, typer.Option("--endpoint", envvar="LOCKHOUSE_ENDPOINT", help="The server, for --send.")
    ] = "",
    token: Annotated[
        str, typer.Option("--token", envvar="LOCKHOUSE_TOKEN", help="The token, for --send.", show_envvar=True)
    ] = "",
) -> None:
    """Which cloud services does this repository use, who uses each, what does it cost, and can it go?

    Example: lockhouse review . --ask dynamodb
    """
    from lockhouse.review.running import run  # noqa: PLC0415 - the program must start at once

    try:
        code = run(
            path,
            asked or [],
            Format.JSON if as_json_flag else form,
            output,
            forbid or [],
            allow_only or [],
            config,
            baseline,
            write_baseline,
            base_revision,
            check_doc,
            prices,
            strict=strict,
            fail_on_new=fail_on_new,
            with_traffic=with_traffic,
            send_review=send_review,
            endpoint=endpoint,
            token=token,
        )
    except Problem as problem:
        typer.echo(f"error: {problem.message}", err=True)
        if problem.hint:
            typer.echo(f"hint: {problem.hint}", err=True)
        raise typer.Exit(IMPOSSIBLE) from None
    raise typer.Exit(code)


def register(app: typer.Typer) -> None:
    """Adds `review` to the program."""
    app.command("review")(review_command)
