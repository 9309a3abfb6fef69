"""A browser without scripts and without a network: it keeps cookies, sends forms and follows nothing by itself."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlencode

from lockhouse.console.app import Console
from lockhouse.protocols.web import Headers, Request
from tests.unit.protocols.api.desk import Desk


@dataclass
class Page:
    status: int
    headers: list[tuple[str, str]]
    text: str

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    @property
    def form_token(self) -> str:
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', self.text)
        return found.group(1) if found else ""

    @property
    def words(self) -> str:
        """The page without its tags, as somebody reads it."""
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", self.text)).split())


class Browser:
    """One visitor."""

    def __init__(self, desk: Desk, console: Console, *, scheme: str = "http", host: str = "locks.example:7373") -> None:
        self.desk = desk
        self.console = console
        self.scheme = scheme
        self.host = host
        self.cookies: dict[str, str] = {}

    def get(self, path: str, query: str = "", method: str = "GET", **headers: str) -> Page:
        return self._ask(method, path, query, b"", headers)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Page:
        """As a browser sends a form: with its origin and its type, unless `headers` say otherwise."""
        sent = {"origin": f"{self.scheme}://{self.host}", "content-type": "application/x-www-form-urlencoded"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self._ask("POST", path, "", urlencode(fields).encode(), {k: v for k, v in sent.items() if v})

    def sign_in(self, token: str = "", target: str = "") -> Page:
        page = self.get("/console/sign-in", f"next={target}" if target else "")
        fields = {"token": token or self.desk.credentials.token, "form_token": page.form_token, "next": target}
        return self.post("/console/sign-in", fields)

    def _ask(self, method: str, path: str, query: str, body: bytes, headers: dict[str, str]) -> Page:
        fields = [("host", self.host), *headers.items()]
        if self.cookies:
            fields.append(("cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))

        async def chunks() -> AsyncIterator[bytes]:
            yield body

        async def never() -> None:
            await asyncio.Event().wait()

        request = Request(
            method=method,
            raw_path=path.encode(),
            raw_query=query.encode(),
            headers=Headers([(name.encode(), value.encode()) for name, value in fields]),
            scheme=self.scheme,
            peer="203.0.113.7",
            request_id="REQUEST1",
            chunks=chunks,
            disconnected=never,
        )
        response = self.desk._runner.run(self.console.handle(request))
        assert isinstance(response.body, bytes)
        page = Page(
            response.status,
            [(name.decode(), value.decode()) for name, value in response.headers],
            response.body.decode(),
        )
        for name, value in page.headers:
            if name == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
                if "Max-Age=0" in value:
                    del self.cookies[key]
        return page
