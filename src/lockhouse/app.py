"""The object graph and the running server: the only module that knows every room.

`build` opens the data directory and puts the rooms together; `run` serves until SIGTERM or SIGINT, drains and closes.
A request goes to the AWS gate when it carries an AWS signature, else by its path; what nobody knows is refused by the
gate in S3's words, since that is what AWS clients without credentials expect.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import uvicorn

from lockhouse.audit import segments
from lockhouse.audit.signing import Signer
from lockhouse.auth.authenticator import Authenticator
from lockhouse.auth.master import fingerprint, open_master_key, read_master_key
from lockhouse.bootstrap import BACKUP_FILES, first_start
from lockhouse.config import EMBEDDED, Settings
from lockhouse.console.app import Console
from lockhouse.core.retention import DAY_SECONDS
from lockhouse.core.sessions import Sessions
from lockhouse.edge.addresses import networks
from lockhouse.edge.connection import Deadlines, connection_class
from lockhouse.edge.pacing import WRONG, Pacing
from lockhouse.errors import SettingInvalid
from lockhouse.protocols.api.app import Api
from lockhouse.protocols.aws.gate import Gate
from lockhouse.protocols.aws.sigv4 import claims_signature
from lockhouse.protocols.dynamodb.service import dynamodb_service
from lockhouse.protocols.http.room import HttpRoom
from lockhouse.protocols.s3.service import s3_service
from lockhouse.protocols.sts.service import query_service
from lockhouse.protocols.sts.web_identity import WebIdentity
from lockhouse.protocols.tfe import room as tfe
from lockhouse.protocols.web import Handler, Request, Response
from lockhouse.runtime.chores import Chores
from lockhouse.runtime.dispatcher import Dispatcher
from lockhouse.runtime.encryption import Encryption
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.federation import Federation
from lockhouse.runtime.house import House
from lockhouse.runtime.journal import Journal
from lockhouse.runtime.repacking import Repacking
from lockhouse.runtime.rounds import Rounds
from lockhouse.runtime.scrubbing import Scrubbing
from lockhouse.runtime.staleness import Staleness
from lockhouse.runtime.tracing import is_wanted
from lockhouse.runtime.uses import Uses
from lockhouse.sealing.ring import Ring
from lockhouse.sealing.sources import choose_source, open_ring
from lockhouse.service.renewal import renewed
from lockhouse.signin import build_entrance, build_issuers, build_jobs
from lockhouse.storage.blobs.opening import DATABASE as BLOB_ROWS
from lockhouse.storage.blobs.opening import KeptBlobs, is_elsewhere, open_to_serve
from lockhouse.storage.blobs.reach import AGAIN_SECONDS, Reach
from lockhouse.storage.blobs.sweep import sweep
from lockhouse.storage.carry import backup
from lockhouse.storage.carry.archive import Manifest
from lockhouse.storage.carry.carrying import check_served
from lockhouse.storage.carry.place import serving
from lockhouse.storage.directory import DataDirectory, open_directory
from lockhouse.webhooks import Sender

if TYPE_CHECKING:
    from lockhouse.storage.shared import SharedStorage

_OWN_PATHS = (b"/lockhouse/", b"/healthz", b"/readyz", b"/metrics")
_PROBES = frozenset({b"/healthz", b"/readyz"})
_IN_BODY = frozenset({b"/console/sign-in", b"/lockhouse/v1/exchange", b"/oauth/token"})
"""Where the credential comes in the body."""
_METRIC_NAMES = {b"/http/": "http"}
_log = logging.getLogger("lockhouse.app")


class Announce(Protocol):
    """Told once, when requests are accepted: the endpoint, and whether this start made the administrator."""

    def __call__(self, endpoint: str, first: bool) -> None: ...


class Background(Protocol):
    """Work beside requests."""

    def start(self) -> None:
        """Begin; called from the event loop."""
        ...

    async def stop(self) -> None:
        """End, after the last request was answered."""
        ...


@dataclass
class Server:
    """One server: its data directory, its house and what serves its requests."""

    settings: Settings
    directory: DataDirectory | SharedStorage
    authenticator: Authenticator
    house: House
    handler: Handler
    api: Api
    background: tuple[Background, ...]
    first: bool
    """Whether this start made the administrator."""
    made_key: str
    """Where this start put the first key that seals states; empty: it made none."""


def build(settings: Settings, now: Callable[[], float] = time.time) -> Server:
    """Open everything. Errors: StorageUnavailable (`storage.unavailable`) when the data directory cannot be used."""
    directory = _open(settings)
    try:
        directory.store.read(check_served)
        shared = not isinstance(directory, DataDirectory)
        chosen = BLOB_ROWS if shared and settings.blobs == EMBEDDED else settings.blobs
        # Before keys and an administrator are made: of a start that ends here nothing is left that is told only once.
        blobs, reach = open_to_serve(chosen, directory.blobs, directory.store, directory.house)
        master = (
            read_master_key(settings.master_key_file)
            if settings.master_key_file
            # A lost one is not made anew in silence: every access key, and who signs the audit log, hangs on it.
            else open_master_key(directory.path, create=first_start.is_first_start(directory.store))
        )
        if not isinstance(directory, DataDirectory):
            directory.check_master_key(fingerprint(master))
        sealed = open_ring(choose_source(settings.encryption_key, directory.path, os.environ), directory.store, now())
        ring = sealed.ring if sealed is not None else None
        first = first_start.begin(
            directory.store,
            master,
            directory.path,
            namespace=settings.namespace,
            region=settings.region,
            require_lock=settings.require_lock,
            now=now(),
        )
        authenticator = Authenticator(directory.store, master, now)
        engine = Engine(directory.store, blobs, now=now)
        authenticator.elsewhere = engine.elsewhere
        authenticator.grace = settings.expiry_grace * 3600
        house = House(
            engine,
            lock_wait=settings.lock_wait,
            max_body=settings.max_body,
            require_lock=settings.require_lock,
            sessions=_redis(settings.sessions_url) if settings.sessions_url else None,
            ring=ring,
            renewed=renewed,
        )
        entrance = build_entrance(settings, house, authenticator, master)
        services = (
            s3_service(house, region=settings.region, public_host=settings.public_host, account=settings.account_id),
            dynamodb_service(house, account=settings.account_id),
            query_service("sts", house, authenticator, settings.account_id),
            query_service("iam", house, authenticator, settings.account_id),
        )
        federation = Federation(house, authenticator, build_issuers(settings, now), dict(settings.ci_job_links))
        web_identity = WebIdentity(federation, settings.account_id, now)
        gate = Gate({service.name: service for service in services}, authenticator, now, web_identity)
        encryption = Encryption(engine, sealed)
        signer = Signer(master)
        sender = Sender(master, private=settings.webhook_private_networks, now=now)
        journal = Journal(
            engine,
            lambda after, raws: segments.build(after, raws, now(), signer),
            retention_days=settings.audit_retention,
            reads=settings.audit_reads,
        )
        repacking = Repacking(engine, house.bodies, lambda: api.metrics.served())  # noqa: PLW0108 - it is made below
        scrubbing = Scrubbing(engine, house.bodies, rate=settings.scrub_rate)
        api = Api(
            house,
            authenticator,
            settings,
            backup=_backup_of(settings, directory, blobs, ring),
            audit_key=signer.public_key,
            repacking=repacking,
            scrubbing=scrubbing,
            encryption=encryption,
            webhooks=sender,
            federation=federation,
        )
        rooms = {b"/http/": HttpRoom(house, authenticator, now)}
        cloud = tfe.TfeRoom(
            house,
            authenticator,
            master,
            now,
            entrance,
            public_url=settings.public_url,
            login_lifetime=settings.login_lifetime,
        )
        console = Console(house, entrance)
        pacing = Pacing(
            address_rate=settings.address_rate,
            principal_rate=settings.principal_rate,
            failure_rate=settings.failure_rate,
        )
        api.metrics.add_refused(pacing.refused)
        staleness = Staleness(
            engine,
            seen=lambda credential: authenticator.last_used.get(credential, 0.0),
            silence=settings.stale_silence * 60,
            jobs=build_jobs(settings),
            released=house.locking.waiting.wake,
        )
        for gauge in (
            ("lockhouse_audit_waiting", "Audit entries that are not in the database yet.", lambda: journal.waiting),
            ("lockhouse_stale_locks", "Locks whose holders are gone, by evidence.", lambda: staleness.found),
            ("lockhouse_commands_waiting", "Commands that wait for a commit.", lambda: engine.commands_waiting),
            ("lockhouse_blobs_up", "0 while the place of large bodies does not answer.", lambda: reach.answers),
            ("lockhouse_reads_waiting", "Reads that wait for the database.", lambda: engine.reads_waiting),
        ):
            api.metrics.add_gauges(gauge)
        api.bodies_answer = lambda: reach.answers
        authenticator.identified = pacing.identified
        plain = front(gate, api, console, journal, rooms | dict.fromkeys(tfe.PATHS, cloud), pacing)
        handler, traces = _traced(settings, engine, plain)
        made_key = sealed.source.where() if sealed is not None and sealed.made else ""
        chores = Chores(
            engine,
            lambda stop: sweep(
                blobs, directory.store, now=now(), stop=stop, house=directory.house() if is_elsewhere(chosen) else ""
            ),
            restore_window=settings.restore_window * DAY_SECONDS,
            retention_floor=settings.retention_floor * DAY_SECONDS,
            sessions=house.sessions,
        )
        house.locking.waiting_notice = settings.waiting_notice
        house.locking.on_waiting = journal.saw_waiting
        dispatcher = Dispatcher(engine, sender.send, server=settings.public_url)
        background: tuple[Background, ...] = (
            *((repacking.rounds,) if settings.packing else ()),
            *((scrubbing.rounds,) if settings.scrub_rate else ()),
            chores.rounds,
            encryption,
            staleness.rounds,
            Uses(engine, authenticator.take_uses),
            *((_asking(reach),) if is_elsewhere(chosen) else ()),
            dispatcher,
            journal,
            *traces,
        )
    except BaseException:
        directory.close()
        raise
    return Server(settings, directory, authenticator, house, handler, api, background, first, made_key)


def _asking(reach: Reach) -> Background:
    return Rounds("ask for large bodies", lambda: asyncio.to_thread(reach.look), seconds=AGAIN_SECONDS, log=_log)


def _backup_of(
    settings: Settings, directory: DataDirectory | SharedStorage, blobs: KeptBlobs, ring: Ring | None
) -> Callable[[Path, float, bool], Manifest]:
    if not isinstance(directory, DataDirectory):
        from lockhouse.storage.carry.database_place import serving_database  # noqa: PLC0415 - only for PostgreSQL

        file = settings.database_password_file
        password = file.read_text().strip() if file is not None else ""
        place = serving_database(directory.store, settings.database_url, blobs, directory.path, ring, password)
    else:
        place = serving(directory, ring, blobs)
    return lambda target, at, with_keys: backup.create(place, target, now=at, files=BACKUP_FILES if with_keys else ())


def _open(settings: Settings) -> DataDirectory | SharedStorage:
    if settings.database_url == EMBEDDED:
        return open_directory(settings.data)
    from lockhouse.storage.shared import open_shared  # noqa: PLC0415 - 10 MB of memory, only for PostgreSQL

    return open_shared(
        settings.data,
        settings.database_url,
        connections=settings.database_connections,
        password_file=settings.database_password_file,
    )


def run(settings: Settings, announce: Announce) -> None:
    """Serve until a signal, then drain. `announce` is called once when requests are accepted."""
    os.umask(0o077)  # whatever the server writes is its own: states hold secrets
    server = build(settings)
    try:
        with _listen(settings) as listener:
            _serve(server, listener, announce)
    finally:
        server.house.engine.stop()
        server.directory.close()


def front(
    gate: Handler, api: Api, console: Console, journal: Journal, rooms: dict[bytes, Handler], pacing: Pacing
) -> Handler:
    """Our own addresses and those of `rooms`, unless the request is signed for AWS; everything else is AWS's."""
    prefixes, observe = tuple(rooms), api.metrics.observe

    async def front(request: Request) -> Response:
        began = time.perf_counter()
        if request.raw_path not in _PROBES:
            request.refusal = pacing.arrived(request.peer, began)
        handler, name = gate, "aws"
        if not claims_signature(request.headers, request.raw_query):
            path = request.raw_path
            if console.wants(request):
                handler, name = console.handle, "console"
            elif path.startswith(prefixes):
                room = next(prefix for prefix in prefixes if path.startswith(prefix))
                handler, name = rooms[room], _METRIC_NAMES.get(room, "cloud")
            elif path.startswith(_OWN_PATHS):
                handler, name = api.handle, "api"
        response = await handler(request)
        trail, status = request.trail, response.status
        if trail.code:
            api.metrics.met(trail.code)
            if trail.code in WRONG and (handler is gate or _presents(request)):
                pacing.failed(request.peer, began)
        if status == 503 and not any(name == b"retry-after" for name, _ in response.headers):
            response.headers.append((b"retry-after", b"1"))  # RFC 9110 section 10.2.3, whatever the protocol
        observe(name, status, time.perf_counter() - began)
        protocol = trail.protocol = trail.protocol or name
        if journal.tells(trail, request.method, protocol, status):
            journal.saw(
                trail,
                method=request.method,
                protocol=protocol,
                peer=request.peer,
                agent=request.headers.get("user-agent") or "",
                request=request.request_id,
                status=status,
            )
        return response

    return front


