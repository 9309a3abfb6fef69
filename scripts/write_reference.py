"""Write docs/reference/settings.md, commands.md, errors.md and rights.md from the tables in the code: `make reference`.

`tests/unit/docs` proves that the pages agree with the code, so a page that was not written anew is noticed.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["COLUMNS"] = "100"

from tests.unit.cli.tree import COMMANDS, help_of
from tests.unit.docs import rights

from lockhouse.cli.exits import EXIT_CODES, MEANINGS
from lockhouse.config import SETTINGS, Setting
from lockhouse.errors import ALL_PROBLEMS, LOCAL_PROBLEMS, Problem
from lockhouse.protocols.api.wire import STATUSES
from lockhouse.protocols.http import wire as http
from lockhouse.protocols.tfe import wire as tfe

_REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"


def settings() -> str:
    """The page of settings."""
    rows = "".join(_setting(each) for each in SETTINGS.values())
    return f"""\
# Settings

Every setting of `lockhouse serve` is a flag, an environment variable and a key in `lockhouse.toml`. A flag wins over
the variable, the variable over the file, the file over the default. The file is the one that `--config` names, or
`lockhouse.toml` in the current directory. A key that is not known is refused; so is a `LOCKHOUSE_…` variable that
looks like a misspelt one.

```toml
# lockhouse.toml
listen = "0.0.0.0:7373"
lock_wait = 30
tls_self_signed = true
```

| Key | Flag | Variable | Default | Meaning |
|---|---|---|---|---|
{rows}
The other commands find their server by `--endpoint` (`LOCKHOUSE_ENDPOINT`) and `--token` (`LOCKHOUSE_TOKEN`), by a
saved login (`lockhouse login`), or on the server's machine by `--data` (`LOCKHOUSE_DATA`); `--ca-file`
(`LOCKHOUSE_CA_FILE`) names certificates to trust for https.
"""


def _setting(setting: Setting) -> str:
    flag = f"`{setting.flag}`, `--no{setting.flag[1:]}`" if setting.is_switch else f"`{setting.flag}`"
    default = setting.default
    shown = (
        str(default).lower() if setting.is_switch else f"{default:g}" if isinstance(default, float) else str(default)
    )
    cells = (
        f"`{setting.name}`",
        flag,
        f"`{setting.variable}`",
        f"`{shown}`" if shown else "none",
        f"{setting.help} ({setting.unit})",
    )
    return f"| {' | '.join(cells)} |\n"


def commands() -> str:
    """The page of commands."""
    exits = "".join(f"| `{int(code)}` | {meaning} |\n" for code, meaning in MEANINGS.items())
    pages = "\n".join(f"### lockhouse {name}\n\n```text\n{help_of(name).strip()}\n```\n" for name in sorted(COMMANDS))
    return f"""\
# Commands

Every command takes `--json` and then prints one JSON document on standard output and nothing else. Problems are two
lines on standard error, `error:` and `hint:`; the exit code says what kind of problem it was.

| Exit code | Meaning |
|---|---|
{exits}
{pages}"""


def errors() -> str:
    """The page of problems."""
    rows = "".join(_problem(code, kind) for code, kind in sorted((ALL_PROBLEMS | LOCAL_PROBLEMS).items()))
    return f"""\
# Problems

Whatever Lockhouse refuses has a code. The JSON API answers `{{"error": {{"code", "message", "hint", "request_id",
"details"}}}}` with the status below; the command line prints message and hint and leaves with the exit code below; S3,
DynamoDB and STS clients get the same message under AWS's own name for it. A problem without a status ends a command
before any server is asked. Anything else is an internal error: its request id stands in the server's log beside the
reason.

Each message names its object, and each hint the next step: a command where there is one, quoted so that it can be
pasted. S3 and DynamoDB clients read it behind `try:`. What DynamoDB itself says of a request that breaks its rules
stands in its own words and without a hint, since SDKs and tools compare them.

| Code | Status | Exit code | Meaning |
|---|---|---|---|
{rows}"""


def _problem(code: str, kind: type[Problem]) -> str:
    meaning = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split()).replace("|", "\\|")
    return f"| `{code}` | {STATUSES.get(code, '')} | {int(EXIT_CODES[code])} | {meaning} |\n"


def statuses(page: str, table: Mapping[str, int]) -> str:
    """A page written by hand, with the table of its protocol's statuses in it written anew."""
    rows = "".join(f"| `{code}` | {status} |\n" for code, status in sorted(table.items()))
    return re.sub(r"(?:\| `[a-z_.]+` \| \d{3} \|\n)+", lambda _: rows, page)


def main() -> None:
    """Write all pages."""
    for name, table in (("http.md", http.STATUSES), ("tfe.md", tfe.STATUSES)):
        page = _REFERENCE / name
        page.write_text(statuses(page.read_text(encoding="utf-8"), table), encoding="utf-8")
    for name, text in (
        ("settings.md", settings()),
        ("commands.md", commands()),
        ("errors.md", errors()),
        ("rights.md", rights.page()),
    ):
        (_REFERENCE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
