"""A connection to one server: how something is asked, and what becomes of the answer.

What the server refuses is raised as Refusal with the server's code, message and hint. Errors: ServerUnreachable
(`server.unreachable`) when nothing answers or the answer is not Lockhouse's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import msgspec

import lockhouse
from lockhouse.core.reviews import Review
from lockhouse.errors import Refusal, ServerUnreachable
from lockhouse.protocols.api import wire

Query = Mapping[str, str | int | bool]
PAGE = 1000
_PREFIX = "/lockhouse/v1"
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 120.0
_TIMEOUT = httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
_PATIENT = httpx.Timeout(None, connect=_CONNECT_SECONDS)
_UNKNOWN_NAME = ("Name or service not known", "name resolution", "nodename nor servname")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Page(Protocol):
    """A part of a list."""

    @property
    def next(self) -> str | int:
        """Where the following page begins; empty or 0: this was the last."""
        ...


D = TypeVar("D")
P = TypeVar("P", bound=Page)


class Connection:
    """To one server as one caller. Close it when done."""

    def __init__(self, endpoint: str, token: str, ca_file: str = "") -> None:
        self.endpoint = endpoint.rstrip("/")
        secure, host = _read_endpoint(endpoint)
        if not token.isascii() or not token.isprintable():
            raise ServerUnreachable(
                f"cannot send this token to {endpoint}: no token holds line breaks or letters that are not ASCII",
                hint="was it copied whole, and nothing else? set LOCKHOUSE_TOKEN, or: lockhouse login",
            )
        try:
            self._http = httpx.Client(
                base_url=self.endpoint,
                headers={"authorization": f"Bearer {token}", "user-agent": f"lockhouse/{lockhouse.__version__}"},
                verify=_trust(ca_file) if secure else False,
                timeout=_TIMEOUT,
                trust_env=host not in _LOOPBACK,
            )
        except OSError as wrong:
            raise ServerUnreachable(
                f"cannot read the certificates in {ca_file}: {wrong}",
                hint="name a file of certificates in PEM: --ca-file FILE",
            ) from None

    def close(self) -> None:
        self._http.close()

    def _ask(
        self,
        method: str,
        path: str,
        kind: type[D],
        body: wire.Ask | Review | Iterable[bytes] | None = None,
        query: Query | None = None,
        *,
        patient: bool = False,
    ) -> D:
        answer = self._send(method, path, body, query or {}, patient=patient)
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            raise ServerUnreachable(
                f"cannot read the answer of {self.endpoint}: {wrong}",
                hint="is it a Lockhouse of the same version? lockhouse version",
            ) from None

    def _pages(self, path: str, kind: type[P], cursor: str, query: Query) -> Iterator[P]:
        """A list, page by page to its end. `cursor`: the parameter that says where a page begins."""
        while True:
            page = self._ask("GET", path, kind, query=query)
            yield page
            if not page.next:
                return
            query = {**query, cursor: page.next}

    def _do(self, method: str, path: str) -> None:
        self._send(method, path, None, {})

    def _send(
        self,
        method: str,
        path: str,
        body: wire.Ask | Review | Iterable[bytes] | None,
        query: Query,
        *,
        patient: bool = False,
    ) -> httpx.Response:
        content = msgspec.json.encode(body) if isinstance(body, msgspec.Struct) else body
        timeout = _PATIENT if patient else _TIMEOUT
        try:
            answer = self._http.request(method, _target(path, query), content=content, timeout=timeout)
        except httpx.HTTPError as wrong:
            raise self._unreachable(wrong) from None
        if answer.status_code >= 300:
            raise self._refusal(answer)
        return answer

    @contextmanager
    def _download(self, method: str, path: str, query: Query) -> Iterator[tuple[int, Iterator[bytes]]]:
        try:
            with self._http.stream(method, _target(path, query)) as answer:
                if answer.status_code >= 300:
                    answer.read()
                    raise self._refusal(answer)
                yield int(answer.headers.get("content-length", 0)), answer.iter_raw()
        except httpx.HTTPError as wrong:
            raise self._unreachable(wrong) from None

    def _refusal(self, answer: httpx.Response) -> Exception:
        try:
            problem = msgspec.json.decode(answer.content, type=wire.ErrorDocument).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ServerUnreachable(
                f"cannot use {self.endpoint}: it answered {answer.status_code}, and not as Lockhouse does",
                hint="is it the address of a Lockhouse? --endpoint URL, or LOCKHOUSE_ENDPOINT",
            )
        return Refusal(problem.code, problem.message, problem.hint)

    def _unreachable(self, wrong: httpx.HTTPError) -> ServerUnreachable:
        said = str(wrong)
        hint = "is it running? lockhouse serve"
        if "CERTIFICATE_VERIFY_FAILED" in said:
            hint = "name its certificate: --ca-file FILE"
        elif "WRONG_VERSION_NUMBER" in said:
            hint = f"does it speak http? --endpoint http{self.endpoint.removeprefix('https')}"
        elif isinstance(wrong, httpx.RemoteProtocolError | httpx.ReadError) and self.endpoint.startswith("http:"):
            hint = f"does it speak https? --endpoint https{self.endpoint.removeprefix('http')}; is it running?"
        elif any(each in said for each in _UNKNOWN_NAME):
            hint = "is the name right? --endpoint URL, or LOCKHOUSE_ENDPOINT"
        return ServerUnreachable(f"cannot reach {self.endpoint}: {wrong}", hint=hint)


def _read_endpoint(endpoint: str) -> tuple[bool, str]:
    """Whether it is https, and the host. Errors: `server.unreachable`, also for one with a password: it would go in the
    place of the token, and into every message that names the server."""
    if "@" in endpoint:
        raise ServerUnreachable(
            "cannot use an endpoint with a user name or a password in it",
            hint="leave out what stands before the @, and give a token: LOCKHOUSE_TOKEN, or lockhouse login",
        )
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets that are not closed, a port that is none
        good = False
    if not good:
        raise ServerUnreachable(
            f"cannot use {endpoint!r} as an endpoint: it must be http:// or https://HOST:PORT",
            hint="for example: --endpoint http://127.0.0.1:7373",
        )
    return parts.scheme == "https", parts.hostname or ""


def _trust(ca_file: str) -> Any:  # noqa: ANN401 - what httpx takes
    import ssl  # noqa: PLC0415 - only https needs it

    return ssl.create_default_context(cafile=ca_file or None)


def _target(path: str, query: Query) -> str:
    pairs = [
        f"{name}={quote(str(value).lower() if isinstance(value, bool) else str(value), safe='')}"
        for name, value in query.items()
        if value != ""
    ]
    return f"{_PREFIX}{path}{'?' if pairs else ''}{'&'.join(pairs)}"
