"""Fixtures that tests of several kinds share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.wire.signin.providers import ProviderProcess


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderProcess]:
    """An identity provider, for the tests of one module alone."""
    from tests.wire.signin.providers import ProviderProcess  # noqa: PLC0415 - most tests need none

    started = ProviderProcess(tmp_path_factory.mktemp("provider"))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def issuer(provider: ProviderProcess) -> ProviderProcess:
    """The same, where it gives ID tokens to CI jobs."""
    return provider
