"""Fixtures of the tests of fleets."""

from __future__ import annotations

import pytest

from tests.e2e.certificates import Certificate


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For 127.0.0.1; clients can be told to trust it."""
    return Certificate(tmp_path_factory.mktemp("tls"))
