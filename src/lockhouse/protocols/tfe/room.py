"""The room of `cloud {}` and `backend "remote"`: discovery, login, and the API behind its route table.

One `TfeRoom` serves `/.well-known/terraform.json`, `/oauth/` and `/api/v2/`. It verifies the bearer token, finds the
route, and turns problems into JSON:API errors; what a request does is in `operations`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from lockhouse.core.principals import Identity
from lockhouse.errors import CredentialExpired, CredentialUnknown, Problem
from lockhouse.protocols.tfe import login, routes
from lockhouse.protocols.tfe.call import Call
from lockhouse.protocols.tfe.finishing import finish_of
from lockhouse.protocols.tfe.login import AUTHORIZE_PATH, CLIENT, FIRST_PORT, LAST_PORT, LIFETIME, TOKEN_PATH, Login
from lockhouse.protocols.tfe.signing import LoginCode, Purpose, Signer, UploadPass
from lockhouse.protocols.tfe.tokens import Tokens
from lockhouse.protocols.tfe.wire import (
    API_VERSION,
    APP_NAME,
    CONTENT_TYPE,
    SNAPSHOT_SECONDS,
    encode_error,
    encode_problem,
)
from lockhouse.protocols.web import Request, Response, is_text, unescape
from lockhouse.runtime.entrance import Entrance
from lockhouse.runtime.house import House
from lockhouse.service.callers import Caller

PROTOCOL = "cloud"
API_PATH = b"/api/v2/"
DISCOVERY_PATH = b"/.well-known/terraform.json"
OAUTH_PATH = b"/oauth/"
PATHS = (API_PATH, DISCOVERY_PATH, OAUTH_PATH)
"""What the application hands to this room."""
OPEN = (("GET", DISCOVERY_PATH), *login.ROUTES)
"""What is answered without a credential: method and path."""
_UPLOADS = API_PATH + b"state-uploads/"
_NOBODY = Identity(principal="", name="", credential="", grants=())
_log = logging.getLogger("lockhouse.tfe")


class TfeRoom:
    """Serves every request below `PATHS`."""

    def __init__(
        self,
        house: House,
        tokens: Tokens,
        master: bytes,
        now: Callable[[], float],
        entrance: Entrance,
        *,
        public_url: str = "",
        login_lifetime: float = LIFETIME,
    ) -> None:
        self._house = house
        self._tokens = tokens
        self._now = now
        self._public_url = public_url.rstrip("/")
        self._uploads = Signer(master, Purpose.UPLOAD, UploadPass)
        self._login = Login(house, tokens, Signer(master, Purpose.LOGIN, LoginCode), entrance, login_lifetime)

    async def __call__(self, request: Request) -> Response:
        try:
            request.admit()
            if request.raw_path == DISCOVERY_PATH:
                return self._discover(request)
            if request.raw_path.startswith(OAUTH_PATH):
                return await self._login(request)
            response = await self._serve(request)
        except Problem as problem:
            request.trail.code = problem.code
            response = _refuse(request, problem)
        except Exception:  # noqa: BLE001 - the edge: whatever went wrong, the client gets an answer
            _log.exception("Cannot serve a request request=%s", request.request_id)
            response = Response(
                500, [(b"content-type", CONTENT_TYPE)], encode_error(500, f"request {request.request_id}")
            )
        response.headers += [(b"tfp-api-version", API_VERSION), (b"tfp-appname", APP_NAME)]
        return response

    def _discover(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return Response(405, [(b"allow", b"GET")])
        api = API_PATH.decode()
        services = {
            "state.v2": api,
            "tfe.v2": api,
            "tfe.v2.1": api,
            "tfe.v2.2": api,
            "login.v1": {
                "client": CLIENT,
                "grant_types": ["authz_code"],
                "authz": AUTHORIZE_PATH.decode(),
                "token": TOKEN_PATH.decode(),
                "ports": [FIRST_PORT, LAST_PORT],
            },
        }
        return Response(200, [(b"content-type", b"application/json")], msgspec.json.encode(services))

    async def _serve(self, request: Request) -> Response:
        segments = [unescape(part) for part in request.raw_path[len(API_PATH) :].split(b"/")]
        found = routes.match(request.method, segments) if all(map(is_text, segments)) else None
        caller = await self._tokens.asking(lambda: self._identify(request, found))
        request.trail.who = caller.who if caller.who.principal else None
        if found is None:
            return Response(
                404, [(b"content-type", CONTENT_TYPE)], encode_error(404, "this endpoint is not offered here")
            )
        request.trail.action = f"{found.route.method} {found.route.path}"
        call = Call(request, caller, self._house, self._tokens, self._uploads, self._base(request), found.arguments)
        return await found.route.operation(call)

    def _identify(self, request: Request, found: routes.Match | None) -> Caller:
        who: Identity | None = _NOBODY
        if not request.raw_path.startswith(_UPLOADS):
            scheme, _, text = (request.headers.get("authorization") or "").partition(" ")
            who = self._token(text.strip(), found) if scheme.lower() == "bearer" else None
        if who is None:
            raise CredentialUnknown("cannot tell who you are: send an API token", hint="terraform login HOST")
        return Caller(
            who=who,
            now=self._now(),
            protocol=PROTOCOL,
            peer=request.peer,
            agent=_agent(request),
            request=request.request_id,
        )

    def _token(self, text: str, found: routes.Match | None) -> Identity | None:
        try:
            return self._tokens.token(text)
        except CredentialExpired:
            finish = finish_of(found)
            if finish is None:
                raise
            return self._tokens.token(text, finish)

    def _base(self, request: Request) -> str:
        own = self._public_url or f"{request.scheme}://{request.headers.get('host') or 'localhost'}"
        return own + API_PATH.decode()


def _agent(request: Request) -> str:
    version = request.headers.get("terraform-version")
    agent = request.headers.get("user-agent") or ""
    return f"Terraform/{version} {agent}" if version else agent


def _refuse(request: Request, problem: Problem) -> Response:
    status, body = encode_problem(problem)
    headers = [(b"content-type", CONTENT_TYPE), (b"cache-control", b"no-store")]
    if status == 429:
        headers.append((b"x-ratelimit-reset", f"{float(problem.details.get('retry_after', 1)):.1f}".encode()))
    if status == 404 and request.raw_path.endswith(b"/current-state-version"):
        headers.append((b"x-terraform-snapshot-interval", str(SNAPSHOT_SECONDS).encode()))
    return Response(status, headers, body)
