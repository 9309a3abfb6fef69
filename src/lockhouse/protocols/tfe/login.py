"""`terraform login`: OAuth 2.0 authorization code with PKCE; who comes is asked by the console's sign-in.

A browser without a session is sent there and comes back. Then the person is asked whether Terraform may have a token,
a code goes to a port on their own machine, and Terraform exchanges it for a new API token of theirs. Codes are signed,
live for a few minutes, end with the session, and work once: the token made from a code has a public id derived from it,
so a second exchange meets the first one's token.
Sources: RFC 6749 section 4.1, RFC 7636 (S256 only), RFC 8252 section 7.3; PROTOCOLS 4.3.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import re
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from lockhouse.auth import keys
from lockhouse.core.ports import Transaction
from lockhouse.core.principals import Identity
from lockhouse.errors import RequestInvalid
from lockhouse.protocols import visitors
from lockhouse.protocols.tfe.signing import LoginCode, Signer
from lockhouse.protocols.tfe.tokens import Tokens
from lockhouse.protocols.web import Request, Response, unescape
from lockhouse.runtime.entrance import Entrance, Known
from lockhouse.runtime.house import House
from lockhouse.service import access
from lockhouse.service.callers import Caller

CLIENT = "terraform-cli"
AUTHORIZE_PATH = b"/oauth/authorization"
TOKEN_PATH = b"/oauth/token"
FIRST_PORT, LAST_PORT = 10000, 10010
"""Where Terraform listens for the code; the last one is never used."""
CODE_SECONDS = 300.0
MAX_FORM_BYTES = 16 * 1024
SIGN_IN = "/console/sign-in"
LIFETIME = 90 * 86400.0
"""Seconds that a token lasts unless the operator says otherwise."""
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CARRIED = ("client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_type", "state", "scope")

Form = Mapping[str, str]


class Asked(msgspec.Struct, frozen=True):
    """A checked authorization request."""

    challenge: str
    redirect_uri: str
    state: str


def decode_form(raw: bytes) -> dict[str, str]:
    """`application/x-www-form-urlencoded`; the first of each name counts."""
    found: dict[str, str] = {}
    for piece in raw.replace(b"+", b"%20").split(b"&"):
        name, _, value = piece.partition(b"=")
        found.setdefault(unescape(name), unescape(value))
    return found


def check_request(form: Form) -> Asked | str:
    """The request, or what is wrong with it."""
    if form.get("client_id") != CLIENT:
        return "the client is not known here"
    if form.get("response_type", "code") != "code":
        return "response_type must be code"
    challenge = form.get("code_challenge", "")
    if form.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        return "a PKCE challenge (S256) is needed"
    redirect = form.get("redirect_uri", "")
    if not is_loopback(redirect):
        return "redirect_uri must be http on this machine (localhost)"
    return Asked(challenge, redirect, form.get("state", ""))


def is_loopback(uri: str) -> bool:
    """Whether a redirect address is plain http on the user's own machine (RFC 8252 section 7.3)."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "http"
        and parts.hostname in _LOOPBACK
        and port is not None
        and port >= 1024
        and not parts.username
        and not parts.fragment
        and uri.isascii()
        and uri.isprintable()
    )


def is_verified(code: LoginCode, verifier: str) -> bool:
    """Whether the verifier is the one behind the challenge (RFC 7636 section 4.6)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    return hmac.compare_digest(digest, code.challenge)


def token_id(code: LoginCode) -> str:
    """The public id of the only token that this code can become."""
    return base64.b32encode(hashlib.sha256(f"login/{code.nonce}".encode()).digest()).decode()[:16]


def page(form: Form, name: str, form_token: str) -> bytes:
    """The page that asks for consent. It has no script, and works without any other file."""
    hidden = "".join(
        f'<input type="hidden" name="{field}" value="{html.escape(form[field], quote=True)}">'
        for field in _CARRIED
        if field in form
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Let Terraform act as you? · Lockhouse</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Let Terraform act as you?</h1>
<p>Terraform on this machine asks for an API token of <bdi>{html.escape(name)}</bdi>. It may then do what you may do,
until the token ends or you revoke it.</p>
<p>Go on only if you have just run <code>terraform login</code> yourself.</p>
<form method="post" action="{AUTHORIZE_PATH.decode()}" autocomplete="off">
{hidden}
<input type="hidden" name="form_token" value="{form_token}">
<button type="submit">Give Terraform a token</button>
</form>
</main>
</body>
</html>
""".encode()


STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f4f4f2;color:#1c1c1a}"
    "main{max-width:26rem;margin:10vh auto;padding:2rem;background:#fff;border:1px solid #d8d8d4}"
    "h1{font-size:1.4rem;margin:0 0 1rem}label{display:block;margin:1rem 0 .25rem}"
    "input{width:100%;box-sizing:border-box;font:inherit;padding:.5rem}"
    "button{margin-top:1.5rem;font:inherit;padding:.5rem 1.5rem}.wrong{color:#a40000}"
    "@media(prefers-color-scheme:dark){body{background:#1c1c1a;color:#eee}main{background:#262624;border-color:#444}"
    "input{background:#1c1c1a;color:#eee;border:1px solid #666}.wrong{color:#ff8a80}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


