"""Namespaces and their documents (policy, lifecycle, tags, … of a bucket)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lockhouse.core.addresses import Address, check_namespace, is_namespace_name
from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, require, sees_namespace, way_in
from lockhouse.core.records import Namespace
from lockhouse.errors import (
    AccessDenied,
    DocumentNotFound,
    NamespaceConflict,
    NamespaceExists,
    NamespaceNotEmpty,
    NamespaceNotFound,
)
from lockhouse.service import audit
from lockhouse.service.callers import Caller

_UPLOADS_SHOWN = 1


def create(tx: Transaction, caller: Caller, name: str, region: str = "", *, require_lock: bool = False) -> Namespace:
    """A new namespace. The creator needs `admin` on it.

    Errors: `namespace.invalid`, `namespace.exists` (details `region`), `namespace.conflict` when ordinary table items
    already start with `NAME/`, `access.denied`.
    """
    check_namespace(name)
    require(caller.who, Right.ADMIN, name)
    existing = tx.namespace(name)
    if existing is not None:
        raise NamespaceExists(
            f"cannot create {name}: it exists already",
            hint=f"lockhouse namespace list; to make a lock table for it: lockhouse namespace create {name} "
            "--if-not-exists --lock-table TABLE",
            region=existing.region,
        )
    _refuse_if_items_match(tx, name)
    namespace = Namespace(name=name, at=caller.now, region=region, require_lock=require_lock)
    tx.create_namespace(namespace)
    audit.note(tx, caller, "namespace.create", namespace=name)
    return namespace


def ensure(
    tx: Reader, caller: Caller, name: str, region: str, *, default_region: str, require_lock: bool | None
) -> Namespace | None:
    """The namespace that is there already, as it was asked for; None when there is none. Whoever asks needs `admin` on
    it, as its creator does. `region`, `require_lock`: empty and None where nothing was asked.

    Errors: `namespace.invalid`, `access.denied`, `namespace.exists` when it is otherwise than it was asked for."""
    check_namespace(name)
    require(caller.who, Right.ADMIN, name)
    existing = tx.namespace(name)
    if existing is None:
        return None
    if require_lock is not None and require_lock != existing.require_lock:
        state = "needs a lock for each write" if existing.require_lock else "does not need a lock for each write"
        raise NamespaceExists(
            f"cannot make {name} as it was asked for: it exists already, and {state}",
            hint=f"lockhouse namespace require-lock {name}" + ("" if require_lock else " --off"),
            region=existing.region,
        )
    if region and region != (existing.region or default_region):
        raise NamespaceExists(
            f"cannot make {name} as it was asked for: it exists already, in the region "
            f"{existing.region or default_region}",
            hint=f"leave out --region: lockhouse namespace create {name} --if-not-exists",
            region=existing.region,
        )
    return existing


def get(tx: Reader, caller: Caller, name: str) -> Namespace:
    """The namespace. Errors: `access.denied` (whether or not it exists) without any grant there, else
    `namespace.not_found`."""
    namespace = tx.namespace(name)
    if not sees_namespace(caller.who.grants, name):
        raise _unseen(caller, name)
    if namespace is None:
        if not is_namespace_name(name):
            raise NamespaceNotFound(f"cannot find a namespace named {name!r}", hint="lockhouse namespace list")
        raise NamespaceNotFound(
            f"cannot find a namespace named {name}",
            hint=f"lockhouse namespace list, or make it: lockhouse namespace create {name}",
        )
    return namespace


def require_sight(caller: Caller, name: str) -> None:
    """AccessDenied (`access.denied`), whether or not there is such a namespace, without any grant there."""
    if not sees_namespace(caller.who.grants, name):
        raise _unseen(caller, name)


def _unseen(caller: Caller, name: str) -> AccessDenied:
    return AccessDenied(
        f"cannot see {name}: {caller.who.name} has no grant there",
        hint=way_in(caller.who, Right.READ, name),
        right=str(Right.READ),
    )


def require_admin(tx: Reader, caller: Caller, name: str) -> None:
    """Errors: as `get`; `access.denied` without `admin` there."""
    get(tx, caller, name)
    require(caller.who, Right.ADMIN, name)


def list_all(tx: Reader, caller: Caller, after: str = "", limit: int = 1000) -> Sequence[Namespace]:
    """The namespaces that the caller sees, in name order."""
    found: list[Namespace] = []
    while len(found) < limit:
        page = tx.namespaces(after, limit)
        found.extend(namespace for namespace in page if sees_namespace(caller.who.grants, namespace.name))
        if len(page) < limit:
            break
        after = page[-1].name
    return found[:limit]


def delete(tx: Transaction, caller: Caller, name: str) -> None:
    """Remove an empty namespace. Errors: `namespace.not_empty` while versions, delete markers, held locks, parked
    writes or unfinished uploads remain; `access.denied`; `namespace.not_found`."""
    get(tx, caller, name)
    require(caller.who, Right.ADMIN, name)
    states = paged(lambda after: tx.states(name, after=after, live_only=False), "", lambda each: each[0].address.key)
    for state, version in states:
        if version is not None or state.parked or tx.lock(state).lock is not None:
            raise NamespaceNotEmpty(
                f"cannot delete {name}: {state.address.key} still has versions, a lock or parked writes",
                hint=f"lockhouse state list {name}",
            )
    if tx.uploads(name, limit=_UPLOADS_SHOWN):
        raise NamespaceNotEmpty(
            f"cannot delete {name}: a multipart upload is unfinished", hint="aws s3api list-multipart-uploads"
        )
    tx.delete_namespace(name)
    audit.note(tx, caller, "namespace.delete", namespace=name)


def set_require_lock(tx: Transaction, caller: Caller, name: str, *, required: bool) -> Namespace:
    """Whether every write below this namespace needs a lock. Needs `admin`."""
    namespace = get(tx, caller, name)
    require(caller.who, Right.ADMIN, name)
    namespace = msgspec.structs.replace(namespace, require_lock=required)
    tx.save_namespace(namespace)
    audit.note(tx, caller, "namespace.change", namespace=name, detail=f"require_lock={required}".lower())
    return namespace


def get_document(tx: Reader, caller: Caller, name: str, kind: str) -> bytes:
    """A stored sub-resource. Errors: `namespace.document_not_found` (details `kind`), as `get`."""
    get(tx, caller, name)
    require(caller.who, Right.READ, name)
    body = tx.document(name, kind)
    if body is None:
        raise DocumentNotFound(
            f"cannot find the {kind} of {name}: it is not set",
            hint="set it where it is wanted: docs/reference/s3.md lists what a bucket keeps",
            kind=kind,
        )
    return body


def set_document(tx: Transaction, caller: Caller, name: str, kind: str, body: bytes | None) -> None:
    """Store (or with None remove) a sub-resource. Needs `admin`; the caller has validated the document."""
    get(tx, caller, name)
    require(caller.who, Right.ADMIN, name)
    tx.set_document(name, kind, body)
    audit.note(tx, caller, "namespace.change", namespace=name, detail=f"{kind} {'removed' if body is None else 'set'}")


def address_in(tx: Reader, caller: Caller, address: Address) -> Namespace:
    """The namespace of an address that is about to be used; errors as `get`."""
    return get(tx, caller, address.namespace)


def _refuse_if_items_match(tx: Reader, name: str) -> None:
    prefix = f"{name}/".encode()
    for table in paged(tx.tables, "", lambda each: each.name):
        if tx.items(table.name, limit=1, hash_prefix=prefix):
            raise NamespaceConflict(
                f"cannot create {name}: the table {table.name} holds ordinary items whose LockID starts with {name}/",
                hint="choose another name, or delete those items first",
            )
