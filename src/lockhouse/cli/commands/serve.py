"""`lockhouse serve`: every setting is a flag of this command, made from `config.SETTINGS`."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from lockhouse.cli import serving
from lockhouse.cli.frame import Run, command
from lockhouse.config import SETTINGS, Setting


def _parameter(setting: Setting) -> inspect.Parameter:
    text = f"{setting.help} [{setting.unit}; default: {setting.default if setting.default != '' else 'none'}]"
    flags = (f"{setting.flag}/--no{setting.flag[1:]}",) if setting.is_switch else (setting.flag,)
    option = typer.Option(*flags, help=text, show_default=False)
    annotation = Annotated[bool | None, option] if setting.is_switch else Annotated[str | None, option]
    return inspect.Parameter(setting.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def serve(run: Run, **flags: Any) -> None:  # noqa: ANN401 - flags are checked by `config.loading`
    """Serve states and locks until SIGTERM.

    Example: lockhouse serve --data /var/lib/lockhouse --listen 0.0.0.0:7373 --tls-self-signed --public-url https://states.example.org:7373

    The first start makes the data directory, an administrator whose credentials it writes to DIR/credentials.json, a
    namespace and a lock table. A line "Lockhouse is ready at URL" says that requests are accepted.
    """
    serving.serve(flags, as_json=run.as_json)


def register(app: typer.Typer) -> None:
    parameters = [
        inspect.Parameter("run", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Run),
        *map(_parameter, SETTINGS.values()),
    ]
    serve.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command(app, "serve", connects=False)(serve)
