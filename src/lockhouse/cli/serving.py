"""What `lockhouse serve` does, and the reading of its plain command lines. It knows no library for command lines."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lockhouse.cli import logs
from lockhouse.config import SETTINGS, Settings
from lockhouse.config.loading import load


def read_plain(words: Sequence[str]) -> tuple[dict[str, str | bool], bool] | None:
    """(flags by setting name, whether to speak JSON) of what follows `lockhouse serve`.

    None when it is not plain: a word that is no flag of `serve`, a flag without its value, given twice, or with a value
    that looks like a flag."""
    flags: dict[str, str | bool] = {}
    as_json = False
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if word == "--json" and not as_json:
            as_json = True
            continue
        known = _SWITCHES.get(word) or _VALUES.get(flag)
        if known is None or known[0] in flags:
            return None
        name, switch = known
        if switch is None and not equals:
            value = next(rest, "-")
            if value.startswith("-"):
                return None
        flags[name] = value if switch is None else switch
    return flags, as_json


def serve(flags: Mapping[str, str | bool | None], *, as_json: bool) -> None:
    """Serve until SIGTERM. `flags`: by setting name; None: not given. Errors: `setting.invalid`, those of a start."""
    settings = load(flags, os.environ)
    logs.configure(settings.log_level, settings.log_format)
    from lockhouse import app

    def ready(endpoint: str, first: bool) -> None:
        announce(settings, endpoint, first=first, as_json=as_json)

    app.run(settings, announce=ready)


def announce(settings: Settings, endpoint: str, *, first: bool, as_json: bool = False) -> None:
    """Tell people (and whoever waits for the line) that requests are accepted at `endpoint`."""
    from lockhouse.bootstrap import backends, first_start

    credentials = first_start.tell_endpoint(settings.data, endpoint)
    if as_json:
        document = {"endpoint": endpoint, "first_start": first, "data": str(settings.data)}
        sys.stdout.write(json.dumps(document) + "\n")
        sys.stdout.flush()
        return
    if first and credentials is not None:
        sys.stdout.write(backends.page(credentials, settings.region, program(), str(settings.data)) + "\n")
    sys.stdout.write(f"Lockhouse is ready at {endpoint}\n")
    sys.stdout.flush()


def program() -> str:
    """How to call this program again in the current shell."""
    if shutil.which("lockhouse"):
        return "lockhouse"
    called = Path(sys.argv[0])
    return str(called) if called.name == "lockhouse" else "lockhouse"


_VALUES = {each.flag: (each.name, None) for each in SETTINGS.values() if not each.is_switch}
_SWITCHES = {
    flag: (each.name, given)
    for each in SETTINGS.values()
    if each.is_switch
    for flag, given in ((each.flag, True), (f"--no{each.flag[1:]}", False))
}
