"""What an import and an export need: every key of a namespace, and adding versions that were written elsewhere."""

from __future__ import annotations

from lockhouse.core.addresses import Address, is_state_key
from lockhouse.core.ports import Reader
from lockhouse.core.versions import Body
from lockhouse.protocols.api import views, wire
from lockhouse.protocols.api.call import Call
from lockhouse.service import history, imports
from lockhouse.service.versions import Put

_NO_BODY = Body(0, b"", b"")


async def list_everything(call: Call) -> wire.Objects:
    limit = call.limit()
    prefix, after = call.query.get("prefix", ""), call.query.get("after", "")

    def query(tx: Reader) -> wire.Objects:
        found = history.list_everything(tx, call.caller, call.path["namespace"], prefix, after, limit)
        return wire.Objects(
            objects=tuple(
                wire.ObjectLine(
                    key=state.address.key,
                    versions=state.versions,
                    state=state.is_state,
                    current=views.version(newest, state.current) if newest is not None else None,
                )
                for state, newest in found
            ),
            next=found[-1][0].address.key if len(found) == limit else "",
        )

    return await call.house.read(query)


async def add(call: Call) -> wire.ImportedDocument:
    asked = wire.decode(call.query.get("about", "").encode(), wire.ImportAsk)
    address = Address(call.path["namespace"], asked.key)
    await call.house.read(lambda tx: imports.may_add(tx, call.caller, address))
    nonce = call.house.engine.nonce()
    put = Put(address=address, body=_NO_BODY, nonce=nonce, content_type=asked.content_type, metadata=asked.metadata)
    if not asked.deleted:
        put = call.house.with_body(put, await call.house.take_in(call.chunks(), expect_state=is_state_key(address.key)))
    command = imports.Import(
        put=put,
        at=asked.at,
        source=asked.source,
        place=asked.place,
        after=asked.after,
        deleted=asked.deleted,
    )
    written = await call.house.write(lambda tx: imports.add(tx, call.house.still(tx, call.caller), command))
    return wire.ImportedDocument(created=written.created, version=views.version(written.version, written.version.seq))