def _traced(settings: Settings, engine: Engine, handler: Handler) -> tuple[Handler, tuple[Background, ...]]:
    """The handler as it is, or with a span around each request and what sends them.

    Errors: `setting.invalid` when the setting wants traces and the extra is not installed."""
    if not is_wanted(settings.otel_endpoint, os.environ):
        return handler, ()
    try:
        from lockhouse.telemetry import Tracing  # noqa: PLC0415 - libraries of an extra, only where they are wanted
    except SettingInvalid as missing:
        if settings.otel_endpoint:
            raise
        _log.warning("Sending no traces, although a variable OTEL_… says where to: %s", missing.message)
        return handler, ()
    tracing = Tracing(settings.otel_endpoint, os.environ)
    engine.watch = tracing.watch
    return tracing.around(handler), (tracing,)


def _presents(request: Request) -> bool:
    """Whether the request brought a credential that may have been guessed: one without any is no failed attempt."""
    return "authorization" in request.headers or (request.method == "POST" and request.raw_path in _IN_BODY)


def _redis(url: str) -> Sessions:
    from lockhouse.storage.redis.sessions import RedisSessions  # noqa: PLC0415 - a library that few need

    return RedisSessions(url)


@contextlib.contextmanager
def _listen(settings: Settings) -> Iterator[socket.socket]:
    host, port = settings.listen
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048, reuse_port=False)
    except OSError as wrong:
        named = wrong.errno and not isinstance(wrong, socket.gaierror)  # whose numbers are others
        reason = os.strerror(wrong.errno or 0) if named else wrong.strerror or str(wrong)
        raise SettingInvalid(
            f"cannot listen on {settings.listen}: {reason}", hint="choose another: --listen HOST:PORT", setting="listen"
        ) from None
    with listener:
        yield listener


