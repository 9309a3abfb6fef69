"""Which clients still lock through the table? The review's backends beside what a Lockhouse server has seen.

Reads the server's own API (`/lockhouse/v1/namespaces/NAMESPACE/lock?key=KEY`: the lock's history with its facet) for
every state that a backend names, or for every state of its bucket where the key is computed. Only with `--traffic`.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import httpx

from lockhouse.errors import Problem
from lockhouse.review.model import Review
from lockhouse.review.redaction import shown

TIMEOUT_SECONDS = 15.0
MOST_STATES = 500


class TrafficUnavailable(Problem):
    """The server did not answer what its clients do."""

    code = "review.traffic_unavailable"


@dataclass(frozen=True, slots=True)
class ClientSeen:
    """One client at one state: how it locked there and when it last did (as the server writes times)."""

    name: str
    facet: str
    namespace: str
    key: str
    last: str


def addresses(review: Review) -> tuple[tuple[str, str], ...]:
    """(bucket, key) of every S3 backend; an empty key where it is computed or given elsewhere."""
    out = set()
    for backend in review.backends:
        bucket, key = backend.setting("bucket"), backend.setting("key")
        if backend.kind == "s3" and bucket and bucket != "?":
            out.add((bucket, key if key and key != "?" and "{" not in key else ""))
    return tuple(sorted(out))


def seen(review: Review, endpoint: str, token: str) -> tuple[ClientSeen, ...]:
    """Every client that the server saw lock a state of this repository, with its newest lock. Raises
    TrafficUnavailable."""
    if not endpoint.startswith(("http://", "https://")) or not token:
        raise TrafficUnavailable(
            "cannot ask the server: no endpoint or token", hint="give --endpoint and --token, or log in"
        )
    newest: dict[tuple[str, str, str, str], str] = {}
    headers = {"Authorization": f"Bearer {token}"}
    with _client(endpoint, headers) as client:
        for namespace, key in addresses(review):
            for state in (key,) if key else _states(client, namespace):
                for name, facet, at in _events(client, namespace, state):
                    place = (name, facet, namespace, state)
                    newest[place] = max(newest.get(place, ""), at)
    return tuple(
        ClientSeen(shown(name), shown(facet), shown(namespace), shown(state), shown(at))
        for (name, facet, namespace, state), at in sorted(newest.items())
    )


def _client(endpoint: str, headers: dict[str, str]) -> httpx.Client:
    try:
        return httpx.Client(base_url=endpoint.rstrip("/"), headers=headers, timeout=TIMEOUT_SECONDS)
    except (httpx.InvalidURL, ValueError) as error:
        raise TrafficUnavailable(
            f"cannot ask {shown(endpoint)}: {type(error).__name__}",
            hint="check the endpoint and the token: lockhouse status --endpoint URL",
        ) from None


def _get(client: httpx.Client, path: str, query: dict[str, str]) -> dict[str, object]:
    try:
        answer = client.get(path, params=query)
        body = answer.json() if answer.status_code == 200 else {}
    except (httpx.HTTPError, ValueError) as error:
        reason = type(error).__name__
        raise TrafficUnavailable(
            f"cannot ask {shown(str(client.base_url))}: {reason}",
            hint="is the server running? lockhouse status --endpoint URL",
        ) from error
    if answer.status_code not in {200, 404}:
        raise TrafficUnavailable(
            f"cannot ask {shown(str(client.base_url))}: it answered {answer.status_code}",
            hint="check the token and its rights: lockhouse status",
        )
    return body if isinstance(body, dict) else {}


def _states(client: httpx.Client, namespace: str) -> list[str]:
    body = _get(client, f"/lockhouse/v1/namespaces/{quote(namespace, safe='')}/states", {"limit": str(MOST_STATES)})
    states = body.get("states")
    return [str(s["key"]) for s in states if isinstance(s, dict) and "key" in s] if isinstance(states, list) else []


def _events(client: httpx.Client, namespace: str, key: str) -> list[tuple[str, str, str]]:
    body = _get(client, f"/lockhouse/v1/namespaces/{quote(namespace, safe='')}/lock", {"key": key})
    history = body.get("history")
    if not isinstance(history, list):
        return []
    return [
        (str(e.get("name", "")), str(e.get("facet", "")), str(e.get("at", ""))) for e in history if isinstance(e, dict)
    ]


def sentence(clients: tuple[ClientSeen, ...]) -> str:
    """Who still locks through the table, in one sentence."""
    table = sorted({c.name for c in clients if c.facet == "table"})
    if not table:
        return "The server has seen no client lock through the table."
    return f"Still lock through the table: {', '.join(table)}."
