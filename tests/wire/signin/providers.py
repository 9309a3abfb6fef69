"""The real provider process, and a browser's way through it without a browser."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from lockhouse.auth.signin import pledge
from lockhouse.auth.signin.oidc import OidcProvider, OidcSettings
from lockhouse.auth.signin.person import Ask, Person
from tests.e2e.processes import Child
from tests.wire.signin.oidc_provider import CLIENT_ID, CLIENT_SECRET

ROOT = Path(__file__).resolve().parents[3]
BACK = "http://127.0.0.1:7373/console/sign-in/callback"
KEY = pledge.key_of(bytes(32))
SECONDS = 30


class ProviderProcess:
    """`oidc_provider` as a process of its own."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"AUTHLIB_INSECURE_TRANSPORT": "1", "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
        self._child = Child(
            [sys.executable, "-m", "tests.wire.signin.oidc_provider"], environment=environment, directory=directory
        )
        self.issuer = self._child.wait_for(r"Provider at (\S+)", seconds=SECONDS)[1]
        self.desk = httpx.Client(base_url=self.issuer, timeout=SECONDS, trust_env=False)

    def put(self, path: str, value: object) -> None:
        self.desk.put(f"/-/{path}", json=value).raise_for_status()

    def user(self, sub: str, **claims: object) -> None:
        self.put(f"users/{sub}", claims)

    def rotate(self, **how: object) -> str:
        return self.desk.post("/-/rotate", json=how).json()

    def asked(self, path: str) -> int:
        return self.desk.get("/-/seen").json()["asked"].get(path, 0)

    @property
    def last_id_token(self) -> str:
        return self.desk.get("/-/seen").json()["id_token"]

    def stop(self) -> None:
        self.desk.close()
        self._child.end()


class SignIn:
    """One relying party against the provider, with a clock that the test moves."""

    def __init__(self, process: ProviderProcess, **changes: object) -> None:
        self.process = process
        self.later = 0.0
        self._runner = asyncio.Runner()
        self.settings = OidcSettings(
            **{"issuer": process.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET} | changes
        )
        self.provider = OidcProvider(self.settings, self.now)

    def now(self) -> float:
        return time.time() + self.later

    def run(self, awaited):
        async def run():
            return await awaited

        return self._runner.run(run())

    def ask(self, number: int = 1) -> Ask:
        salt = number.to_bytes(16, "big")
        return pledge.make(KEY, f"{number:064x}", target="/", redirect_uri=BACK, now=self.now(), salt=salt)

    def code(self, ask: Ask, sub: str) -> str:
        """What the browser brings back."""
        address = self.run(self.provider.authorize(ask))
        with httpx.Client(timeout=SECONDS, trust_env=False) as browser:
            browser.get(address).raise_for_status()
            answer = browser.post(address, data={"sub": sub})
        assert answer.status_code == 302, answer.text
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        assert query["state"] == [ask.state]
        return query["code"][0]

    def identify(self, ask: Ask, code: str, issuer: str = "") -> Person:
        return self.run(self.provider.identify(ask, code, issuer))

    def sign_in(self, sub: str, number: int = 1) -> Person:
        ask = self.ask(number)
        return self.identify(ask, self.code(ask, sub))

    def close(self) -> None:
        self._runner.close()