def _serve(server: Server, listener: socket.socket, announce: Announce) -> None:
    settings, served = server.settings, None
    if settings.scheme == "https":
        from lockhouse.edge.certificate import open_served  # noqa: PLC0415 - as in `_redis`

        served = open_served(settings, server.directory.path)
        server.background += (served,)
        server.api.serves(lambda: served.ends)
    server.api.metrics.add_gauges(
        (
            "lockhouse_certificate_end_seconds",
            "When the certificate that is served ends, as a Unix time; 0 without https.",
            lambda: served.ends if served is not None else 0.0,
        )
    )
    config = uvicorn.Config(
        server.handler,
        http=connection_class(
            Deadlines(head=settings.header_deadline, progress=settings.body_deadline),
            settings.max_body,
            max_per_address=settings.max_connections_per_address,
            trusted=networks(settings.trusted_proxies),
        ),
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        date_header=True,
        limit_concurrency=settings.max_connections,
        timeout_graceful_shutdown=max(1, round(settings.drain)),
        timeout_keep_alive=75,
        ssl_context_factory=(lambda _, __: served.context) if served is not None else None,
    )
    _Process(config, server, announce).run([listener])


class _Process(uvicorn.Server):
    """uvicorn's server with our start, our end and exit status 0 after a signal."""

    def __init__(self, config: uvicorn.Config, server: Server, announce: Announce) -> None:
        super().__init__(config)
        self._server = server
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        server = self._server
        server.house.engine.start()
        await super().startup(sockets)
        assert sockets is not None
        endpoint = _endpoint(server.settings, sockets[0])
        for each in server.background:
            each.start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        if server.made_key:
            _log.warning(
                "Made the key that seals all states file=%s KEEP A COPY OF IT apart from the backups: without it "
                "nobody can ever read them",
                server.made_key,
            )
        self._announce(endpoint, server.first)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._server.api.draining = True
        self._server.house.locking.waiting.end_all()
        await super().shutdown(sockets)
        for each in self._server.background:
            await each.stop()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A drained server has done what it was asked to: it does not raise the signal again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


def _endpoint(settings: Settings, listener: socket.socket) -> str:
    if settings.public_url:
        return settings.public_url
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - only what to print
    return f"{settings.scheme}://{f'[{shown}]' if ':' in shown else shown}:{port}"
