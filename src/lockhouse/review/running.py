"""One run of the command: options to values, a review, its rules, a report, and the exit code.

Everything the command needs is imported here and not in `command`, so that the program's other commands start at once.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from pathlib import Path

import typer

from lockhouse.review import base, cost, documents, rules, send, traffic
from lockhouse.review.command import FINE, VIOLATED, Format
from lockhouse.review.model import Review
from lockhouse.review.reports import as_json, ask, html, markdown, pictures, sarif, terminal
from lockhouse.review.review import known_service, review


def run(
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
    with_traffic: bool,
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
    clients = traffic.seen(found, endpoint, token) if with_traffic else None
    values = as_json.document(found, tuple(violations), changes, clients)
    if form is Format.JSON:
        text = as_json.text_of(values)
    else:
        text = _render(found, form, known, tuple(violations), changes, to_terminal=output is None)
        if clients is not None and form in {Format.TERMINAL, Format.MARKDOWN}:
            text += _clients(clients)
    _write(text, output)
    if send_review:
        where = send.send(values, endpoint, token)
        typer.echo(f"Sent: {where}", err=True)
    if form not in {Format.TERMINAL, Format.JSON}:
        for violation in violations:
            typer.echo(f"violated: {violation.rule}: {violation.message}", err=True)
    return VIOLATED if violations else FINE


def _clients(clients: tuple[traffic.ClientSeen, ...]) -> str:
    lines = [f"- {c.name}: {c.facet}, {c.namespace}/{c.key}, last {c.last}" for c in clients]
    return "\n".join(["", "## What the server has seen", "", traffic.sentence(clients), "", *lines, ""])


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
            return terminal.render(found, violations, changes, color=to_terminal and _in_color())


def _in_color() -> bool:
    """Whether standard output is a terminal that shows colours and whose user wants them (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _write(text: str, output: Path | None) -> None:
    if output is not None:
        output.write_text(text, encoding="utf-8")
        return
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()
