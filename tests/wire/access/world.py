"""All protocols on one house, and callers with one right each: what asks every route as everybody.

The world is a memory store, so it is put back as it was before each request: a route that deletes what it names is asked
as often as any other.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import msgspec
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lockhouse.app import front
from lockhouse.audit import segments
from lockhouse.audit.signing import Signer
from lockhouse.auth import keys
from lockhouse.auth.authenticator import Authenticator
from lockhouse.auth.signin.federation import Issuers
from lockhouse.config.loading import load
from lockhouse.console.app import Console
from lockhouse.core.addresses import Address
from lockhouse.core.attributes import Kind as AttributeKind
from lockhouse.core.audit import Entry
from lockhouse.core.bodies import read_facts
from lockhouse.core.items import KeyAttribute, Schema, Table
from lockhouse.core.locks import Facet
from lockhouse.core.maintenance import Maintenance
from lockhouse.core.ports import Store
from lockhouse.core.principals import Credential, Grant, Identity, Kind, Principal, Right
from lockhouse.core.records import Parked, Part
from lockhouse.core.reviews import ReviewRecord
from lockhouse.core.sessions import Method, Session, new_session
from lockhouse.core.versions import Body, Origin
from lockhouse.core.webhooks import Progress, Webhook
from lockhouse.core.workspaces import Project
from lockhouse.edge.pacing import Pacing
from lockhouse.protocols import visitors
from lockhouse.protocols.api.app import Api
from lockhouse.protocols.aws.gate import Gate
from lockhouse.protocols.dynamodb.service import dynamodb_service
from lockhouse.protocols.http.room import HttpRoom
from lockhouse.protocols.s3.service import s3_service
from lockhouse.protocols.sts.service import query_service
from lockhouse.protocols.sts.web_identity import WebIdentity
from lockhouse.protocols.tfe import room as tfe
from lockhouse.protocols.web import Handler, Headers, Request, Response, Stream
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.entrance import Entrance
from lockhouse.runtime.federation import Federation
from lockhouse.runtime.house import House
from lockhouse.runtime.journal import Journal
from lockhouse.runtime.packing import compress
from lockhouse.runtime.recollections import InMemory
from lockhouse.service import access, locks, namespaces, objects, tables, uploads, workspaces
from lockhouse.service.access import HOUSE, NewPrincipal
from lockhouse.service.callers import Caller
from lockhouse.service.locks import TakeLock, Unlock
from lockhouse.service.versions import Put
from lockhouse.service.workspaces import NewWorkspace
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore
from lockhouse.webhooks import Sender
from tests.unit.service.rooms import body as body_of
from tests.wire.rig import state

MASTER = bytes(range(32))
NAMESPACE = "acme"
TABLE = "acme-locks"
KEY = "app.tfstate"
WORKSPACE = "ws-AAAAAAAAAAAAAAAA"
PROJECT = "prj-AAAAAAAAAAAAAAAA"
CLOUD_TEAM = "team-P-A1-cloud"
EMPTY_TEAM = "team-P-A1-empty"
PARKED = "parked-1"
REVIEW = "review-1"
SESSION = "a1" * 10
REVIEW_BODY = (
    b'{"schema":"lockhouse.review/1","root":"/src/app","commit":null,"services":[],"findings":[],"searched":{}}'
)
TARGET_TOKEN = "TOKENTARGET_____"
NOW = time.time()
"""When everything was made. The house has the clock that the signers of the SDK have: a long run of the tests ends
longer after its beginning than a signature is good for."""
STRANGE_VISITOR = "0" * 64
"""The cookie of a browser in which nobody has signed in."""
BROWSER = "browser"
"""As `Ask.service`: sent with the cookie of a session, from a page of this server."""


@dataclass(frozen=True)
class Ask:
    """One request before it is signed. `service`: `s3`, `dynamodb`, `sts`, `iam`, `BROWSER`, or empty for a bearer
    token. `{form}` in the body of a browser's request becomes the token of its visitor's forms."""

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    service: str = ""
    holding: str = ""
    """Who holds the lock: `caller`, `other` or nobody."""


@dataclass(frozen=True)
class Sent:
    """A request as it comes over the wire."""

    method: str
    path: bytes
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""


@dataclass(frozen=True)
class Person:
    """Somebody with a token, an access key and a session; no credential at all when they are empty."""

    name: str
    token: str = ""
    key: str = ""
    secret: str = ""
    visitor: str = ""
    """The name of the session: what stands in the cookie."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    location: str = ""
    etag: str = ""

    @property
    def refused(self) -> bool:
        """Whether it is the answer to somebody who may not."""
        denied = b"AccessDenied" in self.body or b"access.denied" in self.body
        return self.status in (401, 403) or denied


