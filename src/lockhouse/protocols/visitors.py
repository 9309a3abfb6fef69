"""Visitors with a browser: their cookie, and whether a form comes from a page of this server. Pure.

Sources: RFC 6265bis (cookie name prefixes, SameSite), Fetch (Origin, Sec-Fetch-Site).
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from lockhouse.core.sessions import is_name
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.web import Headers, Request

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 20
SECURE_COOKIE = "__Host-lockhouse"
PLAIN_COOKIE = "lockhouse"
"""On plain http, for development: browsers take `__Host-` cookies over https only."""


def is_secure(scheme: str, public_url: str) -> bool:
    """Whether browsers reach this server over https, directly or through what ends TLS in front of it."""
    return scheme == "https" or public_url.startswith("https://")


def base_url(request: Request, public_url: str) -> str:
    """How the browser sees this server, without a slash at the end."""
    return public_url or f"{request.scheme}://{request.headers.get('host') or 'localhost'}"


def cookie_name(*, secure: bool) -> str:
    """Only the `__Host-` name may be set nowhere but by this very host, and only over https."""
    return SECURE_COOKIE if secure else PLAIN_COOKIE


def visitor_of(headers: Headers, *, secure: bool) -> str:
    """The visitor's name in the cookie; empty when there is none, or more than one."""
    wanted = cookie_name(secure=secure)
    found = [
        value.strip()
        for field in headers.all("cookie")
        for name, _, value in (pair.partition("=") for pair in field.split(";"))
        if name.strip() == wanted
    ]
    return found[0] if len(found) == 1 and is_name(found[0]) else ""


def set_cookie(name: str, *, secure: bool, seconds: float | None = None) -> tuple[bytes, bytes]:
    """The header that sets the visitor's name: until the browser is closed, or for some seconds (0: forget it)."""
    parts = [f"{cookie_name(secure=secure)}={name}", "Path=/", "HttpOnly", "SameSite=Lax"]
    if secure:
        parts.append("Secure")
    if seconds is not None:
        parts.append(f"Max-Age={int(seconds)}")
    return b"set-cookie", "; ".join(parts).encode("ascii")


def is_own_origin(headers: Headers, public_url: str) -> bool:
    """Whether the page that sent a form came from this server. A form without a word of its origin is not believed."""
    given = headers.all("origin")
    if not given:
        return headers.get("sec-fetch-site") == "same-origin"
    if len(given) != 1:
        return False
    try:
        origin = urlsplit(given[0])
    except ValueError:
        return False
    hosts = {headers.get("host") or ""}
    if public_url:
        hosts.add(urlsplit(public_url).netloc)
    return (
        origin.scheme in ("http", "https")
        and origin.netloc != ""
        and origin.netloc.lower() in {h.lower() for h in hosts}
    )


def read_form(content_type: str, raw: bytes) -> dict[str, str]:
    """The fields of a form; of a repeated one the first. Errors: `request.invalid`."""
    if content_type.partition(";")[0].strip().lower() != FORM_TYPE:
        raise RequestInvalid(
            f"cannot read this form: it must be {FORM_TYPE}",
            hint=f"send content-type: {FORM_TYPE}",
            argument="content-type",
        )
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except (UnicodeDecodeError, ValueError):
        raise RequestInvalid(
            "cannot read this form: its fields are malformed", hint="open the page again", argument="body"
        ) from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields
