"""The console over HTTP: match the route, find the visitor, call one use case, render.

A page without a session leads to the form that asks for a token. A form is believed only when it comes from this
server's own origin and carries the token of its visitor. What is not a Problem is logged with the request id and
answered 500 without a word of what it was.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from lockhouse.auth.authenticator import Authenticator
from lockhouse.console import guard, pages
from lockhouse.console.pages import Context, Frame, Message, Pages, SignIn
from lockhouse.console.sessions import SESSION_SECONDS, Sessions
from lockhouse.core.principals import Identity
from lockhouse.errors import BodyTooLarge, CredentialExpired, Problem, RequestInvalid
from lockhouse.protocols.web import Request, Response, unescape
from lockhouse.runtime import reviews as desk
from lockhouse.runtime.house import House
from lockhouse.runtime.traffic import lock_traffic
from lockhouse.service import reviews
from lockhouse.service.callers import Caller

MAX_FORM = 8 * 1024
PAGE = 50
DAYS = 30
SIGN_IN = "/console/sign-in"
_MAX_SEQ = 2**62
_MAX_TOKEN = 200
_STATUSES = {
    "access.denied": 403,
    "body.too_large": 413,
    "review.not_found": 404,
    "slow_down": 429,
    "storage.full": 503,
    "storage.unavailable": 503,
}
"""Code to HTTP status; all else that a visitor can meet is a malformed request: 400."""
_log = logging.getLogger("lockhouse.console")


class Access(StrEnum):
    """Who may come in."""

    ANYBODY = "anybody"
    SIGNED_IN = "signed in"


@dataclass(frozen=True)
class Visit:
    """One request with its visitor."""

    request: Request
    visitor: str
    """The name in the cookie; empty: none."""
    secure: bool
    who: Identity | None
    now: float
    path: dict[str, str]
    form: dict[str, str]

    @property
    def caller(self) -> Caller:
        assert self.who is not None
        request = self.request
        agent = request.headers.get("user-agent") or ""
        return Caller(self.who, self.now, "console", peer=request.peer, agent=agent, request=request.request_id)

    def query(self, name: str) -> str:
        """A parameter of the query; empty when it is not there."""
        return (self.request.parameter(name) or "")[:5000]


Handler = Callable[["Console", Visit], Awaitable[Response]]


@dataclass(frozen=True)
class Route:
    """One row. `{name}` in a path is one segment."""

    method: str
    path: str
    handler: Handler
    access: Access


class Console:
    """The handler of `/console/…`, and of `/` for browsers."""

    def __init__(self, house: House, authenticator: Authenticator, public_url: str = "") -> None:
        self._house = house
        self._authenticator = authenticator
        self._public_url = public_url
        self._pages = Pages()
        self.sessions = Sessions()

    @staticmethod
    def wants(request: Request) -> bool:
        """Whether this request is the console's: its own paths, and `/` when a browser asks for a page."""
        path = request.raw_path
        if path == b"/":
            return request.method == "GET" and "text/html" in (request.headers.get("accept") or "")
        return path == b"/console" or path.startswith(b"/console/")

    async def handle(self, request: Request) -> Response:
        """One request. Never raises but for a client that has gone."""
        try:
            response = await self._answer(request)
        except Problem as problem:
            request.trail.code = problem.code
            shown = Message("This did not work", problem.message, problem.hint)
            response = self._page(shown, None, _STATUSES.get(problem.code, 400))
        except Exception:  # noqa: BLE001 - everything else is internal, and one request must not end the server
            _log.exception("Cannot serve a page request=%s", request.request_id)
            text = f"The server's log has the reason under request id {request.request_id}."
            response = self._page(Message("Something is wrong inside the server", text), None, 500)
        if request.method == "HEAD" and isinstance(response.body, bytes):
            response.head_length = len(response.body)
            response.body = b""
        return response

    async def _answer(self, request: Request) -> Response:
        if request.raw_path in (b"/", b"/console", b"/console/"):
            return _see(guard.HOME)
        method = "GET" if request.method == "HEAD" else request.method
        route, names, allowed = _find(method, request.raw_path)
        if route is None:
            title = "There is no such page" if not allowed else "This page cannot be asked so"
            response = self._page(Message(title, "Go back to the list of reviews."), None, 405 if allowed else 404)
            if allowed:
                response.headers.append((b"allow", ", ".join(allowed).encode("ascii")))
            return response
        secure = guard.is_secure(request.scheme, self._public_url)
        visitor = guard.visitor_of(request.headers, secure=secure)
        now = self._house.engine.now()
        form: dict[str, str] = {}
        if method == "POST":
            form = await self._believed(request, visitor)
        who = request.trail.who = self._who(visitor, now)
        request.trail.action = f"{route.method} {route.path}"
        if route.access is Access.SIGNED_IN and who is None:
            if method == "POST":
                return _see(SIGN_IN)
            target = guard.inside(request.raw_path.decode("latin-1"))
            return _see(f"{SIGN_IN}?next={quote(target, safe='/')}")
        return await route.handler(self, Visit(request, visitor, secure, who, now, names, form))

    async def _believed(self, request: Request, visitor: str) -> dict[str, str]:
        """The form, if it comes from a page of ours. Errors: `request.invalid`, `body.too_large`."""
        if not guard.is_own_origin(request.headers, self._public_url):
            raise RequestInvalid("cannot accept this form: it comes from another site", argument="origin")
        form = guard.read_form(request.headers.get("content-type") or "", await _read(request))
        if not visitor or not self.sessions.is_form_token(visitor, form.get("form_token", "")):
            raise RequestInvalid(
                "cannot accept this form: it is too old, or cookies are off",
                hint="open the page again",
                argument="form_token",
            )
        return form

    def _who(self, visitor: str, now: float) -> Identity | None:
        session = self.sessions.find(visitor, now) if visitor else None
        if session is None:
            return None
        try:
            who = self._authenticator.holder(session.credential)
        except CredentialExpired:
            who = None
        if who is None:
            self.sessions.end(visitor)
        return who

    def _page(self, context: Context, frame: Frame | None, status: int = 200) -> Response:
        headers = [(b"content-type", b"text/html; charset=utf-8"), *guard.PAGE_HEADERS]
        return Response(status, headers, self._pages.render(context, frame))

    def _framed(self, visit: Visit) -> Frame:
        assert visit.who is not None
        return Frame(visit.who.name, self.sessions.form_token(visit.visitor))

    # Pages ------------------------------------------------------------------------------------------------------------

    async def style(self, _visit: Visit) -> Response:
        headers = [(b"content-type", b"text/css; charset=utf-8"), *guard.PAGE_HEADERS]
        return Response(200, headers, self._pages.style)

    async def ask_token(self, visit: Visit) -> Response:
        if visit.who is not None:
            return _see(guard.inside(visit.query("next")))
        return self._ask(visit, guard.inside(visit.query("next")))

    def _ask(self, visit: Visit, target: str, problem: str = "", status: int = 200) -> Response:
        visitor = visit.visitor or self.sessions.new_name()
        response = self._page(SignIn(self.sessions.form_token(visitor), target, problem), None, status)
        if visitor != visit.visitor:
            response.headers.append(guard.set_cookie(visitor, secure=visit.secure))
        return response

    async def sign_in(self, visit: Visit) -> Response:
        target = guard.inside(visit.form.get("next", ""))
        try:
            who = self._authenticator.token(visit.form.get("token", "").strip()[:_MAX_TOKEN])
        except CredentialExpired:
            who = None
        if who is None:
            _log.info("Refused a sign-in peer=%s request=%s", visit.request.peer, visit.request.request_id)
            return self._ask(visit, target, "This token is unknown, revoked, or its time is over.", 403)
        self.sessions.end(visit.visitor)
        name = self.sessions.begin(who.credential, visit.now)
        _log.info("Signed in name=%s peer=%s request=%s", who.name, visit.request.peer, visit.request.request_id)
        response = _see(target)
        response.headers.append(guard.set_cookie(name, secure=visit.secure, seconds=SESSION_SECONDS))
        return response

    async def sign_out(self, visit: Visit) -> Response:
        self.sessions.end(visit.visitor)
        response = _see(SIGN_IN)
        response.headers.append(guard.set_cookie("", secure=visit.secure, seconds=0))
        return response

    async def reviews(self, visit: Visit) -> Response:
        root, before = visit.query("root"), _number(visit.query("before"))
        found = await self._house.read(
            lambda tx: reviews.list_reviews(tx, visit.caller, root, before, PAGE, newest_only=not root)
        )
        return self._page(pages.review_list(found, root, PAGE), self._framed(visit))

    async def review(self, visit: Visit) -> Response:
        found = await desk.fetch_with_changes(self._house, visit.caller, visit.path["id"])
        # A long review takes tens of milliseconds: lock requests do not wait for it.
        return await asyncio.to_thread(self._page, pages.review_page(*found), self._framed(visit))

    async def traffic(self, visit: Visit) -> Response:
        found = await lock_traffic(self._house, visit.caller, DAYS)
        page = pages.traffic_page(found.rows, found.since, DAYS, complete=found.complete)
        return self._page(page, self._framed(visit))


