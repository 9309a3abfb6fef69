"""One client for each protocol, over one house: lock, unlock, write, read, each in its protocol's own words.

S3 and DynamoDB clients enter where their rooms do, at the house; http and cloud clients through their rooms. Every client
has a credential of its own, as one run should have.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from concurrent.futures import Future
from pathlib import Path

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Facet
from lockhouse.core.principals import Grant, Right
from lockhouse.core.versions import Body
from lockhouse.errors import LockHeld, Problem
from lockhouse.protocols.http.room import HttpRoom
from lockhouse.protocols.tfe.room import PATHS, TfeRoom
from lockhouse.runtime.entrance import Entrance
from lockhouse.runtime.outgoing import whole
from lockhouse.service.callers import Caller
from lockhouse.service.locks import TakeLock, Unlock
from lockhouse.service.versions import Put
from tests.wire.rig import MASTER, Rig, User

ADDRESS = Address("acme", "prod")
PLAIN = (Grant("acme", "", (Right.READ, Right.WRITE, Right.LOCK)),)
ALL = (Grant("*", "", (Right.ADMIN,)),)


def make_rig(directory: Path) -> Rig:
    rig = Rig(directory)
    room = TfeRoom(
        rig.house, rig.authenticator, MASTER, lambda: rig.now, Entrance(rig.house, rig.authenticator, MASTER)
    )
    for path in PATHS:
        rig.mount(path, room)
    rig.mount(b"/http/", HttpRoom(rig.house, rig.authenticator, lambda: rig.now))
    return rig


class Client:
    """What every client can do. `lock_id` is that of the lock it took last."""

    protocol = ""
    sends_id = True
    """Whether its lock requests carry an id of their own, so that a repetition is known."""
    names_lock = False
    """Whether its writes name a lock."""
    needs_lock = False
    """Whether its protocol demands the lock for a write."""

    def __init__(self, rig: Rig, user: User, name: str) -> None:
        self.rig, self.user, self.name = rig, user, name
        self.lock_id = ""
        self._numbers = 0

    def new_id(self) -> str:
        self._numbers += 1
        return f"{self.name}-{self._numbers}"

    def start_lock(self, lock_id: str) -> Future[bool]:
        raise NotImplementedError

    def lock(self, lock_id: str = "") -> bool:
        """Whether it was granted; with an id of before: the same request again."""
        wanted = lock_id or self.new_id()
        granted = self.start_lock(wanted).result(30)
        if granted:
            self.lock_id = wanted
        return granted

    def unlock(self) -> None:
        raise NotImplementedError

    def write(self, body: bytes) -> bool:
        raise NotImplementedError

    def read(self) -> bytes | None:
        raise NotImplementedError


def document(lock_id: str) -> bytes:
    return json.dumps({"ID": lock_id, "Operation": "OperationTypeApply", "Who": "x@y"}).encode()


class AwsClient(Client):
    """The DynamoDB table, or the S3 lock object; the state is an S3 object."""

    def __init__(self, rig: Rig, user: User, facet: Facet) -> None:
        super().__init__(rig, user, f"{user.name}-{facet}")
        self.facet = facet
        self.protocol = str(facet)

    def _caller(self) -> Caller:
        found = self.rig.authenticator.access_key(self.user.key)
        assert found is not None
        return Caller(found[1], self.rig.now, "s3", peer="192.0.2.1")

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.rig.loop)

    def start_lock(self, lock_id: str) -> Future[bool]:
        async def take() -> bool:
            command = TakeLock(ADDRESS, self.facet, document(lock_id))
            try:
                await self.rig.house.locking.take(self._caller(), command, asyncio.Event().wait)
            except LockHeld:
                return False
            return True

        return self._run(take())

    def unlock(self) -> None:
        async def release() -> None:
            with contextlib.suppress(Problem):
                await self.rig.house.locking.release(self._caller(), Unlock(ADDRESS, self.facet))

        self._run(release()).result(30)

    def write(self, body: bytes) -> bool:
        async def chunks():
            yield body

        async def put() -> bool:
            command = Put(ADDRESS, Body(0, b"", b""), self.rig.house.engine.nonce())
            try:
                intake = await self.rig.house.take_in(chunks())
                await self.rig.house.put_intake(self._caller(), command, intake)
            except Problem:
                return False
            return True

        return self._run(put()).result(30)

    def read(self) -> bytes | None:
        async def get() -> bytes | None:
            try:
                found = await self.rig.house.get(self._caller(), ADDRESS)
            except Problem:
                return None
            assert found.version.body is not None
            return await whole(found.version.body, self.rig.house.bodies)

        return self._run(get()).result(30)


class HttpClient(Client):
    protocol = "http"
    names_lock = True
    where = "/http/acme/prod"

    def __init__(self, rig: Rig, user: User) -> None:
        super().__init__(rig, user, f"{user.name}-http")

    def start_lock(self, lock_id: str) -> Future[bool]:
        return _granted(self.rig.start("LOCK", self.where, document(lock_id), self.user.basic))

    def unlock(self) -> None:
        self.rig.ask("UNLOCK", self.where, document(self.lock_id or "none"), self.user.basic)

    def write(self, body: bytes) -> bool:
        query = f"?ID={self.lock_id}" if self.lock_id else ""
        return self.rig.ask("POST", self.where + query, body, self.user.basic).status == 200

    def read(self) -> bytes | None:
        answer = self.rig.ask("GET", self.where, headers=self.user.basic)
        return answer.body if answer.status == 200 else None


class CloudClient(Client):
    protocol = "cloud"
    sends_id = False
    names_lock = True
    needs_lock = True

    def __init__(self, rig: Rig, user: User) -> None:
        super().__init__(rig, user, f"{user.name}-cloud")
        self.workspace = ""

    def _ask(self, method: str, path: str, asked: object = None):
        body = b"" if asked is None else json.dumps(asked).encode()
        return self.rig.ask(method, f"/api/v2/{path}", body, self.user.bearer)

    @property
    def where(self) -> str:
        if not self.workspace:
            self.workspace = self._ask("GET", "organizations/acme/workspaces/prod").json()["data"]["id"]
        return f"workspaces/{self.workspace}"

    def start_lock(self, lock_id: str) -> Future[bool]:
        return _granted(self.rig.start("POST", f"/api/v2/{self.where}/actions/lock", b"{}", self.user.bearer))

    def unlock(self) -> None:
        self._ask("POST", f"{self.where}/actions/unlock")

    def force(self) -> None:
        self._ask("POST", f"{self.where}/actions/force-unlock")

    def write(self, body: bytes) -> bool:
        facts = json.loads(body)
        attributes = {"serial": facts["serial"], "lineage": facts["lineage"], "md5": hashlib.md5(body).hexdigest()}
        announced = self._ask("POST", f"{self.where}/state-versions", {"data": {"attributes": attributes}})
        if announced.status != 201:
            return False
        url = announced.json()["data"]["attributes"]["hosted-state-upload-url"].removeprefix("https://lock.test")
        return self.rig.ask("PUT", url, body).status == 200

    def read(self) -> bytes | None:
        found = self._ask("GET", f"{self.where}/current-state-version")
        if found.status != 200:
            return None
        url = found.json()["data"]["attributes"]["hosted-state-download-url"].removeprefix("https://lock.test")
        return self.rig.ask("GET", url, headers=self.user.bearer).body


def _granted(answer: Future) -> Future[bool]:
    future: Future[bool] = Future()
    answer.add_done_callback(lambda done: future.set_result(done.result().status == 200))
    return future
