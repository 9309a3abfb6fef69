"""Sends a review to a Lockhouse server, on request only: POST {endpoint}/lockhouse/v1/reviews with the bearer token.

The body is the same JSON as `--json`. No redirect is followed: the token goes to the named server and nowhere else.
"""

from __future__ import annotations

import json

import httpx

from lockhouse.errors import Problem
from lockhouse.review.redaction import shown

TIMEOUT_SECONDS = 30.0


class SendFailed(Problem):
    """The server did not take the review."""

    code = "review.send_failed"


def send(document: dict[str, object], endpoint: str, token: str) -> str:
    """Posts the review and answers its address on the server. Raises SendFailed."""
    if not endpoint.startswith(("http://", "https://")) or not token:
        raise SendFailed("cannot send the review: no endpoint or token", hint="give --endpoint and --token, or log in")
    url = endpoint.rstrip("/") + "/lockhouse/v1/reviews"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        answer = httpx.post(
            url, content=json.dumps(document).encode(), headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=False
        )
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise SendFailed(
            f"cannot send the review to {shown(url)}: {type(error).__name__}",
            hint="is the server running? lockhouse status --endpoint URL",
        ) from None
    if answer.status_code not in {200, 201, 202}:
        raise SendFailed(
            f"cannot send the review to {shown(url)}: the server answered {answer.status_code}",
            hint="check the token and its rights: lockhouse status",
        )
    try:
        body = answer.json()
    except ValueError:
        return url
    where = str(body.get("url") or body.get("id") or url) if isinstance(body, dict) else url
    return endpoint.rstrip("/") + where if where.startswith("/") else where
