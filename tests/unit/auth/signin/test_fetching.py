"""Keys and documents of providers: nobody waits for what another visitor needs, or for the same failure again."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import pytest

from lockhouse.auth.signin.federation import _Issuer, _KeySet, _Metadata
from lockhouse.auth.signin.oidc import RETRY_SECONDS, KeySet, Metadata, OidcProvider, OidcSettings
from lockhouse.auth.signin.person import Ask
from lockhouse.errors import ProviderUnavailable

S = TypeVar("S")
ISSUER = "https://id.example"
ASK = Ask("https://lock.test/back", "state", "nonce", "verifier", "challenge")
DOCUMENT = Metadata(ISSUER, f"{ISSUER}/authorize", f"{ISSUER}/token", f"{ISSUER}/keys")


class Provider(OidcProvider):
    """Its keys come, or not, when they are let."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(OidcSettings(ISSUER, "client"), lambda: self.now)
        self.gate = asyncio.Event()
        self.asked: list[str] = []

    async def _ask(self, method: str, url: str, kind: type[S], **_more: object) -> S:
        self.asked.append(url)
        if kind is KeySet:
            await self.gate.wait()
            raise ProviderUnavailable("it does not answer", hint="wait")
        assert kind is Metadata
        return DOCUMENT  # type: ignore[return-value]


def test_who_only_needs_the_document_does_not_wait_for_who_fetches_keys():
    async def play() -> None:
        provider = Provider()
        metadata = await provider._discover()
        fetching = asyncio.create_task(provider._published(metadata, newer_than=0.0))
        for _ in range(10):
            await asyncio.sleep(0)
        begun = asyncio.create_task(provider.authorize(ASK))
        for _ in range(10):
            await asyncio.sleep(0)
        assert begun.done()
        provider.gate.set()
        with pytest.raises(ProviderUnavailable):
            await fetching

    asyncio.run(play())


def test_those_who_wait_for_the_same_keys_learn_together_that_they_do_not_come():
    async def play() -> None:
        provider = Provider()
        metadata = await provider._discover()
        visitors = [asyncio.create_task(provider._published(metadata, newer_than=0.0)) for _ in range(3)]
        for _ in range(10):
            await asyncio.sleep(0)
        provider.gate.set()
        assert all(
            isinstance(each, ProviderUnavailable) for each in await asyncio.gather(*visitors, return_exceptions=True)
        )
        assert provider.asked.count(DOCUMENT.jwks_uri) == 1
        provider.now += RETRY_SECONDS
        with pytest.raises(ProviderUnavailable):
            await provider._published(metadata, newer_than=0.0)
        assert provider.asked.count(DOCUMENT.jwks_uri) == 2

    asyncio.run(play())


class Issuer(_Issuer):
    """The same of a CI system."""

    def __init__(self) -> None:
        self.time = 1000.0
        super().__init__(ISSUER, "", lambda: self.time, private=False)
        self.gate = asyncio.Event()
        self.gate.set()

    async def _ask(self, url: str, kind: type[S]) -> S:
        del url
        await self.gate.wait()
        return _Metadata(ISSUER, f"{ISSUER}/keys") if kind is _Metadata else _KeySet([])  # type: ignore[return-value]


def test_a_token_with_a_known_key_does_not_wait_for_one_with_an_unknown_key():
    async def play() -> None:
        issuer = Issuer()
        await issuer._published(3600.0)
        issuer.time += 60.0
        issuer.gate.clear()
        unknown = asyncio.create_task(issuer._published(10.0))
        for _ in range(10):
            await asyncio.sleep(0)
        known = asyncio.create_task(issuer._published(3600.0))
        for _ in range(10):
            await asyncio.sleep(0)
        assert known.done()
        assert not unknown.done()
        issuer.gate.set()
        await unknown

    asyncio.run(play())
