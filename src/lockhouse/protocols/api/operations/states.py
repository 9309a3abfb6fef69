"""States: list, show, versions, download, restore, delete, and what is set of one."""

from __future__ import annotations

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Reader, Transaction
from lockhouse.errors import VersionNotFound
from lockhouse.protocols.api import views, wire
from lockhouse.protocols.api.call import Call, Download
from lockhouse.service import deletions, history, locks

_MAX_SEQ = 2**62


async def list_all(call: Call) -> wire.States:
    limit = call.limit()
    prefix, after = call.query.get("prefix", ""), call.query.get("after", "")
    deleted = call.switch("deleted")

    def query(tx: Reader) -> wire.States:
        namespace = call.path["namespace"]
        found = history.list_states(tx, call.caller, namespace, prefix, after, limit, deleted=deleted)
        last = found[-1][0].address.key if found else ""
        locks = history.locks_between(tx, namespace, prefix, after, last)
        return wire.States(
            states=tuple(views.state_line(state, newest, locks.get(state.address)) for state, newest in found),
            next=last if len(found) == limit else "",
        )

    return await call.house.read(query)


async def show(call: Call) -> wire.StateDocument:
    address = call.address()
    waiters = len((await call.house.locking.held_requests([address]))[0])

    def query(tx: Reader) -> wire.StateDocument:
        state, newest = history.show_state(tx, call.caller, address)
        namespace = tx.namespace(address.namespace)
        required = state.require_lock or (namespace is not None and namespace.require_lock)
        lock = tx.lock(state).lock
        seen = call.seen(lock, locks.last_seen(tx, lock)) if lock is not None else 0.0
        return views.state(state, newest, lock, waiters, seen, require_lock=required)

    return await call.house.read(query)


async def versions(call: Call) -> wire.Versions:
    address, limit = call.address(), call.limit()
    before = call.number("before", 0, _MAX_SEQ)
    state, found = await call.house.read(lambda tx: history.list_versions(tx, call.caller, address, before, limit))
    return wire.Versions(
        versions=tuple(views.version(each, state.current) for each in found),
        next=found[-1].seq if len(found) == limit else 0,
    )


async def download(call: Call) -> Download:
    address = call.address()
    found = await call.house.get(call.caller, address, call.query.get("version", ""))
    if found.version.is_delete_marker:
        raise VersionNotFound(
            f"cannot download version {found.version.id} of {address.lock_id}: it is a delete marker",
            hint=f"lockhouse state versions {address.words}",
        )
    body = await call.house.give_out(found.version)
    return Download(body, _file_name(address), found.version.content_type or "application/json")


async def restore(call: Call) -> wire.VersionDocument:
    asked = call.document(wire.RestoreAsk)
    address = Address(call.path["namespace"], asked.key)
    written = await call.house.restore(call.caller, address, asked.version)
    return views.version(written.version, written.version.seq)


async def delete(call: Call) -> wire.DeletedDocument:
    address, forced = call.address(), call.switch("force")
    nonce = call.house.engine.nonce()
    deleted = await call.house.write(
        lambda tx: deletions.delete(tx, call.caller, address, nonce, resources_known=forced)
    )
    return wire.DeletedDocument(version=deleted.version_id)


async def change(call: Call) -> wire.StateDocument:
    address, asked = call.address(), call.document(wire.StateChange)

    def command(tx: Transaction) -> None:
        if asked.require_lock is not None:
            history.set_require_lock(tx, call.caller, address, required=asked.require_lock)
        if asked.share_customer_key is not None:
            history.set_share_customer_key(tx, call.caller, address, shared=asked.share_customer_key)

    await call.house.write(command)
    return await show(call)


def _file_name(address: Address) -> str:
    """The last part of the key, made safe for a header and a file system."""
    last = address.key.rstrip("/").rpartition("/")[2]
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-" for letter in last)
