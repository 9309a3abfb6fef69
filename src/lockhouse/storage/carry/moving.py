"""Moving from one place to another, in either direction, in one command that can be interrupted and run again.

The source is marked first, so that no server serves it beside the destination by accident; its data stays as it is. The
mark is a switch: `undo` takes it back.
"""

from __future__ import annotations

from lockhouse.errors import DataInvalid
from lockhouse.storage.carry.carrying import ARRIVING, MOVED, Carried, FromPlace, Tell, carry
from lockhouse.storage.carry.place import Place


def move(source: Place, target: Place, *, opens: bool = True, progress: Tell = bool) -> Carried:
    """Everything of the source into the target; both are compared, row by row and body by body, before it returns.

    No server may use the source meanwhile; the comparison finds what one wrote. Errors: `data.invalid` (the source was
    moved elsewhere before, the target holds other data), else as `carry`.
    """
    with source.store() as store:
        moved = dict(store.read(lambda tx: tx.notices(MOVED))).get(MOVED)
        if moved is not None and moved.decode() != target.name:
            raise DataInvalid(
                f"cannot move {source.name}: it was moved to {moved.decode()} already",
                hint="move it from there; or, if that was given up: lockhouse move --undo PLACE",
            )
        store.write(lambda tx: tx.set_notice(MOVED, target.name.encode()))
    with source.unswept():
        snapshot = source.snapshot()
        try:
            return carry(FromPlace(source, snapshot, progress), target, opens=opens, progress=progress)
        finally:
            snapshot.close()


def undo(place: Place) -> str:
    """Let the place be served again; where it had been moved to (empty: nowhere).

    Errors: `data.invalid` when it is only partly here: the mark to take back is that of its source."""
    with place.store() as store:
        notices = dict(store.read(lambda tx: tx.notices()))
        if arriving := notices.get(ARRIVING):
            raise DataInvalid(
                f"cannot serve {place.name}: it is only partly here, it was being carried from {arriving.decode()}",
                hint="run that restore or move again; or give it up at its source: lockhouse move --undo SOURCE",
            )
        moved = notices.get(MOVED)
        store.write(lambda tx: tx.set_notice(MOVED, None))
    return moved.decode() if moved is not None else ""
