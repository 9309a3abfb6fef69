"""What another request, or a database that goes away, does between two steps of a lock or unlock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from lockhouse.core.ports import Reader, Transaction
from lockhouse.errors import StorageUnavailable
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.house import House
from lockhouse.service.locks import Taken
from tests.wire.rig import Rig, state
from tests.wire.tfe.conftest import Client, mounted

T = TypeVar("T")


class Played(Engine):
    """A database with which something happens between two steps."""

    before_write: Callable[[], Awaitable[object]] | None = None
    away_after_a_grant = False
    _away = False

    async def write(self, command: Callable[[Transaction], T]) -> T:
        act, self.before_write = self.before_write, None
        if act is not None:
            await act()
        result = await super().write(command)
        self._away = self.away_after_a_grant and isinstance(result, Taken)
        return result

    async def read(self, query: Callable[[Reader], T]) -> T:
        if self._away:
            raise StorageUnavailable("the database is away", hint="wait")
        return await super().read(query)


class PlayedRig(Rig):
    async def _build(self) -> House:
        engine = Played(self.store, self.blobs, now=lambda: self.now)
        engine.start()
        return House(engine, lock_wait=0.0, max_body=1 << 20)

    @property
    def engine(self) -> Played:
        assert isinstance(self.house.engine, Played)
        return self.house.engine


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[PlayedRig]:
    made = mounted(PlayedRig(tmp_path))
    assert isinstance(made, PlayedRig)
    yield made
    made.close()


def test_a_force_unlock_does_not_take_the_lock_that_somebody_was_granted_since(
    rig: PlayedRig, ann: Client, bob: Client
):
    workspace = ann.workspace()
    assert ann.lock(workspace).status == 200

    async def change_hands() -> None:
        for client, action in ((ann, "unlock"), (bob, "lock")):
            path = f"/api/v2/workspaces/{workspace}/actions/{action}"
            answer = await rig._serve("POST", path, b"{}", client.user.bearer, cut=False, peer=client.peer)
            assert answer.status == 200

    rig.engine.before_write = change_hands
    refused = ann.ask("POST", f"workspaces/{workspace}/actions/force-unlock")
    assert refused.status == 409
    assert bob.save(workspace, state(1)).status == 200  # it has the lock
    assert ann.ask("POST", f"workspaces/{workspace}/actions/force-unlock").status == 200


def test_who_was_granted_a_lock_is_told_though_the_database_goes_away_right_after(rig: PlayedRig, ann: Client):
    """It could not ask for it again: a workspace lock has no id by which it would be known."""
    workspace = ann.workspace()
    rig.engine.away_after_a_grant = True
    found = ann.lock(workspace)
    assert found.status == 200
    assert found.json()["data"]["attributes"]["locked"] is True
    rig.engine.away_after_a_grant = rig.engine._away = False
    assert ann.save(workspace, state(1)).status == 200
    assert ann.unlock(workspace).status == 200
