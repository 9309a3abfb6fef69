"""Parked writes: bytes that had to be refused, kept until somebody accepts or drops them (`service.history` accepts).

The only copy of somebody's state is never thrown away, within a quota for each address.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, allows, require
from lockhouse.core.records import Parked, StateRecord
from lockhouse.errors import ParkedNotFound, Problem
from lockhouse.service import audit, namespaces
from lockhouse.service.callers import Caller
from lockhouse.service.versions import Put, Refused

PARKED_PER_ADDRESS = 50
"""Quota of parked writes of one address; one more is refused without being kept, and the message says so."""


def park(tx: Transaction, caller: Caller, state: StateRecord, command: Put, problem: Problem) -> Refused:
    parked = save_parked(tx, caller, state, command, problem)
    if parked is None:
        problem.message += f" (not parked: {PARKED_PER_ADDRESS} writes wait there already)"
    else:
        problem.message += f" (your bytes are parked as {parked})"
        problem.hint = f"lockhouse state parked show {parked}"
        problem.details["parked"] = parked
    return Refused(problem, parked)


def save_parked(tx: Transaction, caller: Caller, state: StateRecord, command: Put, problem: Problem) -> str | None:
    """Keep the bytes of a refused write; None when the address has reached its quota."""
    if state.parked >= PARKED_PER_ADDRESS:
        return None
    parked = Parked(
        id=command.nonce,
        address=state.address,
        at=caller.now,
        reason=problem.code,
        message=problem.message,
        body=command.body,
        origin=caller.origin(lock_id=command.lock_id),
        facts=command.facts,
        content_type=command.content_type,
    )
    tx.add_parked(parked)
    audit.note(tx, caller, "version.park", state.address, subject=parked.id, code=problem.code)
    tx.save_state(msgspec.structs.replace(state, parked=state.parked + 1, is_state=True))
    return parked.id


def list_parked(
    tx: Reader, caller: Caller, namespace: str = "", key: str = "", after: str = "", limit: int = 1000
) -> Sequence[Parked]:
    """Parked writes that the caller may read, in id order: all, of a namespace, or of one address. Errors:
    `namespace.not_found`, `access.denied` without any grant in the namespace, or without `read` on the address."""
    address = Address(namespace, key) if key else None
    if address is not None:
        namespaces.address_in(tx, caller, address)
        require(caller.who, Right.READ, namespace, key)
    elif namespace:
        namespaces.get(tx, caller, namespace)
    everything = paged(lambda place: tx.parked_writes(address, place, limit), after, lambda each: each.id)
    seen = (
        each
        for each in everything
        if namespace in ("", each.address.namespace) and allows(caller.who.grants, Right.READ, *each.address)
    )
    return list(islice(seen, limit))


def get_parked(tx: Reader, caller: Caller, parked_id: str) -> Parked:
    """One parked write. Needs `read` at its address. Errors: `parked.not_found` (also for one the caller may not see:
    the id is opaque)."""
    parked = tx.parked(parked_id)
    if parked is None or not allows(caller.who.grants, Right.READ, parked.address.namespace, parked.address.key):
        raise ParkedNotFound(f"cannot find parked write {parked_id!r}", hint="lockhouse state parked list")
    return parked


def drop_parked(tx: Transaction, caller: Caller, parked_id: str) -> Parked:
    """Forget a parked write. Needs `write` at its address."""
    parked = get_parked(tx, caller, parked_id)
    require(caller.who, Right.WRITE, parked.address.namespace, parked.address.key)
    forget(tx, parked)
    audit.note(tx, caller, "parked.drop", parked.address, subject=parked_id)
    return parked


def forget(tx: Transaction, parked: Parked) -> None:
    tx.delete_parked(parked.id)
    state = tx.ensure_state(parked.address)
    tx.save_state(msgspec.structs.replace(state, parked=max(0, state.parked - 1)))
