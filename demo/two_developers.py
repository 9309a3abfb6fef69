"""Two developers, one state: what plain S3 + DynamoDB loses, and what Lockhouse does.

Alice's backend block has `dynamodb_table`, Bob's has `use_lockfile`; both are valid, and a team that moves from one to
the other has both for a while. The story is `tests/e2e/scenarios/mixed_fleet.py`, which the end-to-end tests judge.
Here it is only told: what happens goes to stderr as it happens, the comparison to stdout at the end.

The exit code is 0 if Lockhouse lost nothing, 1 if it did, 2 if the story could not be played.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.e2e.clouds import Cloud, Lockhouse, Moto, lockhouse_program
from tests.e2e.scenarios.mixed_fleet import Story, play, play_on_plain_aws
from tests.e2e.terraform import NEWEST
from tests.e2e.toolchain.clients import terraform_program

_ACTS = ((False, "a first apply: no state yet"), (True, "a later apply: the state exists"))
_PLAIN, _OURS = "plain S3 + DynamoDB (moto)", "Lockhouse"


def main() -> int:
    """Play both acts on both servers and compare."""
    progress = Console(stderr=True, highlight=False)
    for needed in (terraform_program(NEWEST), lockhouse_program()):
        if not needed.exists():
            progress.print(f"error: cannot find {needed.name}\nhint: make tools")
            return 2
    began = time.monotonic()
    progress.print(f"Two developers work on one state with Terraform {NEWEST}.")
    progress.print("Alice's backend block says dynamodb_table, Bob's says use_lockfile.\n")
    with tempfile.TemporaryDirectory(prefix="lockhouse-demo-") as scratch:
        stories = {
            _PLAIN: _on_plain_aws(Path(scratch) / "plain", progress),
            _OURS: _on_lockhouse(Path(scratch) / "lockhouse", progress),
        }
    progress.print(f"Played in {time.monotonic() - began:.0f} seconds.\n")
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    for index, (_, title) in enumerate(_ACTS):
        out.print(_comparison(title, {name: told[index] for name, told in stories.items()}))
    lost = {name: [loss for story in told for loss in story.lost] for name, told in stories.items()}
    out.print(f'{_PLAIN} lost: {_list(lost[_PLAIN])}. Both developers had seen "Apply complete!" and exit code 0.')
    out.print(f"{_OURS} lost: {_list(lost[_OURS])}. The second developer was told who holds the lock, and tried again.")
    return 1 if lost[_OURS] else 0


def _on_plain_aws(scratch: Path, progress: Console) -> list[Story]:
    scratch.mkdir()
    server = Moto(scratch)
    try:
        return _acts(_PLAIN, partial(play_on_plain_aws, server.cloud), scratch, progress)
    finally:
        server.stop()


def _on_lockhouse(scratch: Path, progress: Console) -> list[Story]:
    # By default a second run waits for its turn; here it is refused at once, so that there is something to see.
    server = Lockhouse(scratch / "server", settings={"LOCKHOUSE_LOCK_WAIT": "0"})
    try:
        return _acts(_OURS, partial(_play, server.cloud), scratch, progress)
    finally:
        server.abandon()


def _play(cloud: Cloud, scratch: Path, *, existing: bool, tell: Callable[[str], None]) -> Story:
    return play(cloud, cloud.new_place("demo"), scratch, existing=existing, tell=tell)


def _acts(name: str, act: Callable[..., Story], scratch: Path, progress: Console) -> list[Story]:
    told = []
    for existing, title in _ACTS:
        progress.print(f"{name}, {title}")
        story = act(scratch / f"act-{len(told)}", existing=existing, tell=_teller(progress))
        told.append(story)
        progress.print(f"    in the state now: {_list(story.resources)}; lost: {_list(story.lost)}\n")
    return told


def _teller(progress: Console) -> Callable[[str], None]:
    return lambda line: progress.print(f"  - {line}")


def _comparison(title: str, stories: dict[str, Story]) -> Table:
    table = Table(title=title[0].upper() + title[1:], title_justify="left", title_style="bold")
    table.add_column("")
    for name in stories:
        table.add_column(name)
    rows: tuple[tuple[str, Callable[[Story], str]], ...] = (
        ("Alice (dynamodb_table)", lambda story: _ended(story.alice.code)),
        ("Bob, while Alice applies", lambda story: _ended(story.bob.code)),
        ("Bob, second try", lambda story: _ended(story.bob_again.code) if story.bob_again else "not needed, he thinks"),
        ("made in the world", lambda story: _list(story.made)),
        ("recorded in the state", lambda story: _list(story.resources)),
        ("serials of the versions", lambda story: ", ".join(map(str, story.serials))),
        ("lost", lambda story: _list(story.lost)),
    )
    for label, read in rows:
        table.add_row(label, *(read(story) for story in stories.values()))
    return table


def _ended(code: int) -> str:
    return "Apply complete! (exit 0)" if code == 0 else f"refused, the holder named (exit {code})"


def _list(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing"
