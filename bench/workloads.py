"""The work: which requests a client sends, for each line of the comparison.

Each lock cycle has a lock id of its own, as a run of Terraform has; each state has a higher serial than the one before.
A workload makes `count` requests per client when it is asked, signed at that moment.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from bench.bodies import Body, plain, state
from bench.load import Request, forever
from bench.servers import BUCKET, TABLE, Server
from bench.signing import Signer

KB, MB = 1_000, 1_000_000
_UNSIGNED = "UNSIGNED-PAYLOAD"
_EMPTY = hashlib.sha256(b"").hexdigest()
_TARGET = "DynamoDB_20120810."

Streams = list[Iterator[Request]]


class Need(StrEnum):
    """What a server must speak."""

    TABLES = "tables"
    OBJECTS = "objects"
    FILES = "files"
    HELLO = "hello"


@dataclass(frozen=True)
class Workload:
    """One measurement."""

    name: str
    clients: int
    seconds: float
    streams: Callable[[Server, int, int, int], Streams]
    """(server, clients, requests per client, numbers already used) -> what each client sends."""
    needs: frozenset[Need]
    size: int = 0
    """Bytes of a body; 0 for locks."""
    limit: int = 0
    """Requests per client at most; 0: until the time is over."""
    heavy: bool = False
    """Left out of a quick run."""
    before: Callable[[Server], None] | None = None
    """Done once per server, unmeasured."""
    after: Callable[[Server, int], Streams] | None = None
    """Sent after each measurement, unmeasured: locks that the end of the time left behind."""
    write: bool = False


def speaks(server: Server, need: Need) -> bool:
    """Whether a server can be asked."""
    match need:
        case Need.TABLES:
            return server.tables
        case Need.OBJECTS:
            return server.objects
        case Need.FILES:
            return server.name == "nginx"
        case Need.HELLO:
            return server.name == "uvicorn hello"


# --- locks


def _info(client: int) -> str:
    return json.dumps(
        {
            "ID": str(uuid.uuid4()),
            "Operation": "OperationTypeApply",
            "Info": "",
            "Who": f"client-{client}@bench",
            "Version": "1.15.5",
            "Created": "2026-01-01T00:00:00.000000000Z",
            "Path": f"{BUCKET}/load-{client}/terraform.tfstate",
        },
        separators=(",", ":"),
    )


def _table_call(signer: Signer, action: str, document: dict[str, object]) -> Request:
    body = json.dumps(document, separators=(",", ":")).encode()
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": _TARGET + action}
    return Request(signer.head("POST", "/", headers, hashlib.sha256(body).hexdigest(), len(body)) + body)


def _table_unlock(signer: Signer, client: int) -> Request:
    key = {"LockID": {"S": f"{BUCKET}/load-{client}/terraform.tfstate"}}
    return _table_call(signer, "DeleteItem", {"Key": key, "TableName": TABLE})


def table_locks(server: Server, clients: int, count: int, _used: int) -> Streams:
    """Conditional PutItem and DeleteItem in turn, each client on its own state."""
    signer = Signer(server.key, "dynamodb", server.address)

    def one(client: int) -> list[Request]:
        unlock = _table_unlock(signer, client)
        made: list[Request] = []
        for _ in range(count // 2 + 1):
            item = {
                "LockID": {"S": f"{BUCKET}/load-{client}/terraform.tfstate"},
                "Info": {"S": _info(client)},
            }
            document = {"ConditionExpression": "attribute_not_exists(LockID)", "Item": item, "TableName": TABLE}
            made += [_table_call(signer, "PutItem", document), unlock]
        return made

    return [iter(one(client)) for client in range(clients)]


def make_table(server: Server) -> Request:
    """The table of `table_locks`."""
    document: dict[str, object] = {
        "TableName": TABLE,
        "AttributeDefinitions": [{"AttributeName": "LockID", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "LockID", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    return _table_call(Signer(server.key, "dynamodb", server.address), "CreateTable", document)


def free_table_locks(server: Server, clients: int) -> Streams:
    """One DeleteItem per client."""
    signer = Signer(server.key, "dynamodb", server.address)
    return [iter([_table_unlock(signer, client)]) for client in range(clients)]


def _lockfile_unlock(signer: Signer, client: int) -> Request:
    path = f"/{BUCKET}/file-{client}/terraform.tfstate.tflock"
    return Request(signer.head("DELETE", path, {}, _EMPTY, 0), status=204)


def lockfiles(server: Server, clients: int, count: int, _used: int) -> Streams:
    """PUT of KEY.tflock with If-None-Match: * and DELETE in turn."""
    signer = Signer(server.key, "s3", server.address)

    def one(client: int) -> list[Request]:
        unlock = _lockfile_unlock(signer, client)
        path = f"/{BUCKET}/file-{client}/terraform.tfstate.tflock"
        made: list[Request] = []
        for _ in range(count // 2 + 1):
            body = _info(client).encode()
            headers = {"content-type": "application/json", "if-none-match": "*"}
            head = signer.head("PUT", path, headers, hashlib.sha256(body).hexdigest(), len(body))
            made += [Request(head + body), unlock]
        return made

    return [iter(one(client)) for client in range(clients)]


def free_lockfiles(server: Server, clients: int) -> Streams:
    """One DELETE per client."""
    signer = Signer(server.key, "s3", server.address)
    return [iter([_lockfile_unlock(signer, client)]) for client in range(clients)]


# --- bodies


def _object_put(signer: Signer, path: str, body: Body) -> Request:
    head = signer.head("PUT", path, {"content-type": "application/json"}, body.sha256(), body.size)
    if body.size > 64 * KB:
        return Request(head, body.parts)
    return Request(head, (body.parts[0], body.parts[1]))


def put_states(size: int) -> Callable[[Server, int, int, int], Streams]:
    """A state of `size` bytes, again and again with the next serial, each client its own."""

    def streams(server: Server, clients: int, count: int, used: int) -> Streams:
        signer = Signer(server.key, "s3", server.address)

        def one(client: int) -> Iterator[Request]:
            path = f"/{BUCKET}/put-{size}-{client}/terraform.tfstate"
            made = [_object_put(signer, path, state(size, path, used + number)) for number in range(count)]
            return iter(made)

        return [one(client) for client in range(clients)]

    return streams


def put_plain(size: int) -> Callable[[Server, int, int, int], Streams]:
    """A plain object of `size` bytes, again and again."""

    def streams(server: Server, clients: int, count: int, used: int) -> Streams:
        signer = Signer(server.key, "s3", server.address)

        def one(client: int) -> Iterator[Request]:
            path = f"/{BUCKET}/plain-{size}-{client}"
            return iter([_object_put(signer, path, plain(size, used + number)) for number in range(count)])

        return [one(client) for client in range(clients)]

    return streams


def _kept(size: int) -> tuple[str, Body]:
    path = f"read-{size}/terraform.tfstate"
    return path, state(size, path, 0)


def keep_state(size: int) -> Callable[[Server], None]:
    """Store the state that will be read, and see that its bytes come back."""

    def before(server: Server) -> None:
        key, body = _kept(size)
        if server.name == "nginx":
            (server.directory / "root" / f"{size}.tfstate").write_bytes(body.whole())
            return
        s3 = server.sdk("s3")
        s3.put_object(Bucket=BUCKET, Key=key, Body=body.whole())
        got = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        if hashlib.sha256(got).hexdigest() != body.sha256():
            raise AssertionError(f"{server.name} does not give back the bytes of {key}")

    return before


def kept_state(server: Server, size: int) -> Request:
    """As `keep_state`, in one request."""
    key, body = _kept(size)
    return _object_put(Signer(server.key, "s3", server.address), f"/{BUCKET}/{key}", body)


def get_states(size: int) -> Callable[[Server, int, int, int], Streams]:
    """The same state, read again and again by every client."""

    def streams(server: Server, clients: int, _count: int, _used: int) -> Streams:
        key, body = _kept(size)
        if server.name == "nginx":
            head = f"GET /{size}.tfstate HTTP/1.1\r\nhost: {server.address}\r\n\r\n".encode()
        else:
            head = Signer(server.key, "s3", server.address).head("GET", f"/{BUCKET}/{key}", {}, _EMPTY, 0)
        request = Request(head, answer=body.size)
        return [forever([request]) for _ in range(clients)]

    return streams


def hello(server: Server, clients: int, _count: int, _used: int) -> Streams:
    """GET of 13 bytes."""
    request = Request(f"GET / HTTP/1.1\r\nhost: {server.address}\r\n\r\n".encode())
    return [forever([request]) for _ in range(clients)]


# --- the list

_OBJECTS = frozenset({Need.OBJECTS})
_READERS = frozenset({Need.OBJECTS, Need.FILES})


def _size(size: int) -> str:
    return f"{size // MB} MB" if size >= MB else f"{size // KB} KB"


def _locks() -> Iterator[Workload]:
    for clients in (1, 8, 64):
        yield Workload(
            "table lock", clients, 1.5, table_locks, frozenset({Need.TABLES}), after=free_table_locks, write=True
        )
    for clients in (1, 8, 64):
        yield Workload("lockfile", clients, 1.0, lockfiles, _OBJECTS, after=free_lockfiles, write=True)
    yield Workload("hello", 64, 1.0, hello, frozenset({Need.HELLO}))


def _bodies() -> Iterator[Workload]:
    for size, clients, seconds in ((10 * KB, 64, 1.0), (MB, 1, 1.0), (MB, 8, 1.0), (25 * MB, 1, 1.5)):
        yield Workload("PUT state", clients, seconds, put_states(size), _OBJECTS, size, write=True)
        yield Workload("GET state", clients, seconds, get_states(size), _READERS, size, before=keep_state(size))
    big = 100 * MB
    yield Workload("PUT state", 1, 3.0, put_states(big), _OBJECTS, big, limit=3, heavy=True, write=True)
    yield Workload("GET state", 1, 1.5, get_states(big), _READERS, big, heavy=True, before=keep_state(big))
    for size, clients in ((10 * KB, 64), (MB, 8), (25 * MB, 1)):
        yield Workload("PUT object", clients, 1.0, put_plain(size), _OBJECTS, size, heavy=True, write=True)
    yield Workload("PUT state at once", 64, 30.0, put_states(MB), _OBJECTS, MB, limit=2, write=True)
    yield Workload("PUT state at once", 4, 60.0, put_states(big), _OBJECTS, big, limit=1, write=True)


WORKLOADS = (*_locks(), *_bodies())


def title(workload: Workload) -> str:
    """How a line of the table is called."""
    size = f" {_size(workload.size)}" if workload.size else ""
    return f"{workload.name}{size}, {workload.clients} client{'s' if workload.clients > 1 else ''}"