ROUTES: tuple[Route, ...] = (
    Route("GET", "/console/style.css", Console.style, Access.ANYBODY),
    Route("GET", SIGN_IN, Console.ask_token, Access.ANYBODY),
    Route("POST", SIGN_IN, Console.sign_in, Access.ANYBODY),
    Route("POST", "/console/sign-out", Console.sign_out, Access.ANYBODY),
    Route("GET", "/console/reviews", Console.reviews, Access.SIGNED_IN),
    Route("GET", "/console/reviews/{id}", Console.review, Access.SIGNED_IN),
    Route("GET", "/console/traffic", Console.traffic, Access.SIGNED_IN),
)
_SHAPES = [
    (route, re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(route.path)).encode())) for route in ROUTES
]


def _find(method: str, raw_path: bytes) -> tuple[Route | None, dict[str, str], list[str]]:
    """(the route, what its path names, otherwise the methods that this path has)."""
    allowed: list[str] = []
    for route, shape in _SHAPES:
        found = shape.fullmatch(raw_path)
        if found is None:
            continue
        if route.method == method:
            return route, {name: unescape(value) for name, value in found.groupdict().items()}, []
        allowed.append(route.method)
    return None, {}, allowed


def _see(target: str) -> Response:
    return Response(303, [(b"location", target.encode("ascii")), *guard.PAGE_HEADERS])


def _number(text: str) -> int:
    return min(int(text), _MAX_SEQ) if text.isascii() and text.isdigit() and len(text) < 20 else 0


async def _read(request: Request) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in request.chunks():
        size += len(piece)
        if size > MAX_FORM:
            raise BodyTooLarge(f"cannot take a form of more than {MAX_FORM} bytes", limit=MAX_FORM)
        pieces.append(piece)
    return b"".join(pieces)
