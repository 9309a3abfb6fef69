"""Entrances for tests."""

from __future__ import annotations

from lockhouse.runtime.entrance import Entrance
from tests.unit.protocols.api.desk import Desk

MASTER = bytes(range(32))


def entrance_of(desk: Desk, **options) -> Entrance:
    """The local entrance of a desk, or with `provider` another one."""
    return Entrance(desk.house, desk.authenticator, MASTER, **options)
