"""The console over HTTP: match the route, find the visitor, call one use case, render.

A page without a session leads to the sign-in page. A form is believed only when it comes from this server's own origin
and carries the token of its visitor. What is not a Problem is logged with the request id and answered 500 without a
word of what it was. Who may come in is decided by `runtime.entrance`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from lockhouse.console import guard, pages
from lockhouse.console.pages import Context, Frame, Message, Pages, SignIn
from lockhouse.core.principals import Identity
from lockhouse.core.sessions import Session
from lockhouse.errors import AccessDenied, CredentialUnknown, Problem, RequestInvalid, SlowDown
from lockhouse.protocols import visitors
from lockhouse.protocols.web import Request, Response, unescape
from lockhouse.runtime import reviews as desk
from lockhouse.runtime.entrance import CALLBACK, Entrance
from lockhouse.runtime.house import House
from lockhouse.runtime.traffic import lock_traffic
from lockhouse.service import reviews
from lockhouse.service.callers import Caller

MAX_FORM = 8 * 1024
PAGE = 50
DAYS = 30
SIGN_IN = "/console/sign-in"
START = "/console/sign-in/start"
SESSIONS = "/console/sessions"
_MAX_CODE = 4096
_MAX_SEQ = 2**62
_MAX_TOKEN = 200
_STATUSES = {
    "access.denied": 403,
    "credential.unknown": 403,
    "provider.unavailable": 503,
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

    FILE = "file"
    """Anybody; nobody is even asked who they are."""
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
    session: Session | None
    now: float
    path: dict[str, str]
    form: dict[str, str]

    @property
    def caller(self) -> Caller:
        assert self.who is not None
        request = self.request
        return Caller(self.who, self.now, "console", peer=request.peer, agent=self.agent, request=request.request_id)

    def query(self, name: str) -> str:
        """A parameter of the query; empty when it is not there."""
        return (self.request.parameter(name) or "")[:5000]

    @property
    def agent(self) -> str:
        return self.request.headers.get("user-agent") or ""


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

    def __init__(self, house: House, entrance: Entrance) -> None:
        self._house = house
        self._entrance = entrance
        self._public_url = entrance.public_url
        self._pages = Pages()

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
            if "retry_after" in problem.details:
                response.headers.append((b"retry-after", str(problem.details["retry_after"]).encode("ascii")))
        except Exception:  # noqa: BLE001 - everything else is internal, and one request must not end the server
            _log.exception("Cannot serve a page request=%s", request.request_id)
            text = f"The server's log has the reason under request id {request.request_id}."
            response = self._page(Message("Something is wrong inside the server", text), None, 500)
        if request.method == "HEAD" and isinstance(response.body, bytes):
            response.head_length = len(response.body)
            response.body = b""
        return response

    async def _answer(self, request: Request) -> Response:
        request.admit()
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
        secure = visitors.is_secure(request.scheme, self._public_url)
        visitor = visitors.visitor_of(request.headers, secure=secure)
        now = self._house.engine.now()
        form: dict[str, str] = {}
        if method == "POST":
            form = await self._believed(request, visitor)
        known = await self._entrance.find(visitor) if route.access is not Access.FILE else None
        request.trail.who = known.who if known is not None else None
        request.trail.action = f"{route.method} {route.path}"
        if route.access is Access.SIGNED_IN and known is None:
            if method == "POST":
                return _see(SIGN_IN)
            target = guard.inside(request.raw_path.decode("latin-1"))
            return _see(f"{SIGN_IN}?next={quote(target, safe='/')}")
        who, session = (known.who, known.session) if known is not None else (None, None)
        return await route.handler(self, Visit(request, visitor, secure, who, session, now, names, form))

    async def _believed(self, request: Request, visitor: str) -> dict[str, str]:
        """The form, if it comes from a page of ours. Errors: `request.invalid`, `body.too_large`."""
        if not visitors.is_own_origin(request.headers, self._public_url):
            raise RequestInvalid(
                "cannot accept this form: it comes from another site",
                hint="open the console at this server's own address, and try again there",
                argument="origin",
            )
        form = visitors.read_form(request.headers.get("content-type") or "", await request.whole(MAX_FORM, "form"))
        if not visitor or not self._entrance.is_form_token(visitor, form.get("form_token", "")):
            raise RequestInvalid(
                "cannot accept this form: it is too old, or cookies are off",
                hint="open the page again",
                argument="form_token",
            )
        return form

    def _page(self, context: Context, frame: Frame | None, status: int = 200) -> Response:
        headers = [(b"content-type", b"text/html; charset=utf-8"), *guard.PAGE_HEADERS]
        return Response(status, headers, self._pages.render(context, frame))

    def _framed(self, visit: Visit) -> Frame:
        assert visit.who is not None
        return Frame(visit.who.name, self._entrance.form_token(visit.visitor))

    # Pages ------------------------------------------------------------------------------------------------------------

    async def style(self, _visit: Visit) -> Response:
        headers = [(b"content-type", b"text/css; charset=utf-8"), *guard.PAGE_HEADERS]
        return Response(200, headers, self._pages.style)

    async def ask_who(self, visit: Visit) -> Response:
        target = guard.inside(visit.query("next"))
        return _see(target) if visit.who is not None else self._ask(visit, target)

    def _ask(self, visit: Visit, target: str, problem: str = "", status: int = 200) -> Response:
        visitor = visit.visitor or self._entrance.new_name()
        page = SignIn(
            self._entrance.form_token(visitor), target, problem, self._entrance.label, quote(target, safe="/")
        )
        response = self._page(page, None, status)
        if visitor != visit.visitor:
            response.headers.append(visitors.set_cookie(visitor, secure=visit.secure))
        return response

    def _refused(self, visit: Visit, target: str, problem: Problem) -> Response:
        visit.request.trail.code = problem.code
        return self._ask(visit, target, _sentence(problem), _STATUSES.get(problem.code, 400))

    async def sign_in(self, visit: Visit) -> Response:
        target = guard.inside(visit.form.get("next", ""))
        user, secret = (visit.form.get(name, "").strip()[:_MAX_TOKEN] for name in ("user", "token"))
        peer, visitor = visit.request.peer, visit.visitor
        try:
            name = await self._entrance.local(visitor, user, secret, peer=peer, agent=visit.agent)
        except (CredentialUnknown, AccessDenied, SlowDown) as problem:
            return self._refused(visit, target, problem)
        return self._let_in(visit, name, target)

    async def start(self, visit: Visit) -> Response:
        """To the provider. A link and not a form: browsers hold a form's whole way to `form-action`."""
        target = guard.inside(visit.query("next"))
        visitor = visit.visitor if visit.visitor and visit.who is None else self._entrance.new_name()
        try:
            there = await self._entrance.begin(visitor, target, visitors.base_url(visit.request, self._public_url))
        except Problem as problem:
            return self._refused(visit, target, problem)
        response = _see(there)
        if visitor != visit.visitor:
            response.headers.append(visitors.set_cookie(visitor, secure=visit.secure))
        return response

    async def callback(self, visit: Visit) -> Response:
        """Back from the provider, with a code or an error (RFC 6749 sections 4.1.2 and 4.1.2.1)."""
        state, code, issuer = visit.query("state"), visit.query("code"), visit.query("iss")
        if visit.query("error") or not code or len(code) > _MAX_CODE:
            return self._ask(visit, guard.HOME, "The identity provider did not sign you in.", 403)
        base = visitors.base_url(visit.request, self._public_url)
        try:
            name, target = await self._entrance.finish(
                visit.visitor,
                state=state,
                code=code,
                issuer=issuer,
                base=base,
                peer=visit.request.peer,
                agent=visit.agent,
            )
        except Problem as problem:
            return self._refused(visit, guard.HOME, problem)
        return self._let_in(visit, name, guard.inside(target))

    def _let_in(self, visit: Visit, name: str, target: str) -> Response:
        response = _see(target)
        response.headers.append(visitors.set_cookie(name, secure=visit.secure, seconds=self._entrance.terms.lifetime))
        return response

    async def sign_out(self, visit: Visit) -> Response:
        await self._entrance.leave(visit.visitor)
        response = _see(SIGN_IN)
        response.headers.append(visitors.set_cookie("", secure=visit.secure, seconds=0))
        return response

    async def sessions(self, visit: Visit) -> Response:
        """The visitor's own sessions."""
        assert visit.who is not None
        assert visit.session is not None
        found = await self._entrance.of(visit.who.principal)
        return self._page(pages.sessions_page(found, visit.session.id), self._framed(visit))

    async def end_session(self, visit: Visit) -> Response:
        assert visit.who is not None
        await self._entrance.end_own(visit.who.principal, visit.path["id"])
        return _see(SESSIONS)

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
    Route("GET", "/console/style.css", Console.style, Access.FILE),
    Route("GET", SIGN_IN, Console.ask_who, Access.ANYBODY),
    Route("POST", SIGN_IN, Console.sign_in, Access.ANYBODY),
    Route("GET", START, Console.start, Access.ANYBODY),
    Route("GET", CALLBACK, Console.callback, Access.ANYBODY),
    Route("POST", "/console/sign-out", Console.sign_out, Access.ANYBODY),
    Route("GET", SESSIONS, Console.sessions, Access.SIGNED_IN),
    Route("POST", "/console/sessions/{id}/end", Console.end_session, Access.SIGNED_IN),
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


def _sentence(problem: Problem) -> str:
    text = f"{problem.message}. {problem.hint}." if problem.hint else problem.message
    return text[:1].upper() + text[1:]


def _number(text: str) -> int:
    return min(int(text), _MAX_SEQ) if text.isascii() and text.isdigit() and len(text) < 20 else 0
