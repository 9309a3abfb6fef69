"""The command `lockhouse review PATH`: options to values, a report to stdout, an exit code.

Exit codes: 0 fine, 1 a rule is violated or a document is wrong, 2 could not analyse. Warnings and progress go to
stderr; what a machine parses goes to stdout alone.
"""

from __future__ import annotations

import datetime as dt
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lockhouse.errors import Problem
from lockhouse.review import base, cost, documents, rules, send
from lockhouse.review.model import Review
from lockhouse.review.reports import as_json, ask, html, markdown, pictures, sarif, terminal
from lockhouse.review.review import known_service, review

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
    send_review: Annotated[bool, typer.Option("--send", help="Send the review to the server.")] = False,
    endpoint: Annotated[
        str, typer.Option("--endpoint", envvar="LOCKHOUSE_ENDPOINT", help="The server, for --send.")
    ] = "",
    token: Annotated[
        str, typer.Option("--token", envvar="LOCKHOUSE_TOKEN", help="The token, for --send.", show_envvar=True)
    ] = "",
) -> None:
    """Which cloud services does this repository use, who uses each, what does it cost, and can it go?"""
    try:
        code = _run(
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


def _run(
    path: Path,
    asked: list[str],
    form: Format,
    output: Path | None,
    forbid: list[str],
    allow_only: list[str],
    config: Path | None,
    baseline: Path | None,
    write_baseline: Path | None,
    base_revision: str | None,
    check_doc: Path | None,
    prices: Path | None,
    *,
    strict: bool,
    fail_on_new: bool,
    send_review: bool,
    endpoint: str,
    token: str,
) -> int:
    today = dt.datetime.now(dt.UTC).date()
    known = tuple(dict.fromkeys(known_service(name) for part in asked for name in part.split(",") if name.strip()))
    wanted = _rules(path, config, forbid, allow_only, strict=strict)
    table = cost.read_prices(prices, today) if prices else cost.shipped_prices(today)
    found = review(path, known, table)
    violations = list(rules.check(found, wanted))
    chosen = baseline or (path / wanted.baseline if wanted.baseline else None)
    if write_baseline:
        write_baseline.write_text(rules.baseline_text(found), encoding="utf-8")
    elif chosen is not None:
        violations += rules.against_baseline(found, _text(chosen))
    changes = None
    if base_revision:
        with base.tree_at(path.resolve(), base_revision) as folder:
            changes = rules.compare(review(folder, (), table), found, base_revision)
        if fail_on_new or wanted.fail_on_new:
            violations += [rules.Violation("new", m, s, u) for u, s, m in changes.added]
    if check_doc is not None:
        return _document(found, path, check_doc, known, form, table, output)
    text = _render(found, form, known, tuple(violations), changes, to_terminal=output is None)
    _write(text, output)
    if send_review:
        where = send.send(as_json.document(found, tuple(violations), changes), endpoint, token)
        typer.echo(f"Sent: {where}", err=True)
    if form not in {Format.TERMINAL, Format.JSON}:
        for violation in violations:
            typer.echo(f"violated: {violation.rule}: {violation.message}", err=True)
    return VIOLATED if violations else FINE


def _rules(path: Path, config: Path | None, forbid: list[str], allow_only: list[str], *, strict: bool) -> rules.Rules:
    default = path / "review.toml"
    if config is not None:
        wanted = rules.parse_file(_text(config))
    elif default.is_file() and not default.is_symlink():
        wanted = rules.parse_file(_text(default))
    else:
        wanted = rules.Rules()
    wanted.forbid += rules.parse_all(forbid)
    wanted.allow_only += rules.parse_all(allow_only)
    wanted.strict = wanted.strict or strict
    return wanted


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise rules.RuleInvalid(f"cannot read {path.name}", hint="does the file exist, and is it UTF-8?") from error


def _document(
    found: Review,
    path: Path,
    document: Path,
    asked: tuple[str, ...],
    form: Format,
    table: cost.Prices,
    output: Path | None,
) -> int:
    text = _text(document)
    wrong = documents.check(text, document.name, found, path.resolve(), asked, table)
    _write(
        documents.render_json(found, wrong) if form is Format.JSON else documents.render(document.name, wrong), output
    )
    return VIOLATED if wrong else FINE


def _render(
    found: Review,
    form: Format,
    asked: tuple[str, ...],
    violations: tuple[rules.Violation, ...],
    changes: rules.Changes | None,
    *,
    to_terminal: bool,
) -> str:
    match form:
        case Format.JSON:
            return as_json.render(found, violations, changes)
        case Format.SARIF:
            return sarif.render(found, violations)
        case Format.HTML:
            return html.render(found, violations, changes)
        case Format.MERMAID:
            return pictures.mermaid_lanes(found)
        case Format.SEQUENCE:
            return pictures.mermaid_sequence(found)
        case Format.SVG:
            return pictures.svg_lanes(found)
        case Format.COSTS:
            return pictures.svg_costs(list(found.services))
        case _ if asked and changes is None and not violations:
            return "\n".join(ask.render(found, s) for s in found.services if s.service in asked)
        case Format.MARKDOWN:
            return markdown.render(found, violations, changes)
        case _:
            return terminal.render(found, violations, changes, color=to_terminal and sys.stdout.isatty())


def _write(text: str, output: Path | None) -> None:
    if output is not None:
        output.write_text(text, encoding="utf-8")
        return
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()
