"""Maintenance: start it, change it, end it, list it; and what it refuses.

`core.maintenance` decides whether it stands. A lock request asks in its own transaction (`service.locks`), and so does
whatever writes or deletes a state; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lockhouse.core.addresses import Address, check_key
from lockhouse.core.maintenance import MAX_REASON, Maintenance, standing
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, require, require_below
from lockhouse.core.times import moment
from lockhouse.errors import DeleteLocked, MaintenanceNotFound, RequestInvalid, UnderMaintenance, WriteMaintenance
from lockhouse.service import audit, namespaces
from lockhouse.service.callers import Caller
from lockhouse.service.lock_documents import maintenance_document

MAX_IN_NAMESPACE = 200
OVER = "its time was over"


class Place(msgspec.Struct, frozen=True):
    """Where: the keys of a namespace that start with a prefix, or one whole key."""

    namespace: str
    prefix: str = ""
    exact: bool = False

    def __str__(self) -> str:
        return f"{self.namespace}/{self.prefix}" if self.prefix else self.namespace


def start(
    tx: Transaction, caller: Caller, place: Place, maintenance_id: str, reason: str, until: float = 0.0
) -> tuple[Maintenance, Maintenance | None]:
    """Let maintenance stand there from now on, and what stood at this very place before: then its reason and its end
    are changed, without a moment in between.

    Needs `admin` there. Errors: `request.invalid` (reason, until, prefix, too many), `access.denied`,
    `namespace.not_found`."""
    _require(tx, caller, place)
    if place.prefix or place.exact:
        check_key(place.prefix)
    if not reason.strip() or len(reason) > MAX_REASON:
        raise RequestInvalid(
            f"cannot start maintenance of {place} without a reason of up to {MAX_REASON} characters",
            hint="--reason TEXT: everybody who is refused reads it",
            argument="reason",
        )
    if until and until <= caller.now:
        raise RequestInvalid(
            f"cannot start maintenance of {place}: its end is in the past",
            hint="say how long: lockhouse maintenance start NAMESPACE --reason TEXT --for 2h",
            argument="until",
        )
    found = tx.maintenances(place.namespace)
    kept = _at(found, place)
    before = kept if kept is not None and kept.stands(caller.now) else None
    if kept is None and len(found) >= MAX_IN_NAMESPACE:
        raise RequestInvalid(
            f"cannot start maintenance of {place}: {MAX_IN_NAMESPACE} others stand in {place.namespace}",
            hint=f"lockhouse maintenance list {place.namespace}",
        )
    made = Maintenance(
        id=before.id if before is not None else maintenance_id,
        namespace=place.namespace,
        prefix=place.prefix,
        reason=reason,
        at=before.at if before is not None else caller.now,
        principal=caller.who.principal,
        name=caller.who.name,
        until=until,
        exact=place.exact,
    )
    tx.save_maintenance(made)
    _tell(tx, caller, "maintenance.change" if before is not None else "maintenance.start", made)
    return made, before


def end(tx: Transaction, caller: Caller, place: Place) -> Maintenance:
    """Let it stand no more. Needs `admin` there. Errors: `maintenance.not_found`, `access.denied`,
    `namespace.not_found`."""
    _require(tx, caller, place)
    found = _at(tx.maintenances(place.namespace), place)
    if found is None or not found.stands(caller.now):
        raise MaintenanceNotFound(
            f"cannot end maintenance of {place}{' (exactly)' if place.exact else ''}: none stands at this very place",
            hint=f"lockhouse maintenance list {place.namespace}",
        )
    tx.delete_maintenance(found)
    _tell(tx, caller, "maintenance.end", found)
    return found


def list_all(tx: Reader, caller: Caller, namespace: str = "") -> Sequence[Maintenance]:
    """What stands now and concerns the caller: where any of its grants reaches; by place."""
    return [each for each in tx.maintenances(namespace) if each.stands(caller.now) and _concerns(caller, each)]


def end_those_over(tx: Transaction, now: float) -> int:
    """Forget those whose time is over, and tell so in the log; how many."""
    over = [each for each in tx.maintenances() if not each.stands(now)]
    for each in over:
        tx.delete_maintenance(each)
        audit.note_own(tx, now, "maintenance.end", Address(each.namespace, each.prefix), detail=OVER)
    return len(over)


def maintained(tx: Reader, address: Address, now: float) -> Maintenance | None:
    """The maintenance that stands there now. Costs next to nothing where there is none."""
    found = tx.maintenances(address[0])
    return standing(found, address[1], now) if found else None


def under_maintenance(address: Address, found: Maintenance, verb: str) -> UnderMaintenance:
    """The refusal that names the maintenance, with its document."""
    return UnderMaintenance(
        f"cannot {verb} {address.lock_id}: {describe(found)}",
        info=maintenance_document(address, found),
        until=found.until,
        hint=way_out(found),
        holder=found.name,
    )


def refuse_write(tx: Reader, address: Address, now: float) -> None:
    """WriteMaintenance (`write.maintenance`) while it stands there: for what is done without holding the lock."""
    found = maintained(tx, address, now)
    if found is not None:
        raise WriteMaintenance(f"cannot write {address.lock_id}: {describe(found)}", hint=way_out(found))


def refuse_delete(tx: Reader, address: Address, now: float) -> None:
    """DeleteLocked (`delete.locked`) while it stands there: a state is never deleted while its lock is held, so nobody
    may."""
    found = maintained(tx, address, now)
    if found is not None:
        raise DeleteLocked(f"cannot delete {address.lock_id}: {describe(found)}", hint=way_out(found))


def describe(found: Maintenance) -> str:
    """What stands, in words."""
    until = f" until {moment(found.until)}" if found.until else ""
    return f"maintenance of {found.place} since {moment(found.at)}{until} by {found.name}: {found.reason}"


def way_out(found: Maintenance) -> str:
    """The next command."""
    return f"wait, or: lockhouse maintenance end {found.place}{' --exactly' if found.exact else ''}"


def _require(tx: Reader, caller: Caller, place: Place) -> None:
    namespaces.get(tx, caller, place.namespace)
    if place.exact:
        require(caller.who, Right.ADMIN, place.namespace, place.prefix)
    else:
        require_below(caller.who, Right.ADMIN, place.namespace, place.prefix)


def _at(found: Sequence[Maintenance], place: Place) -> Maintenance | None:
    return next((each for each in found if (each.prefix, each.exact) == (place.prefix, place.exact)), None)


def _concerns(caller: Caller, found: Maintenance) -> bool:
    return any(
        grant.namespace in ("*", found.namespace)
        and (grant.prefix.startswith(found.prefix) or found.prefix.startswith(grant.prefix))
        for grant in caller.who.grants
    )


def _tell(tx: Transaction, caller: Caller, action: str, found: Maintenance) -> None:
    until = f", until {moment(found.until)}" if found.until else ""
    exactly = "exactly, " if found.exact else ""
    audit.note(
        tx,
        caller,
        action,
        Address(found.namespace, found.prefix),
        subject=found.id,
        detail=f"{exactly}{found.reason}{until}",
    )
