"""`lockhouse audit`."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, TypeVar

import msgspec
import typer

from lockhouse.cli.arguments import read_moment
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, facts, short
from lockhouse.errors import AuditBroken, DataInvalid, RequestInvalid

if TYPE_CHECKING:
    from lockhouse.audit.signing import Checkpoint
    from lockhouse.core.audit import Segment

_T = TypeVar("_T")
group = typer.Typer(no_args_is_help=True, help="The audit log: who did what, and the proof that nobody changed it.")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(\d{1,6})([smhdw])")
_PATIENCE = 1.0


class Form(StrEnum):
    """How an export is written."""

    JSONL = "jsonl"
    CSV = "csv"


Moment = Annotated[str, typer.Option(metavar="TIME", help="As 2026-01-31, 2026-01-31T10:00:00Z, or ago: 90m, 7d.")]


@command(group, "list")
def list_all(
    run: Run,
    *,
    namespace: Annotated[str, typer.Option("--namespace", help="Only of this one.")] = "",
    prefix: Annotated[str, typer.Option("--prefix", help="Only of keys that start with this.")] = "",
    principal: Annotated[str, typer.Option("--principal", help="Only by this one: its name or id.")] = "",
    action: Annotated[
        str, typer.Option("--action", help="Only these: lock, lock.forced, version, s3:GetObject …")
    ] = "",
    outcome: Annotated[str, typer.Option("--outcome", help="Only allowed, refused or failed ones.")] = "",
    since: Moment = "",
    until: Moment = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many, newest first.")] = 50,
) -> None:
    """List what was decided, newest first.

    Example: lockhouse audit list --namespace terraform-state --action lock --since 7d
    """
    query = {
        "namespace": namespace,
        "prefix": prefix,
        "principal": principal,
        "action": action,
        "outcome": outcome,
        "since": _moment(since),
        "until": _moment(until),
    }
    found = run.client.audit(query, limit)
    rows = [
        (
            str(each.number) if each.number else "-",
            short(each.at),
            each.action,
            each.outcome if not each.code else f"{each.outcome} ({each.code})",
            each.name or "-",
            each.peer,
            f"{each.namespace}/{each.key}" if each.key else each.namespace,
            each.subject or (str(each.count) if each.count else ""),
            each.detail,
        )
        for each in found
    ]
    titles = ("number", "when", "what", "outcome", "by", "from", "on", "subject", "detail")
    least = ("number", "detail", "subject")
    run.show(found, columns(titles, rows, "no entries", least=least, prose=("what", "outcome", "detail")))


@command(group, "verify")
def verify(
    run: Run,
    export: Annotated[str, typer.Argument(metavar="EXPORT", help="A file of `audit export`; none: the server.")] = "",
    *,
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="A file of `audit checkpoint`, kept elsewhere.")] = "",
    public_key: Annotated[str, typer.Option("--public-key", help="The server's key, in hex, from a checkpoint.")] = "",
) -> None:
    """Compute the whole chain anew, and name the first entry that was changed, left out or put in.

    Without a checkpoint or key of your own, the server vouches for itself.

    Example: lockhouse audit verify --checkpoint checkpoint-2026-01.json
    """
    from lockhouse.audit.export import check, checkpoint_of
    from lockhouse.audit.segments import check_all

    known = _checkpoint(checkpoint) if checkpoint else None
    key = _key(public_key or (known.public_key if known is not None else ""))
    others = [known] if known is not None else []
    if export:
        with _open(export) as file:
            count, tail, wrong = check(_watched(file, "checked"), key, others)
    else:
        sealed, own = _sealed(run, "segments checked")
        count, last, wrong = check_all(sealed, key or own, others)
        tail = checkpoint_of(last, key or own) if last is not None else None
    if wrong is not None:
        raise AuditBroken(
            f"cannot trust the audit log from entry {wrong.number} on: {wrong.reason}",
            hint="compare with an older export or a backup",
            number=wrong.number,
        )
    assert tail is not None
    proof = "your key" if key is not None else "the log's own key: compare it with a checkpoint that you kept"
    shown = {"entries": count, "last": tail.number, "hash": tail.hash, "public_key": tail.public_key}
    run.show(
        shown,
        facts((("entries", f"{count}, all in order"), ("last", str(tail.number)), ("hash", tail.hash), ("by", proof))),
    )


@command(group, "export")
def export(
    run: Run,
    *,
    form: Annotated[Form, typer.Option("--format", help="jsonl proves itself; csv is for spreadsheets.")] = Form.JSONL,
    output: Annotated[str, typer.Option("--output", "-o", help="A file to make; none: standard output.")] = "",
) -> None:
    """Write every sealed entry, oldest first.

    Example: lockhouse audit export --output audit.jsonl
    """
    from lockhouse.audit.export import csv_lines, json_lines

    if not output and run.as_json:
        raise RequestInvalid("cannot print the log and a JSON document at once", hint="name a file: --output FILE")
    segments, key = _sealed(run, "segments")
    lines = json_lines(segments, key) if form is Form.JSONL else (line.encode() for line in csv_lines(segments))
    if not output:
        for line in lines:
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        return
    count = 0
    try:
        with Path(output).expanduser().open("xb") as file:
            for line in lines:
                count += file.write(line)
    except OSError as wrong:
        raise DataInvalid(f"cannot write {output}: {wrong.strerror}", hint="name a file that is not there") from None
    run.show({"file": output, "bytes": count}, f"wrote {output}: {count} bytes")


@command(group, "checkpoint")
def take_checkpoint(run: Run) -> None:
    """Get a signed statement about the newest sealed entry; keep it where this server cannot change it.

    Example: lockhouse audit checkpoint --json > checkpoint.json
    """
    found = run.client.audit_checkpoint()
    made = found.checkpoint
    run.show(
        found,
        facts(
            (
                ("entry", str(made.number)),
                ("hash", made.hash),
                ("public key", made.public_key),
                ("signature", made.signature),
            )
        ),
    )


def _sealed(run: Run, what: str) -> tuple[Iterator[Segment], bytes]:
    """(all sealed segments, the server's public key). Errors: `request.invalid` while there is none."""
    found = run.client.audit_segments()
    first = next(found, None)
    if first is None:
        raise RequestInvalid(
            "cannot read the audit log: nothing is sealed yet",
            hint="ask again in some seconds; lockhouse audit list shows what is written",
        )
    rest = (segment for segment, _ in found)
    return _watched(chain((first[0],), rest), what), first[1]


def _moment(text: str) -> str:
    """Seconds since 1970 as the API takes them."""
    if not text:
        return ""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return f"{time.time() - int(ago[1]) * _UNITS[ago[2]]:.3f}"
    return f"{read_moment(text, 'as 2026-01-31T10:00:00Z, or ago: 90m, 7d'):.3f}"


def _checkpoint(file: str) -> Checkpoint:
    from lockhouse.protocols.api.wire_audit import CheckpointDocument

    with _open(file) as opened:
        raw = opened.read(100_000)
    try:
        return msgspec.json.decode(raw, type=CheckpointDocument).checkpoint
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DataInvalid(
            f"cannot read {file}: it is no checkpoint", hint="lockhouse audit checkpoint --json"
        ) from None


def _key(text: str) -> bytes | None:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b"?"
    if len(found) not in (0, 32):
        raise RequestInvalid(
            f"cannot use --public-key {text[:80]!r}: it has 64 hexadecimal digits",
            hint="lockhouse audit checkpoint shows it",
            argument="public-key",
        )
    return found or None


def _open(file: str) -> BinaryIO:
    try:
        return Path(file).expanduser().open("rb")
    except OSError as wrong:
        raise DataInvalid(f"cannot read {file}: {wrong.strerror}", hint="lockhouse audit export") from None


def _watched(things: Iterable[_T], what: str) -> Iterator[_T]:
    """The things; on a terminal, once a second has passed, a line on standard error counts them."""
    watched = sys.stderr.isatty()
    shown = time.monotonic()
    for count, each in enumerate(things, 1):
        yield each
        if watched and time.monotonic() - shown > _PATIENCE:
            shown = time.monotonic()
            sys.stderr.write(f"\r{count} {what} …")
            sys.stderr.flush()
    if watched:
        sys.stderr.write("\r\033[K")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="audit")
