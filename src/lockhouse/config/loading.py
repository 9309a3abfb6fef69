"""Where the settings of a start come from: a flag wins over the variable, the variable over the file, the file over the
default. Whatever is wrong is a SettingInvalid (`setting.invalid`) that names where it was read.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lockhouse.config import CONFIG_FILE, SETTINGS, Settings
from lockhouse.config.forms import PREFIX, Scalar
from lockhouse.errors import SettingInvalid

_NEAR = 0.85


def load(flags: Mapping[str, Scalar | None], environment: Mapping[str, str]) -> Settings:
    """The settings of this start. `flags` holds what was given on the command line, by setting name (None: not given).

    Raises SettingInvalid (`setting.invalid`), also for unknown keys and for variables that look like a misspelt one."""
    given: dict[str, tuple[Scalar, str]] = {}
    variables = _from_environment(environment)
    chosen = flags.get("config") or variables.get("config", ("", ""))[0]
    given.update(_from_file(str(chosen)))
    given.update(variables)
    given.update((name, (value, SETTINGS[name].flag)) for name, value in flags.items() if value is not None)
    values: dict[str, Any] = {}
    for name, (value, source) in given.items():
        try:
            values[name] = SETTINGS[name].parse(value)
        except ValueError as wrong:
            raise SettingInvalid(
                f"cannot use {source}{'' if SETTINGS[name].secret else f' {str(value)!r}'}: {wrong}",
                hint="lockhouse serve --help",
                setting=name,
            ) from None
    return Settings(**values)


def _from_environment(environment: Mapping[str, str]) -> dict[str, tuple[Scalar, str]]:
    found: dict[str, tuple[Scalar, str]] = {}
    for variable, value in environment.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in SETTINGS and variable == SETTINGS[name].variable:
            found[name] = (value, variable)
            continue
        # Others may stand in the environment by right (LOCKHOUSE_ENDPOINT, a Kubernetes service's); misspelt ones not.
        if near := difflib.get_close_matches(name, SETTINGS, 1, _NEAR):
            raise SettingInvalid(
                f"cannot use the variable {variable}: there is no such setting",
                hint=f"did you mean {SETTINGS[near[0]].variable}?",
                setting=name,
            )
    return found


def _from_file(chosen: str) -> dict[str, tuple[Scalar, str]]:
    path = Path(chosen or CONFIG_FILE)
    if not chosen and not path.is_file():
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as wrong:
        raise SettingInvalid(
            f"cannot read {path}: {wrong}",
            hint="name a file in TOML: --config FILE; docs/reference/settings.md",
            setting="config",
        ) from None
    found: dict[str, tuple[Scalar, str]] = {}
    for name, value in document.items():
        if name not in SETTINGS or name == "config":
            near = difflib.get_close_matches(name, SETTINGS, 1, 0.6)
            raise SettingInvalid(
                f"cannot use {name} in {path}: there is no such setting",
                hint=f"did you mean {near[0]}?" if near else "docs/reference/settings.md lists them all",
                setting=name,
            )
        if not isinstance(value, (str, int, float, bool)):
            raise SettingInvalid(
                f"cannot use {name} in {path}: it must be one value",
                hint="docs/reference/settings.md shows its form",
                setting=name,
            )
        found[name] = (value, f"{name} in {path}")
    return found
