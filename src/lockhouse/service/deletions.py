"""The guarded delete: for people. A state that still describes resources is not deleted unless that is said.

Clients of a protocol delete by that protocol's rules (`service.objects.delete`); this is the command line's and the
console's way. A delete is soft: it writes a marker, and every version stays.
"""

from __future__ import annotations

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Transaction
from lockhouse.errors import DeleteGuarded, StateNotFound
from lockhouse.service import history, objects
from lockhouse.service.callers import Caller
from lockhouse.service.objects import Deleted


def delete(tx: Transaction, caller: Caller, address: Address, nonce: str, *, resources_known: bool) -> Deleted:
    """Write a delete marker. `resources_known`: the caller says that the remaining resources are meant to be forgotten.

    Needs `write`. Errors: `delete.resources` (details `resources`: how many, -1 where that is unknown), as
    `service.objects.delete`; `state.not_found` where there is nothing to delete."""
    _, current = history.show_state(tx, caller, address)
    if current is None or current.is_delete_marker:
        raise StateNotFound(
            f"cannot delete {address.lock_id}: there is no state", hint=f"lockhouse state list {address.namespace}"
        )
    facts = current.facts
    left = facts.resources if facts is not None else 0
    if left and not resources_known:
        many = "resources, nobody knows how many" if left < 0 else f"{left} resource{'s' if left > 1 else ''}"
        raise DeleteGuarded(
            f"cannot delete {address.lock_id}: it still describes {many}",
            hint="destroy them first (terraform destroy), or say that you mean it: --force",
            resources=left,
        )
    deleted = objects.delete(tx, caller, address, nonce)
    assert deleted is not None
    return deleted
