"""Workspaces: the names under which `cloud {}` and `backend "remote"` find a state, and what goes with them.

A workspace is a state plus a stored name, unique in its namespace and changeable. One made over that API keeps its
state at the key of its name. A state that came another way gets the name made from its key (`name_from_key`), if no
other state would get the same; else it has none until somebody names it. Specification: DESIGN "Words".
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.errors import RequestInvalid

MAX_NAME = 90
DEFAULT_PROJECT = "Default Project"
ADOPTED_FIRST = 25
"""How many states are looked at in the first command that names the workspaces of a namespace."""
ADOPTED_MOST = 250
"""And in any: a store that others share is held up for a moment only."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,90}")
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")
_ENDINGS = ("/terraform.tfstate", ".tfstate")
Setting = bool | int | str | None


class Workspace(msgspec.Struct, frozen=True, omit_defaults=True):
    """A named state."""

    id: str
    """Opaque, `ws-…`; stays through renames."""
    address: Address
    name: str
    at: float
    updated_at: float = 0.0
    project: str = ""
    """A project's id; empty: the namespace's default project."""
    tags: tuple[str, ...] = ()
    bindings: dict[str, str] = {}
    """Key-value tags."""
    consumers: tuple[str, ...] = ()
    """Ids of workspaces that may read its outputs, as clients stored them; access itself is decided by grants."""
    settings: dict[str, Setting] = {}
    """What clients set and want back (`description`, `terraform-version`, …), by its name in the API."""


class Project(msgspec.Struct, frozen=True, omit_defaults=True):
    """A group of workspaces."""

    id: str
    namespace: str
    name: str
    at: float
    description: str = ""
    bindings: dict[str, str] = {}


class StateUpload(msgspec.Struct, frozen=True, omit_defaults=True):
    """A state version that was announced, and whose bytes come (or came) to a signed address."""

    id: str
    """Also the nonce of the version that it becomes."""
    address: Address
    at: float
    credential: str
    lock_id: str
    epoch: int
    """Of the lock under which it was announced."""
    serial: int
    lineage: str
    md5: str
    """In hex: what the bytes must have."""
    expires_at: float
    force: bool = False
    seq: int = 0
    """The version it became; 0: none yet."""
    discarded: bool = False


def new_workspace_id(nonce: str) -> str:
    """The id of a new workspace, from 16 random URL-safe characters."""
    return "ws-" + nonce.replace("_", "0").replace("-", "1")


def name_from_key(key: str) -> str:
    """The workspace name that a key suggests; empty when it suggests none."""
    for ending in _ENDINGS:
        if key.endswith(ending):
            key = key[: -len(ending)]
            break
    name = _FOREIGN.sub("-", key)
    return name if len(name) <= MAX_NAME else ""


def next_portion(portion: int, seconds: float) -> int:
    """How many states to look at in the next command that names workspaces, after so many took so long: it must end
    within a few seconds, also on a database that is busy or far away, or it is undone and nothing ever gets done."""
    if seconds > 1.0:
        return max(1, portion // 2)
    return min(ADOPTED_MOST, 2 * portion) if seconds < 0.25 else portion


def check_name(name: str) -> str:
    """The name, or RequestInvalid (`request.invalid`, argument `name`). Source: HCP Terraform API, "Workspaces"."""
    if not _NAME.fullmatch(name):
        raise RequestInvalid(
            f"cannot use {name[:100]!r} as a workspace name: 1 to {MAX_NAME} letters, digits, '-' or '_'",
            hint="choose another: lockhouse workspace name NAMESPACE KEY NAME",
            argument="name",
        )
    return name


def keys_for(name: str) -> tuple[str, ...]:
    """Where the state of a new workspace may be kept, best first."""
    return (name, f"{name}.tfstate", *(f"{name}~{number}" for number in range(2, 100)))


def default_project(namespace: str, at: float) -> Project:
    """The project of every workspace that names none: it is not stored and cannot be removed."""
    return Project(default_project_id(namespace), namespace, DEFAULT_PROJECT, at)


def default_project_id(namespace: str) -> str:
    digest = hashlib.sha256(b"lockhouse/v1/default-project/" + namespace.encode()).hexdigest()
    return f"prj-{digest[:16]}"
