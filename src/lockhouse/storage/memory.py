"""The reference store: the ports in the plainest words, for tests and for comparison with every other store.

Each command works on a copy of all the maps and the copy replaces the original when the command returns: that is
isolation, undo and snapshot reads in one line. Nothing outlives the process. It must never be made clever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import TypeVar

import msgspec

from lockhouse.core.addresses import Address, behind
from lockhouse.core.data_keys import place_of_body, place_of_part
from lockhouse.core.locks import FREE, LockRecord
from lockhouse.core.ports import Delivery, Reader, Transaction
from lockhouse.core.records import ItemRecord, LockEvent, Namespace, Parked, Part, StateRecord, TableRecord, Upload
from lockhouse.core.versions import Body, Facts, Version
from lockhouse.storage.memory_audit import AuditMaps, AuditReads, AuditWrites
from lockhouse.storage.memory_blobs import BlobMaps, BlobReads, BlobWrites
from lockhouse.storage.memory_data_keys import DataKeyMaps, DataKeyReads, DataKeyWrites
from lockhouse.storage.memory_maintenance import MaintenanceMaps, MaintenanceReads, MaintenanceWrites
from lockhouse.storage.memory_notices import NoticeMaps, NoticeReads, NoticeWrites
from lockhouse.storage.memory_principals import PrincipalMaps, PrincipalReads, PrincipalWrites
from lockhouse.storage.memory_queues import QueueMaps, QueueReads, QueueWrites
from lockhouse.storage.memory_reviews import ReviewMaps, ReviewReads, ReviewWrites
from lockhouse.storage.memory_sessions import SessionMaps, SessionReads, SessionWrites
from lockhouse.storage.memory_trash import TrashMaps, TrashReads, TrashWrites
from lockhouse.storage.memory_webhooks import WebhookMaps, WebhookReads, WebhookWrites
from lockhouse.storage.memory_workspaces import WorkspaceMaps, WorkspaceReads, WorkspaceWrites

T = TypeVar("T")
_replace = msgspec.structs.replace


@dataclass
class _Maps(
    WorkspaceMaps,
    ReviewMaps,
    SessionMaps,
    PrincipalMaps,
    TrashMaps,
    QueueMaps,
    AuditMaps,
    NoticeMaps,
    DataKeyMaps,
    BlobMaps,
    WebhookMaps,
    MaintenanceMaps,
):
    """Everything of record. Values are frozen, so copying the maps copies the store."""

    namespaces: dict[str, Namespace] = field(default_factory=dict)
    documents: dict[tuple[str, str], bytes] = field(default_factory=dict)
    locks: dict[int, LockRecord] = field(default_factory=dict)
    lock_events: dict[tuple[int, int], LockEvent] = field(default_factory=dict)
    parked: dict[str, Parked] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    parts: dict[tuple[str, int], Part] = field(default_factory=dict)
    tables: dict[str, TableRecord] = field(default_factory=dict)
    items: dict[tuple[str, bytes, bytes], ItemRecord] = field(default_factory=dict)

    def copy(self) -> _Maps:
        twin = _Maps()
        for each in fields(self):
            value = getattr(self, each.name)
            setattr(twin, each.name, value if isinstance(value, int) else dict(value))
        return twin


def _order(text: str) -> bytes:
    return text.encode()


class _MemoryReader(
    WorkspaceReads,
    ReviewReads,
    SessionReads,
    PrincipalReads,
    TrashReads,
    QueueReads,
    AuditReads,
    NoticeReads,
    DataKeyReads,
    BlobReads,
    WebhookReads,
    MaintenanceReads,
):
    """Reads of one snapshot."""

    _maps: _Maps

    def __init__(self, maps: _Maps) -> None:
        self._maps = maps

    def namespace(self, name: str) -> Namespace | None:
        return self._maps.namespaces.get(name)

    def namespaces(self, after: str = "", limit: int = 1000) -> Sequence[Namespace]:
        found = [each for each in self._maps.namespaces.values() if _order(each.name) > _order(after)]
        return sorted(found, key=lambda each: _order(each.name))[:limit]

    def document(self, namespace: str, kind: str) -> bytes | None:
        return self._maps.documents.get((namespace, kind))

    def state(self, address: Address) -> StateRecord | None:
        return self._maps.states.get(Address(*address))

    def states(
        self, namespace: str, prefix: str = "", after: str = "", limit: int = 1000, *, live_only: bool = True
    ) -> Sequence[tuple[StateRecord, Version | None]]:
        found = [
            state
            for (owner, key), state in self._maps.states.items()
            if owner == namespace
            and key.startswith(prefix)
            and _order(key) > _order(after)
            and (state.live or not live_only)
        ]
        found.sort(key=lambda state: _order(state.address.key))
        return [(state, self.current(state, packed=False)) for state in found[:limit]]

    def leading_keys(
        self, namespace: str, prefix: str, delimiter: str, after: str = "", limit: int = 1000
    ) -> Sequence[str]:
        found: list[str] = []
        for state, _ in self.states(namespace, prefix, after, len(self._maps.states)):
            key = state.address.key
            if not found or _order(key) > _order(behind(found[-1], prefix, delimiter)):
                found.append(key)
        return found[:limit]

    def current(self, state: StateRecord, *, packed: bool = True) -> Version | None:
        return self.version(state, state.current, packed=packed)

    def version(self, state: StateRecord, seq: int, *, packed: bool = True) -> Version | None:
        version = self._maps.versions.get((state.id, seq))
        if version is None or version.body is None:
            return version
        return self._with_base(state, self._with_bytes(state, version)) if packed else _without_bytes(version)

    def _with_bytes(self, state: StateRecord, version: Version) -> Version:
        if version.body is None:
            return version
        return _replace(version, body=self._opened(version.body, place_of_body(state.address, version.nonce)))

    def versions(self, state: StateRecord, before: int = 0, limit: int = 1000) -> Sequence[Version]:
        found = [
            version
            for (state_id, seq), version in self._maps.versions.items()
            if state_id == state.id and (seq < before or before <= 0)
        ]
        found.sort(key=lambda version: -version.seq)
        return [_without_bytes(version) for version in found[:limit]]

    def state_and_lock(self, address: Address) -> tuple[StateRecord, LockRecord] | None:
        state = self.state(address)
        return None if state is None else (state, self.lock(state))

    def state_and_version(self, address: Address, *, packed: bool = True) -> tuple[StateRecord, Version | None] | None:
        state = self.state(address)
        return None if state is None else (state, self.current(state, packed=packed))

    def lock(self, state: StateRecord) -> LockRecord:
        return self._maps.locks.get(state.id, FREE)

    def overview(self, namespace: str, keys: Sequence[str]) -> Sequence[tuple[StateRecord, LockRecord, Version | None]]:
        found = [self.state(Address(namespace, key)) for key in set(keys)]
        locks = [(state, self.lock(state)) for state in found if state is not None]
        return [
            (state, record if record.lock is not None else FREE, self.current(state, packed=False))
            for state, record in locks
        ]

    def held_locks(
        self, namespace: str = "", prefix: str = "", after: Address | None = None, limit: int = 1000
    ) -> Sequence[tuple[StateRecord, LockRecord]]:
        def place(address: Address) -> tuple[bytes, bytes]:
            return _order(address.namespace), _order(address.key)

        found = [
            (state, record)
            for address, state in self._maps.states.items()
            if (record := self.lock(state)).lock is not None
            and namespace in ("", address.namespace)
            and address.key.startswith(prefix)
            and (after is None or place(address) > place(Address(*after)))
        ]
        return sorted(found, key=lambda pair: place(pair[0].address))[:limit]

    def lock_events(self, state: StateRecord, before: int = 0, limit: int = 100) -> Sequence[LockEvent]:
        found = [
            event
            for (state_id, seq), event in self._maps.lock_events.items()
            if state_id == state.id and (seq < before or before <= 0)
        ]
        return sorted(found, key=lambda event: -event.seq)[:limit]

    def recent_lock_events(self, before: int = 0, limit: int = 500) -> Sequence[tuple[Address, LockEvent]]:
        places = {state.id: address for address, state in self._maps.states.items()}
        found = [
            (places[state_id], event)
            for (state_id, seq), event in self._maps.lock_events.items()
            if seq < before or before <= 0
        ]
        return sorted(found, key=lambda pair: -pair[1].seq)[:limit]

    def parked(self, parked_id: str) -> Parked | None:
        parked = self._maps.parked.get(parked_id)
        if parked is None:
            return None
        return _replace(parked, body=self._opened(parked.body, place_of_body(parked.address, parked.id)))

    def parked_writes(self, address: Address | None = None, after: str = "", limit: int = 1000) -> Sequence[Parked]:
        found = [
            _replace(each, body=_replace(each.body, packed=b""))
            for each in self._maps.parked.values()
            if _order(each.id) > _order(after) and (address is None or each.address == address)
        ]
        return sorted(found, key=lambda each: _order(each.id))[:limit]

    def upload(self, upload_id: str) -> Upload | None:
        return self._maps.uploads.get(upload_id)

    def uploads(
        self, namespace: str, prefix: str = "", after: tuple[str, str] = ("", ""), limit: int = 1000
    ) -> Sequence[Upload]:
        def place(upload: Upload) -> tuple[bytes, bytes]:
            return _order(upload.address.key), _order(upload.id)

        start = (_order(after[0]), _order(after[1]))
        found = [
            upload
            for upload in self._maps.uploads.values()
            if upload.address.namespace == namespace and upload.address.key.startswith(prefix) and place(upload) > start
        ]
        return sorted(found, key=place)[:limit]

    def parts(self, upload_id: str, after: int = 0, limit: int = 1000) -> Sequence[Part]:
        found = [part for (owner, number), part in self._maps.parts.items() if owner == upload_id and number > after]
        opened = [_replace(each, body=self._opened(each.body, place_of_part(upload_id, each.number))) for each in found]
        return sorted(opened, key=lambda part: part.number)[:limit]

    def table(self, name: str) -> TableRecord | None:
        return self._maps.tables.get(name)

    def tables(self, after: str = "", limit: int = 100) -> Sequence[TableRecord]:
        found = [each for each in self._maps.tables.values() if _order(each.name) > _order(after)]
        return sorted(found, key=lambda each: _order(each.name))[:limit]

    def item(self, table: str, hash_key: bytes, range_key: bytes) -> ItemRecord | None:
        return self._maps.items.get((table, hash_key, range_key))

    def items(
        self,
        table: str,
        hash_key: bytes | None = None,
        after: tuple[bytes, bytes] | None = None,
        limit: int = 1000,
        *,
        descending: bool = False,
        hash_prefix: bytes = b"",
    ) -> Sequence[ItemRecord]:
        found = []
        for (owner, hashed, ranged), item in self._maps.items.items():
            if owner != table or not hashed.startswith(hash_prefix) or hash_key not in (None, hashed):
                continue
            if after is None or ((hashed, ranged) < after if descending else (hashed, ranged) > after):
                found.append(item)
        found.sort(key=lambda item: (item.hash_key, item.range_key), reverse=descending)
        return found[:limit]

    def blob_names(self, after: str = "", limit: int = 1000) -> Sequence[str]:
        bodies: list[Body | None] = [version.body for version in self._maps.versions.values()]
        bodies += [each.version.body for each in self._maps.trash.values()]
        bodies += [part.body for part in self._maps.parts.values()]
        bodies += [parked.body for parked in self._maps.parked.values()]
        names = {body.blob for body in bodies if body is not None and body.blob} | self._maps.retired.keys()
        return sorted((name for name in names if _order(name) > _order(after)), key=_order)[:limit]


class _MemoryTransaction(
    WorkspaceWrites,
    ReviewWrites,
    SessionWrites,
    PrincipalWrites,
    TrashWrites,
    QueueWrites,
    NoticeWrites,
    AuditWrites,
    DataKeyWrites,
    BlobWrites,
    WebhookWrites,
    MaintenanceWrites,
    _MemoryReader,
):
    """Writes to a copy."""

    def create_namespace(self, namespace: Namespace) -> None:
        if namespace.name in self._maps.namespaces:
            raise ValueError(f"namespace {namespace.name!r} is there already")
        self._maps.namespaces[namespace.name] = namespace

    def save_namespace(self, namespace: Namespace) -> None:
        self._maps.namespaces[namespace.name] = namespace

    def delete_namespace(self, name: str) -> None:
        self._maps.namespaces.pop(name, None)
        for owner, kind in list(self._maps.documents):
            if owner == name:
                del self._maps.documents[owner, kind]
        for each in self.maintenances(name):
            self.delete_maintenance(each)
        self._forget_namespace(name)
        with_versions = {state_id for state_id, _ in self._maps.versions}
        for address, state in list(self._maps.states.items()):
            if address.namespace != name or state.id in with_versions or self.lock(state).lock is not None:
                continue
            del self._maps.states[address]
            self._maps.locks.pop(state.id, None)
            for place in [place for place in self._maps.trash if place[0] == state.id]:
                del self._maps.trash[place]
            for state_id, seq in list(self._maps.lock_events):
                if state_id == state.id:
                    del self._maps.lock_events[state_id, seq]

    def set_document(self, namespace: str, kind: str, body: bytes | None) -> None:
        if body is None:
            self._maps.documents.pop((namespace, kind), None)
        else:
            self._maps.documents[namespace, kind] = body

    def ensure_state(self, address: Address) -> StateRecord:
        address = Address(*address)
        state = self._maps.states.get(address)
        if state is None:
            self._maps.last_id += 1
            state = self._maps.states[address] = StateRecord(id=self._maps.last_id, address=address)
        return state

    def save_state(self, state: StateRecord) -> None:
        if self._maps.states[state.address].id != state.id:
            raise ValueError(f"state {state.id} is not the one at this address")
        self._maps.states[state.address] = state

    def add_version(self, state: StateRecord, version: Version) -> None:
        if (state.id, version.seq) in self._maps.versions:
            raise ValueError(f"version {version.seq} of state {state.id} is written already")
        if version.body is not None:
            version = _replace(version, body=self._closed(version.body))
        self._maps.versions[state.id, version.seq] = version

    def set_facts(self, state: StateRecord, seq: int, facts: Facts) -> None:
        version = self._maps.versions.get((state.id, seq))
        if version is not None:
            self._maps.versions[state.id, seq] = _replace(version, facts=facts)

    def set_tags(self, state: StateRecord, seq: int, tags: dict[str, str]) -> None:
        version = self._maps.versions.get((state.id, seq))
        if version is not None:
            self._maps.versions[state.id, seq] = _replace(version, tags=dict(tags))

    def delete_version(self, state: StateRecord, seq: int) -> None:
        gone = self._maps.versions.pop((state.id, seq), None)
        self._destroy_key(gone.body if gone is not None else None)

    def save_lock(self, state: StateRecord, record: LockRecord, expected_epoch: int) -> bool:
        if self.lock(state).epoch != expected_epoch:
            return False
        self._maps.locks[state.id] = record
        return True

    def add_lock_event(self, state: StateRecord, event: LockEvent) -> None:
        newest = max((seq for _, seq in self._maps.lock_events), default=0)
        self._maps.lock_events[state.id, newest + 1] = _replace(event, seq=newest + 1)

    def add_parked(self, parked: Parked) -> None:
        if parked.id in self._maps.parked:
            raise ValueError(f"parked write {parked.id!r} is there already")
        self._maps.parked[parked.id] = _replace(parked, body=self._closed(parked.body))

    def delete_parked(self, parked_id: str) -> None:
        gone = self._maps.parked.pop(parked_id, None)
        self._destroy_key(gone.body if gone is not None else None)

    def add_upload(self, upload: Upload) -> None:
        if upload.id in self._maps.uploads:
            raise ValueError(f"upload {upload.id!r} is there already")
        self._maps.uploads[upload.id] = upload

    def delete_upload(self, upload_id: str) -> None:
        self._maps.uploads.pop(upload_id, None)
        for owner, number in list(self._maps.parts):
            if owner == upload_id:
                self._destroy_key(self._maps.parts.pop((owner, number)).body)

    def save_part(self, upload_id: str, part: Part) -> None:
        replaced = self._maps.parts.get((upload_id, part.number))
        self._destroy_key(replaced.body if replaced is not None else None)
        self._maps.parts[upload_id, part.number] = _replace(part, body=self._closed(part.body))

    def save_table(self, table: TableRecord) -> None:
        self._maps.tables[table.name] = table

    def delete_table(self, name: str) -> None:
        self._maps.tables.pop(name, None)
        for place in list(self._maps.items):
            if place[0] == name:
                del self._maps.items[place]

    def put_item(self, table: str, item: ItemRecord) -> None:
        self._maps.items[table, item.hash_key, item.range_key] = item

    def delete_item(self, table: str, hash_key: bytes, range_key: bytes) -> None:
        self._maps.items.pop((table, hash_key, range_key), None)

    def expire_items(self, now: float, limit: int = 1000) -> int:
        due = [place for place, item in self._maps.items.items() if 0 < item.expires_at <= now]
        due.sort(key=lambda place: (self._maps.items[place].expires_at, place))
        for place in due[:limit]:
            del self._maps.items[place]
        return len(due[:limit])


def _without_bytes(version: Version) -> Version:
    if version.body is None or not version.body.packed:
        return version
    return _replace(version, body=_replace(version.body, packed=b""))


class MemoryStore:
    """Every command alone, in the order of `submit`; deliveries come from one thread."""

    reads_are_local = True
    in_order = True
    access_generation = 0

    def __init__(self) -> None:
        self._maps = _Maps()
        self._one_at_a_time = threading.Lock()
        self._queue = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lockhouse-memory")
        self._callback: Callable[[list[Delivery]], None] | None = None

    def submit(self, command: Callable[[Transaction], object], token: object) -> None:
        self._queue.submit(self._run, command, token)

    def offer(self, group: Sequence[tuple[Callable[[Transaction], object], object]]) -> bool:
        return not group  # every command is copied for, so they run in a thread

    def deliver_to(self, callback: Callable[[list[Delivery]], None]) -> None:
        self._callback = callback

    def write(self, command: Callable[[Transaction], T]) -> T:
        with self._one_at_a_time:
            draft = self._maps.copy()
            result = command(_MemoryTransaction(draft))
            self._maps = draft
        return result

    def read(self, query: Callable[[Reader], T]) -> T:
        return query(_MemoryReader(self._maps))

    def close(self) -> None:
        self._queue.shutdown(wait=True)

    def _run(self, command: Callable[[Transaction], object], token: object) -> None:
        delivery: Delivery
        try:
            delivery = (token, self.write(command), None)
        except BaseException as problem:  # noqa: BLE001 - whatever a command raises is its answer
            delivery = (token, None, problem)
        if self._callback is not None:
            self._callback([delivery])