class Login:
    """The two endpoints."""

    def __init__(
        self, house: House, tokens: Tokens, codes: Signer[LoginCode], entrance: Entrance, lifetime: float = LIFETIME
    ) -> None:
        self._house = house
        self._tokens = tokens
        self._codes = codes
        self._entrance = entrance
        self._lifetime = lifetime

    async def __call__(self, request: Request) -> Response:
        """The answer, by the table `ROUTES`."""
        method = "GET" if request.method == "HEAD" else request.method
        handler = ROUTES.get((method, request.raw_path))
        if handler is None:
            return _text(404, "not found")
        raw = request.raw_query if method == "GET" else await request.whole(MAX_FORM_BYTES, "form")
        return await handler(self, request, decode_form(raw))

    async def ask(self, request: Request, form: Form) -> Response:
        asked = check_request(form)
        if isinstance(asked, str):
            return _text(400, f"cannot sign in: {asked}")
        visitor, known = await self._visit(request)
        if known is None:
            return _to_sign_in(form)
        return _page(form, asked, known.who.name, self._entrance.form_token(visitor))

    async def consent(self, request: Request, form: Form) -> Response:
        """The answer to the page: a code. Errors: `request.invalid` for a form that is not ours."""
        asked = check_request(form)
        if isinstance(asked, str):
            return _text(400, f"cannot sign in: {asked}")
        if not visitors.is_own_origin(request.headers, self._entrance.public_url):
            return _text(400, "cannot accept this form: it comes from another site")
        visitor, known = await self._visit(request)
        if known is None:
            return _to_sign_in(form)
        if not self._entrance.is_form_token(visitor, form.get("form_token", "")):
            return _text(400, "cannot accept this form: it is too old; open the page again")
        code = LoginCode(
            known.who.principal,
            known.session.id,
            asked.challenge,
            asked.redirect_uri,
            CLIENT,
            self._house.engine.nonce(),
            self._house.engine.now() + CODE_SECONDS,
        )
        answer = urlencode({"code": self._codes.sign(code), "state": asked.state})
        joint = "&" if "?" in asked.redirect_uri else "?"
        return _see(f"{asked.redirect_uri}{joint}{answer}")

    async def _visit(self, request: Request) -> tuple[str, Known | None]:
        secure = visitors.is_secure(request.scheme, self._entrance.public_url)
        visitor = visitors.visitor_of(request.headers, secure=secure)
        return visitor, await self._entrance.find(visitor)

    async def exchange(self, request: Request, form: Form) -> Response:
        if form.get("grant_type") != "authorization_code":
            return _oauth_error("unsupported_grant_type")
        code = self._codes.read(form.get("code", ""))
        now = self._house.engine.now()
        if (
            code is None
            or now >= code.expires_at
            or form.get("client_id") != code.client_id
            or form.get("redirect_uri") != code.redirect_uri
            or not is_verified(code, form.get("code_verifier", ""))
        ):
            return _oauth_error("invalid_grant")
        known = await self._entrance.find_by_id(code.session)
        if known is None or known.who.principal != code.principal:
            return _oauth_error("invalid_grant")
        made = self._new_token(known.who, code, now)
        caller = Caller(who=known.who, now=now, protocol="cloud", peer=request.peer, request=request.request_id)

        def command(tx: Transaction) -> bool:
            if tx.credential(made.credential.id) is not None:
                return False
            access.add_credential(tx, caller, known.who.name, made.credential)
            return True

        try:
            done = await self._house.write(command)
        except RequestInvalid:
            return _oauth_error("access_denied")
        if not done:
            return _oauth_error("invalid_grant")
        self._tokens.changed()
        return Response(200, _json_headers(), msgspec.json.encode({"access_token": made.text, "token_type": "bearer"}))

    def _new_token(self, who: Identity, code: LoginCode, now: float) -> keys.NewToken:
        ends = now + self._lifetime if self._lifetime else 0.0
        made = keys.new_token(who.principal, now, ends, token_id(code))
        credential = msgspec.structs.replace(made.credential, description="terraform login")
        return msgspec.structs.replace(made, credential=credential)


ROUTES: Mapping[tuple[str, bytes], Callable[[Login, Request, Form], Awaitable[Response]]] = {
    ("GET", AUTHORIZE_PATH): Login.ask,
    ("POST", AUTHORIZE_PATH): Login.consent,
    ("POST", TOKEN_PATH): Login.exchange,
}
"""Method and path. Nobody needs a credential here: `needs.OPEN` says what is asked instead."""


def _to_sign_in(form: Form) -> Response:
    """To the sign-in page, which leads back here."""
    here = f"{AUTHORIZE_PATH.decode()}?{urlencode({name: form[name] for name in _CARRIED if name in form})}"
    return _see(f"{SIGN_IN}?next={quote(here, safe='')}")


def _see(target: str) -> Response:
    return Response(
        303,
        [(b"location", target.encode("ascii")), (b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer")],
    )


def _page(form: Form, asked: Asked, name: str, form_token: str) -> Response:
    parts = urlsplit(asked.redirect_uri)
    back = f"http://{parts.netloc}"
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self' {back}; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    return Response(
        200,
        [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"content-security-policy", policy.encode()),
            (b"referrer-policy", b"same-origin"),
            (b"x-content-type-options", b"nosniff"),
        ],
        page(form, name, form_token),
    )


def _json_headers() -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), (b"pragma", b"no-cache")]


def _oauth_error(code: str) -> Response:
    return Response(400, _json_headers(), msgspec.json.encode({"error": code}))


def _text(status: int, text: str) -> Response:
    return Response(status, [(b"content-type", b"text/plain; charset=utf-8")], f"{text}\n".encode())
