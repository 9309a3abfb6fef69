"""The headers that every page carries, and where a visitor may be sent after signing in. Pure.

Source: CSP Level 3. The referrer policy is `same-origin` and not `no-referrer`: with that one browsers send `Origin:
null` with their own forms.
"""

from __future__ import annotations

import re

POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
PAGE_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", POLICY.encode()),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
HOME = "/console/reviews"
_INSIDE = re.compile(r"/console/[A-Za-z0-9/_-]{0,200}|/oauth/authorization\?[A-Za-z0-9%&=._~+-]{1,2000}")


def inside(target: str) -> str:
    """Where to go after signing in: a page of the console or the consent page of `terraform login`, whatever was asked
    for."""
    return target if _INSIDE.fullmatch(target) and "//" not in target else HOME
