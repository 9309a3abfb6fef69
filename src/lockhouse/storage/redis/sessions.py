"""Sessions in Redis, shared by all replicas. Specification: `core.sessions.Sessions`.

`PREFIX:session:ID` holds a session and is dropped by Redis itself when its end or its idle time has come;
`PREFIX:sessions-of:PRINCIPAL` is the set of ids of a principal. Every call has a time limit, is tried again once (a
restarted Redis has closed the connections), and fails as `storage.unavailable`. Source: Redis command reference (SET
with PX, NX and XX; PEXPIRE with GT; MULTI; SCAN); Redis 7 or later.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Sequence
from typing import TypeVar, cast

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as TooSlow

from lockhouse.core.sessions import Session
from lockhouse.errors import StorageUnavailable

T = TypeVar("T")
SECONDS = 1.5
"""How long one attempt of one call may take."""
MAX_CONNECTIONS = 32
PREFIX = "lockhouse"
_PAGE = 500
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Session).decode


class RedisSessions:
    """One key for each session."""

    def __init__(self, url: str, prefix: str = PREFIX) -> None:
        """`url`: `redis://`, `rediss://` (TLS) or `unix://`, with a password if one is needed. Nothing is connected
        yet: a server starts without its Redis."""
        self._prefix = prefix
        self._redis = Redis.from_url(
            url,
            socket_timeout=SECONDS,
            socket_connect_timeout=SECONDS,
            max_connections=MAX_CONNECTIONS,
            retry=Retry(NoBackoff(), 1),
            retry_on_error=[NoConnection, TooSlow],
            decode_responses=False,
            client_name="lockhouse",
        )

    async def add(self, session: Session, idle: float) -> None:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(self._key(session.id), _encode(session), px=_left(session, session.seen, idle), nx=True)
            pipe.sadd(self._set(session.principal), session.id)
            pipe.pexpire(self._set(session.principal), _left(session, session.seen, math.inf), gt=True)
            pipe.pexpire(self._set(session.principal), _left(session, session.seen, math.inf), nx=True)
            await _asked(pipe.execute())

    async def find(self, session_id: str) -> Session | None:
        raw = await _asked(self._redis.get(self._key(session_id)))
        return _read(raw)

    async def touch(self, session: Session, now: float, idle: float) -> None:
        seen = msgspec.structs.replace(session, seen=now)
        left = _left(seen, now, idle)
        # XX: a session that was ended since it was read is not written again.
        await _asked(self._redis.set(self._key(session.id), _encode(seen), px=left, xx=True))

    async def end(self, session_id: str) -> bool:
        found = await self.find(session_id)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(self._key(session_id))
            if found is not None:
                pipe.srem(self._set(found.principal), session_id)
            done = await _asked(pipe.execute())
        return bool(done[0])

    async def end_all(self, principal: str) -> int:
        ids = await self._ids(principal)
        if not ids:
            return 0
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(*(self._key(each) for each in ids))
            pipe.srem(self._set(principal), *ids)
            done = await _asked(pipe.execute())
        return int(done[0])

    async def of(self, principal: str = "", limit: int = 1000) -> Sequence[Session]:
        ids = await self._ids(principal) if principal else await self._all_ids(limit)
        found: list[Session] = []
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            raws = cast("list[bytes | None]", await _asked(self._redis.mget([self._key(each) for each in page])))
            found.extend(each for each in map(_read, raws) if each is not None)
        return sorted(found, key=lambda each: each.id)[:limit]

    async def sweep(self, now: float) -> int:  # noqa: ARG002 - the port's; Redis drops keys by itself
        return 0

    async def close(self) -> None:
        await self._redis.aclose()

    async def _ids(self, principal: str) -> list[str]:
        raw = cast("set[bytes]", await _asked(cast("Awaitable[object]", self._redis.smembers(self._set(principal)))))
        return sorted(each.decode("ascii") for each in raw)

    async def _all_ids(self, limit: int) -> list[str]:
        start = len(self._key(""))
        found: set[str] = set()
        cursor = 0
        while True:
            cursor, keys = await _asked(self._redis.scan(cursor, match=f"{self._key('')}*", count=_PAGE))
            found.update(cast("bytes", key)[start:].decode("ascii") for key in keys)
            if cursor == 0 or len(found) >= limit:
                return sorted(found)

    def _key(self, session_id: str) -> str:
        return f"{self._prefix}:session:{session_id}"

    def _set(self, principal: str) -> str:
        return f"{self._prefix}:sessions-of:{principal}"


async def _asked(answer: Awaitable[T]) -> T:
    try:
        return await answer
    except (RedisError, OSError) as wrong:
        raise StorageUnavailable(
            f"cannot reach the store of sessions: {type(wrong).__name__}",
            hint="try again; states and locks are not concerned",
        ) from wrong


def _left(session: Session, now: float, idle: float) -> int:
    """Milliseconds until the session ends by itself; at least 1, since Redis takes no less."""
    return max(1, math.ceil(min(session.ends - now, idle) * 1000))


def _read(raw: object) -> Session | None:
    try:
        return _decode(raw) if isinstance(raw, bytes) else None
    except msgspec.DecodeError:
        return None
