"""Whose a bucket (or a prefix in it) is: of one house alone, which is one database with all servers that serve it.

The sweep removes what its own database does not refer to: all bodies of another house. So the first house that comes
puts an object with its name there, and no server of another one starts or sweeps there. The name is made at random in a
database and is not carried: what was restored or moved into another database is another house until somebody, who knows
that the first one is gone, removes that object.
"""

from __future__ import annotations

import secrets
from typing import Protocol

from lockhouse.core.ports import Reader, Store, Transaction
from lockhouse.errors import SettingInvalid

OWNER = "lockhouse-house"
"""The object's name, which no blob has."""
_NOTICE = "house"


class Claimable(Protocol):
    """A place of blobs."""

    def claim(self, house: str) -> str:
        """Whose the place is: of this house, if nobody came before. Errors: `storage.unavailable`."""
        ...

    def explain_owner(self) -> tuple[str, str]:
        """(what the place is called, the command that gives it up) for people."""
        ...


def new_house() -> str:
    return secrets.token_hex(16)


def house_in(store: Store) -> str:
    """The name of the house whose only server this is."""

    def known(tx: Reader) -> str:
        return next((body.decode() for name, body in tx.notices(_NOTICE) if name == _NOTICE), "")

    def make(tx: Transaction) -> str:
        house = known(tx) or new_house()
        tx.set_notice(_NOTICE, house.encode())
        return house

    return store.read(known) or store.write(make)


def of_another(blobs: Claimable, house: str) -> SettingInvalid | None:
    """Why the place cannot be used, when it is another's. Errors: `storage.unavailable`."""
    if blobs.claim(house) == house:
        return None
    place, command = blobs.explain_owner()
    return SettingInvalid(
        f"cannot use {place}: it belongs to another Lockhouse, and each would remove the bodies of the other",
        hint="name another bucket or prefix with --blobs (LOCKHOUSE_BLOBS); or, when no server uses that database any "
        f"more (everything was restored or moved into this one): {command}",
        setting="blobs",
    )
