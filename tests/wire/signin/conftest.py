"""One provider process for all tests here, and fresh relying parties."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.wire.signin.providers import BACK, ProviderProcess, SignIn


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderProcess]:
    started = ProviderProcess(tmp_path_factory.mktemp("provider"))
    started.put("client", [BACK])
    started.user("ann-1", email="ann@example.com", email_verified=True, name="Ann", groups=["devs", "ops"])
    started.user("mallory", email="ann@example.com", email_verified=False, name="Mallory")
    yield started
    started.stop()


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