class World:
    """The house and everybody."""

    def __init__(self, directory: Path, issuers: tuple[str, ...] = (), store: Store | None = None) -> None:
        """`issuers`: of ID tokens. `store`: an empty one, which then is not put back before each request."""
        self._issuers = issuers
        self.store = store or MemoryStore()
        self.blobs = FileBlobs(directory / "blobs")
        self.authenticator = Authenticator(self.store, MASTER, time.time)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._directory = directory
        self.told: list[Entry] = []
        """What the audit log was told of requests that changed nothing."""
        self._handler: Handler = asyncio.run_coroutine_threadsafe(self._build(), self._loop).result(10)
        self._fill()
        self.people = {right: self.person(f"only-{right}", (right,)) for right in Right}
        self.nobody = Person("nobody")
        self.foreign = self.person("foreign", tuple(Right), "elsewhere")
        self.revoked = self.person("revoked", tuple(Right))
        self.store.write(lambda tx: access.revoke(tx, Caller(HOUSE, NOW, "cli"), "revoked"))
        self.expired = self.person("expired", tuple(Right), expires_at=NOW - 1)
        self.finishing = self.person("finishing", tuple(Right), expires_at=NOW - 1)
        """Its credential has ended, and its lock was taken before."""
        trusted = tuple(self._principal(each) for each in self.people.values())
        organization = keys.new_token("P-organization", NOW)
        made = Principal("P-organization", f"org-{NAMESPACE}", (), NOW, Kind.SERVICE_ACCOUNT)

        def trust(tx) -> None:
            role = tx.principal("P-role")
            tx.save_principal(msgspec.structs.replace(role, trusted=trusted))
            tx.save_principal(made)
            tx.save_credential(organization.credential)

        exact = Grant(NAMESPACE, KEY, (Right.READ, Right.READ_OUTPUTS), exact=True)
        one = Principal(CLOUD_TEAM[5:], f"{NAMESPACE}:cloud", (exact,), NOW, Kind.TEAM, namespace=NAMESPACE)
        other = Principal(EMPTY_TEAM[5:], f"{NAMESPACE}:empty", (), NOW, Kind.TEAM, namespace=NAMESPACE)
        token = keys.new_token(one.id, NOW).credential
        self.store.write(lambda tx: (tx.save_principal(one), tx.save_principal(other), tx.save_credential(token)))
        self.store.write(trust)
        for who in (*self.people.values(), self.foreign):
            self._begin_upload(who)
        found = self.store.read(lambda tx: tx.state(Address(NAMESPACE, KEY)))
        assert found is not None
        current = self.store.read(lambda tx: tx.version(found, 1))
        assert current is not None
        self._version = current.id
        self._everything = getattr(self.store, "_maps", None)

    async def _build(self) -> Handler:
        engine = Engine(self.store, self.blobs, now=time.time)
        engine.start()
        self.house = House(engine, lock_wait=0.0, max_body=1 << 20)
        settings = load({"data": str(self._directory / "data"), "config": None}, {})
        account = settings.account_id
        services = (
            s3_service(self.house, region="us-east-1", public_host="", account="000000000000"),
            dynamodb_service(self.house, account=account),
            query_service("sts", self.house, self.authenticator, account),
            query_service("iam", self.house, self.authenticator, account),
        )
        federation = Federation(self.house, self.authenticator, lambda: Issuers(self._issuers, time.time))
        identity = WebIdentity(federation, account, time.time)
        gate = Gate({each.name: each for each in services}, self.authenticator, time.time, identity)
        self.entrance = Entrance(self.house, self.authenticator, MASTER)
        cloud = tfe.TfeRoom(self.house, self.authenticator, MASTER, time.time, self.entrance)
        http = HttpRoom(self.house, self.authenticator, time.time)
        sender = Sender(MASTER, private=False, now=time.time)
        api = Api(self.house, self.authenticator, settings, webhooks=sender, federation=federation)
        signer = Signer(MASTER)
        journal = Journal(engine, lambda after, raws: segments.build(after, raws, NOW, signer))
        journal._collect = self.told.append  # a log that is written later would come into the next request's world
        pacing = Pacing(address_rate=0.0, principal_rate=0.0, failure_rate=0.0)
        rooms = {b"/http/": http} | dict.fromkeys(tfe.PATHS, cloud)
        return front(gate, api, Console(self.house, self.entrance), journal, rooms, pacing)

    def _fill(self) -> None:
        """A namespace with a state of two versions, a workspace, a table with an item, a team, a role, a project."""
        root = Caller(HOUSE, NOW - 100, "cli")
        address = Address(NAMESPACE, KEY)

        def command(tx) -> None:
            namespaces.create(tx, root, NAMESPACE)
            workspaces.create(tx, root, NAMESPACE, NewWorkspace(WORKSPACE, "app"))
            for name in ("target", "team-of-target"):
                kind = Kind.TEAM if name.startswith("team") else Kind.SERVICE_ACCOUNT
                credential = Credential(f"TOKEN{name.upper():_<11}"[:16], f"P-{name}", "token", NOW - 50)
                grants = (Grant(NAMESPACE, "", (Right.READ,)),)
                made = NewPrincipal(f"P-{name}", name, grants, kind=kind, credentials=(credential,))
                access.create(tx, root, made)
            role = NewPrincipal("P-role", "role-of-target", (Grant(NAMESPACE, "", (Right.READ,)),), kind=Kind.ROLE)
            access.create(tx, root, role)

        self.store.write(command)
        found = self.store.read(lambda tx: tx.workspace(WORKSPACE))
        assert found is not None
        self.store.write(lambda tx: tx.save_workspace(msgspec.structs.replace(found, address=address)))
        for serial in (1, 2):
            raw = state(serial, vpc="vpc-1")
            put = Put(address, _kept(raw), f"n{serial}", read_facts(raw))
            self.store.write(lambda tx, put=put: objects.put(tx, root, put))
        raw = state(1)
        kept = Parked(PARKED, address, NOW, "write.serial", "not newer", _kept(raw), Origin(), read_facts(raw))
        review = ReviewRecord(0, REVIEW, NOW, "/src/app", "", "P-target", "target", len(REVIEW_BODY), {})

        session = Session(SESSION, b"d" * 32, "P-target", "local", NOW, NOW, NOW + 86400)

        hook = Webhook("wh-1", "target", "https://127.0.0.1/", ("lock",), NOW, "target", b"n", namespace=NAMESPACE)

        def more(tx) -> None:
            tx.add_parked(kept)
            tx.add_session(session)
            tx.save_webhook(hook, Progress())
            tx.save_maintenance(Maintenance("m-1", NAMESPACE, "closed/", "because", NOW, "P-target", "target"))
            tx.add_review(review, compress(REVIEW_BODY))
            tx.save_project(Project(PROJECT, NAMESPACE, "project", NOW))

        self.store.write(more)
        locker = Caller(Identity("P-target", "locked-by-target", "x", HOUSE.grants), NOW - 90, "http")
        info = b'{"ID":"traffic","Who":"locked-by-target"}'
        self.store.write(lambda tx: locks.take(tx, locker, TakeLock(address, Facet.HTTP, info)))
        self.store.write(lambda tx: locks.release(tx, locker, Unlock(address, Facet.HTTP, "traffic")))
        table = Table(
            TABLE, "00000000-0000-4000-8000-000000000000", Schema(KeyAttribute("LockID", AttributeKind.S)), NOW
        )
        self.store.write(lambda tx: tables.create(tx, root, table))

    def person(self, name: str, rights: tuple[Right, ...], namespace: str = "", expires_at: float = 0.0) -> Person:
        """Somebody with these rights everywhere, or in one namespace."""
        places = (namespace or "*",)
        principal = keys.new_principal_id()
        token = keys.new_token(principal, NOW, expires_at)
        key = msgspec.structs.replace(keys.new_access_key(principal, NOW), expires_at=expires_at)
        grants = tuple(Grant(each, "", rights) for each in places)
        made = Principal(principal, name, grants, NOW, Kind.SERVICE_ACCOUNT)
        visitor = hashlib.sha256(name.encode()).hexdigest()
        session = new_session(visitor, principal=principal, method=Method.LOCAL, now=NOW, lifetime=86400.0)
        session = msgspec.structs.replace(session, credential=token.credential.id)

        def command(tx) -> None:
            tx.save_principal(made)
            tx.save_credential(token.credential)
            tx.save_credential(key)
            tx.add_session(session)

        self.store.write(command)
        return Person(name, token.text, key.id, keys.secret_of(MASTER, key).decode(), visitor)

    def _begin_upload(self, who: Person) -> None:
        """Everybody has an upload with one part."""
        address = Address(NAMESPACE, "parts.txt")
        caller = Caller(Identity(self._principal(who), who.name, who.key, HOUSE.grants), NOW, "s3")

        def command(tx) -> None:
            uploads.create(tx, caller, address, f"upload-of-{who.name}", uploads.Template())
            uploads.put_part(tx, caller, address, f"upload-of-{who.name}", Part(1, _kept(b"part"), NOW))

        self.store.write(command)

    def _principal(self, who: Person) -> str:
        known = self.store.read(lambda tx: tx.credential(who.key))
        assert known is not None
        return known.principal

    def ask(self, who: Person, ask: Ask) -> Answer:
        """One request in the world as it was made."""
        self._put_back()
        self.authenticator.changed()
        if isinstance(self.house.recollections, InMemory):
            self.house.recollections = self.house.locking.recollections = InMemory()
        if ask.holding:
            self._lock(who if ask.holding == "caller" else self.people[Right.ADMIN], ask)
        return asyncio.run_coroutine_threadsafe(self._ask(who, ask), self._loop).result(30)

    def _put_back(self) -> None:
        if self._everything is not None:
            self.store._maps = self._everything

    def ask_again(self, who: Person, ask: Ask) -> Answer:
        """One more request in the world as the one before has left it."""
        return asyncio.run_coroutine_threadsafe(self._ask(who, ask), self._loop).result(30)

    def fill(self, ask: Ask, who: Person) -> Ask:
        """The request with the names and ids of this world."""
        version = self._version
        known = self.store.read(lambda tx: tx.credential(keys.split_token(who.token)[0])) if who.token else None
        names = {
            "{org}": NAMESPACE,
            "{namespace}": NAMESPACE,
            "{user}": f"user-{known.principal}" if known else "user-nobody",
            "{name}": "target",
            "{member}": "target",
            "{version}": version,
            "{upload}": f"upload-of-{who.name}",
            "{pass}": "nothing",
        }
        path, body = ask.path, ask.body.decode()
        if path.startswith("/api/v2/"):
            cloud = f"sv-{WORKSPACE[3:]}.{version}"
            names |= {"{name}": "app", "{id}": WORKSPACE, "{version}": cloud}
            for start, found in (
                ("/api/v2/state-versions/", cloud),
                ("/api/v2/state-version-outputs/", f"wsout-{cloud[3:]}.{hashlib.sha256(b'vpc').hexdigest()[:12]}"),
                ("/api/v2/projects/", PROJECT),
                ("/api/v2/teams/", CLOUD_TEAM),
                ("/api/v2/team-workspaces/", f"tws-{CLOUD_TEAM[5:]}.{WORKSPACE[3:]}"),
                ("/api/v2/authentication-tokens/", f"at-{keys.split_token(who.token)[0] if who.token else 'x'}"),
            ):
                if path.startswith(start):
                    names["{id}"] = found
        else:
            names["{id}"] = TARGET_TOKEN
            if path.startswith("/lockhouse/v1/teams/"):
                names["{name}"] = "team-of-target"
            if path.startswith("/lockhouse/v1/roles/"):
                names["{name}"] = "role-of-target"
            if path.startswith("/lockhouse/v1/parked/"):
                names["{id}"] = PARKED
            if path.startswith("/lockhouse/v1/sessions/"):
                names["{id}"] = SESSION
            if path.startswith("/lockhouse/v1/reviews/"):
                names["{id}"] = REVIEW
        for name, value in names.items():
            path, body = path.replace(name, value), body.replace(name, value)
        return replace(ask, path=path, body=body.encode())

    @property
    def changed(self) -> bool:
        """Whether the last request changed anything of record, in which it was asked with nobody holding the lock."""
        return self.store._maps is not self._everything and self._record() != self._before

    def _record(self) -> object:
        maps = self.store._maps
        return (maps.versions, maps.locks, maps.namespaces, maps.principals, maps.credentials, maps.tables, maps.items)

    @property
    def _before(self) -> object:
        maps = self._everything
        return (maps.versions, maps.locks, maps.namespaces, maps.principals, maps.credentials, maps.tables, maps.items)

    def _lock(self, who: Person, ask: Ask) -> None:
        credential = who.key if ask.service else keys.split_token(who.token)[0] if who.token else "x"
        known = self.store.read(lambda tx: tx.credential(credential))
        principal = known.principal if known else "x"
        facet = {"s3": Facet.LOCKFILE, "dynamodb": Facet.TABLE}.get(ask.service, Facet.HTTP)
        if ask.path.startswith("/api/v2"):
            facet = Facet.WORKSPACE
        at = NOW - 50 if who is self.finishing else NOW
        caller = Caller(Identity(principal, who.name, credential, HOUSE.grants), at, "cli")
        info = b'{"ID":"held","Operation":"OperationTypePlan"}'
        self.store.write(lambda tx: locks.take(tx, caller, TakeLock(Address(NAMESPACE, KEY), facet, info)))

    async def _ask(self, who: Person, ask: Ask) -> Answer:
        return await self._send(self.sent(who, ask))

    def sent(self, who: Person, ask: Ask) -> Sent:
        """What comes over the wire when this person asks, with the proof that the protocol wants."""
        path, _, query = ask.path.partition("?")
        body = ask.body
        if ask.service == BROWSER:
            headers = self._browsed(who, ask)
            body = body.replace(b"{form}", self.entrance.form_token(who.visitor or STRANGE_VISITOR).encode())
        else:
            headers = self._signed(who, ask) if ask.service else dict(ask.headers) | {"host": "lock.test"}
        if not ask.service and who.token:
            headers["authorization"] = f"Bearer {who.token}"
        fields = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
        return Sent(ask.method, path.encode(), query.encode(), fields, body)

    def send(self, sent: Sent) -> Answer:
        """Exactly this request, in the world as it was made."""
        self._put_back()
        return asyncio.run_coroutine_threadsafe(self._send(sent), self._loop).result(30)

    async def _send(self, sent: Sent) -> Answer:
        async def chunks() -> AsyncIterator[bytes]:
            if sent.body:
                yield sent.body

        async def never() -> None:
            await asyncio.Event().wait()

        request = Request(
            method=sent.method,
            raw_path=sent.path,
            raw_query=sent.query,
            headers=Headers(list(sent.headers)),
            scheme="https",
            peer="192.0.2.1",
            request_id="r",
            chunks=chunks,
            disconnected=never,
        )
        response: Response = await self._handler(request)
        found = response.body
        if isinstance(found, Stream):
            data = b"".join([piece async for piece in found.chunks()])
            found.close()
        else:
            data = found
        fields = {name.decode(): value.decode() for name, value in response.headers}
        return Answer(response.status, data, fields.get("location", ""), fields.get("etag", ""))

    @property
    def untouched(self) -> bool:
        """Whether nothing at all was written since the world was put back."""
        return self.store._maps is self._everything

    def _browsed(self, who: Person, ask: Ask) -> dict[str, str]:
        cookie = f"{visitors.cookie_name(secure=True)}={who.visitor or STRANGE_VISITOR}"
        sent = {"host": "lock.test", "cookie": cookie}
        if ask.method == "POST":
            sent |= {"origin": "https://lock.test", "content-type": visitors.FORM_TYPE}
        return sent | dict(ask.headers)

    def _signed(self, who: Person, ask: Ask) -> dict[str, str]:
        headers = dict(ask.headers)
        if not who.key:
            return headers | {"host": "lock.test"}
        request = AWSRequest(ask.method, f"https://lock.test{ask.path}", data=ask.body, headers=headers)
        signer = S3SigV4Auth if ask.service == "s3" else SigV4Auth
        signer(Credentials(who.key, who.secret), ask.service, "us-east-1").add_auth(request)
        return {name: str(value) for name, value in request.headers.items()} | {
            "host": "lock.test",
            "content-length": str(len(ask.body)),
        }

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self.house.engine.stop()
        self.store.close()


def _kept(raw: bytes) -> Body:
    return msgspec.structs.replace(body_of(raw), packed=compress(raw))


def document(value: object) -> bytes:
    return json.dumps(value).encode()


def quoted(text: str) -> str:
    return quote(text, safe="")
