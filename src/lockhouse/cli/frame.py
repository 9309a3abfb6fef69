"""What every command shares: how it is declared, the options that find the server, and how it ends.

A command is a function whose first argument is its `Run`; the rest of its signature is its own arguments. `command`
adds `--json` and, for commands that talk to a server, the options that find it, and turns every problem into
`error:` and `hint:` lines on standard error and an exit code (`cli.exits`).
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from typer.models import ParameterInfo

from lockhouse.cli import exits
from lockhouse.cli.exits import Exit

if TYPE_CHECKING:
    from lockhouse.clients.client import Client

_HELP = "Finding the server"
_JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text for people.")]
_WHOLE_KEY = Annotated[
    str,
    typer.Argument(
        metavar="KEY", help="The key of the state in it; or both as one: NAMESPACE/KEY.", show_default=False
    ),
]
_CONNECTION: dict[str, Any] = {
    "endpoint": Annotated[
        str,
        typer.Option(
            "--endpoint", envvar="LOCKHOUSE_ENDPOINT", help="Where the server is, as a URL.", rich_help_panel=_HELP
        ),
    ],
    "token": Annotated[
        str,
        typer.Option(
            "--token", envvar="LOCKHOUSE_TOKEN", help="An API token.", rich_help_panel=_HELP, show_envvar=True
        ),
    ],
    "data": Annotated[
        str,
        typer.Option(
            "--data",
            envvar="LOCKHOUSE_DATA",
            help="The server's data directory, on the same machine: its credentials.json is used.",
            rich_help_panel=_HELP,
        ),
    ],
    "ca_file": Annotated[
        str,
        typer.Option(
            "--ca-file",
            envvar="LOCKHOUSE_CA_FILE",
            help="Certificates to trust for https, as PEM.",
            rich_help_panel=_HELP,
        ),
    ],
}


@dataclass
class Run:
    """One run of a command."""

    as_json: bool
    connection: dict[str, str]
    _client: Client | None = None

    @property
    def client(self) -> Client:
        """The server, found when it is first asked for. Errors: `server.unreachable`."""
        if self._client is None:
            from lockhouse.clients import discovery

            self._client = discovery.connect(**self.connection)
        return self._client

    def show(self, document: object, text: str) -> None:
        """Print the document as JSON, or the text for people."""
        if self.as_json:
            import msgspec

            text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
        sys.stdout.write(text if not text or text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()

    def done(self, **document: str) -> None:
        """Print what was done, in words (`text`) or as JSON."""
        text = document.pop("text")
        self.show(document, text)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


def command(
    group: typer.Typer, name: str, *, connects: bool = True, hidden: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declare a command of a group; its help is the docstring."""

    def declare(function: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(function, eval_str=True)
        added = {
            "as_json": inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_JSON)
        }
        if connects:
            for option, annotation in _CONNECTION.items():
                added[option] = inspect.Parameter(
                    option, inspect.Parameter.KEYWORD_ONLY, default="", annotation=annotation
                )

        state = _names_a_state(own)

        @functools.wraps(function)
        def wrapper(**given: Any) -> None:  # noqa: ANN401 - the arguments are the command's own
            _refuse_empty(own, given, "key" if state else "")
            if state and not given["key"]:
                given["namespace"], given["key"] = _parted(given["namespace"])
            run = Run(given.pop("as_json"), {option: given.pop(option) for option in _CONNECTION if option in added})
            try:
                code = exits.run(lambda: function(run, **given))
            finally:
                run.close()
            if code is not Exit.OK:
                raise typer.Exit(code)

        parameters = [
            each.replace(default="", annotation=_WHOLE_KEY) if state and each.name == "key" else each
            for each in (*list(own.parameters.values())[1:], *added.values())
        ]
        signature = inspect.Signature(parameters, return_annotation=None)
        del wrapper.__wrapped__  # else its own signature would be read
        setattr(wrapper, "__signature__", signature)  # noqa: B010 - what Typer reads
        wrapper.__annotations__ = {each.name: each.annotation for each in parameters}
        group.command(name, hidden=hidden, help=_help(inspect.getdoc(function) or ""), no_args_is_help=False)(wrapper)
        return function

    return declare


def _refuse_empty(own: inspect.Signature, given: dict[str, Any], may_be: str) -> None:
    """A name that must be given and is empty: in a script, a variable that is not set. It must not become another
    address, the current directory or the database that is on this machine."""
    for name, parameter in own.parameters.items():
        if parameter.default is not inspect.Parameter.empty or name == may_be or given.get(name) != "":
            continue
        about = next(each for each in get_args(parameter.annotation) if isinstance(each, ParameterInfo))
        declared = [each for each in (about.default, *(about.param_decls or ())) if str(each).startswith("--")]
        shown = declared[0] if declared else about.metavar or name
        raise typer.BadParameter("it is empty; is a variable of the shell not set?", param_hint=shown)


def _names_a_state(own: inspect.Signature) -> bool:
    """Whether its last arguments are NAMESPACE and KEY: then NAMESPACE/KEY may be given as one, as `lock list` and
    Terraform's own errors print it."""
    positional = [each for each in own.parameters.values() if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    return [each.name for each in positional[-2:]] == ["namespace", "key"] and not any(
        each.default is not inspect.Parameter.empty for each in positional
    )


def _parted(place: str) -> tuple[str, str]:
    """A namespace has no slash, so the first one ends it."""
    namespace, _, key = place.partition("/")
    if not key:
        raise typer.BadParameter("say which state: NAMESPACE KEY, or NAMESPACE/KEY", param_hint="KEY")
    return namespace, key


def _help(text: str) -> str:
    """The help with each example on a line of its own, which is never broken: it can be pasted."""

    def paragraph(words: str) -> str:
        if not words.startswith("Example: "):
            return words
        examples = [" ".join(each.split()) for each in words.removeprefix("Example: ").split("Example: ")]
        return "\b\n" + "\n".join(f"Example: {each}" for each in examples)

    return "\n\n".join(paragraph(each) for each in text.split("\n\n"))


def data_directory(text: str) -> Path:
    """The data directory that a command means."""
    from lockhouse.config import SETTINGS

    return Path(text or str(SETTINGS["data"].default)).expanduser()
