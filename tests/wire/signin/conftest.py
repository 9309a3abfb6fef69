"""A provider process for the tests of each module, and fresh relying parties."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.wire.signin.providers import BACK, ProviderProcess, SignIn


@pytest.fixture(scope="module")
def process(provider: ProviderProcess) -> ProviderProcess:
    provider.put("client", [BACK])
    provider.user("ann-1", email="ann@example.com", email_verified=True, name="Ann", groups=["devs", "ops"])
    provider.user("mallory", email="ann@example.com", email_verified=False, name="Mallory")
    return provider


@pytest.fixture
def party(process: ProviderProcess) -> Iterator[Callable[..., SignIn]]:
    made: list[SignIn] = []

    def make(**changes: object) -> SignIn:
        made.append(SignIn(process, **changes))
        return made[-1]

    yield make
    for each in made:
        each.close()
    process.put("fault", {})
    process.put("in-userinfo", [])


@pytest.fixture
def rp(party: Callable[..., SignIn]) -> SignIn:
    return party()
