"""The signing secret of a webhook, and the signature over what it is sent.

The secret follows from the master key, the webhook's id and a nonce, so it is stored nowhere. A delivery carries
`x-lockhouse-signature: t=TIME,v1=HEX`, where HEX is the HMAC-SHA-256 of `TIME.BODY` under the secret's text; a receiver
computes it anew, compares in constant time and refuses old times.
"""

from __future__ import annotations

import base64
import hmac

from lockhouse.auth.keys import message

PREFIX = "whsec_"
_LABEL = b"lockhouse/v1/webhook"


def secret_of(master: bytes, webhook_id: str, nonce: bytes) -> str:
    """The secret as it is shown once, when the webhook is made."""
    raw = hmac.digest(master, message(_LABEL, webhook_id.encode(), nonce), "sha256")
    return PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signature(secret: str, now: float, body: bytes) -> str:
    """The header's value. `now` in seconds since 1970."""
    moment = str(int(now))
    return f"t={moment},v1={hmac.digest(secret.encode(), moment.encode() + b'.' + body, 'sha256').hex()}"
