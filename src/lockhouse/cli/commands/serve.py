"""`lockhouse serve`: every setting is a flag of this command, made from `config.SETTINGS`."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lockhouse.cli import logs
from lockhouse.cli.frame import Run, command
from lockhouse.config import SETTINGS, Setting, Settings, load


def _parameter(setting: Setting) -> inspect.Parameter:
    text = f"{setting.help} [{setting.unit}; default: {setting.default if setting.default != '' else 'none'}]"
    flags = (f"{setting.flag}/--no{setting.flag[1:]}",) if setting.is_switch else (setting.flag,)
    option = typer.Option(*flags, help=text, show_default=False)
    annotation = Annotated[bool | None, option] if setting.is_switch else Annotated[str | None, option]
    return inspect.Parameter(setting.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def serve(run: Run, **flags: Any) -> None:  # noqa: ANN401 - flags are checked by `config.load`
    """Serve states and locks until SIGTERM.

    Example: lockhouse serve --data /var/lib/lockhouse --listen 0.0.0.0:7373 --tls-self-signed

    The first start makes the data directory, an administrator whose credentials it writes to DIR/credentials.json, a
    namespace and a lock table. A line "Lockhouse is ready at URL" says that requests are accepted.
    """
    settings = load(flags, os.environ)
    logs.configure(settings.log_level, settings.log_format)
    from lockhouse import app

    def ready(endpoint: str, first: bool) -> None:
        announce(settings, endpoint, first=first, as_json=run.as_json)

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


def register(app: typer.Typer) -> None:
    parameters = [
        inspect.Parameter("run", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Run),
        *map(_parameter, SETTINGS.values()),
    ]
    serve.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command(app, "serve", connects=False)(serve)
