"""The page of limits names every setting that is one, with its default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lockhouse.config import SETTINGS
from lockhouse.edge import connection, exchange
from lockhouse.protocols.aws.gate import MAX_WHOLE_BYTES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "limits.md").read_text(encoding="utf-8")
LIMITS = sorted(name for name in SETTINGS if re.search(r"(^max_|_rate$|_deadline$|^drain$|^lock_wait$)", name))
_ELSEWHERE = {"scrub_rate"}
"""A limit of the server's own work, not of clients."""


@pytest.mark.parametrize("name", [*sorted(set(LIMITS) - _ELSEWHERE), "trusted_proxies"])
def test_every_setting_that_limits_clients_is_on_the_page(name):
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("address_rate", "20000 per second"),
        ("principal_rate", "20000 per second"),
        ("failure_rate", "3000 per minute"),
        ("max_connections", "2048"),
        ("max_connections_per_address", "1024"),
        ("header_deadline", "15 seconds"),
        ("body_deadline", "60 seconds"),
        ("drain", "20 seconds"),
    ],
)
def test_the_defaults_on_the_page_are_those_of_the_settings(name, said):
    assert re.search(rf"`{name}` \| {re.escape(said)} \|", PAGE)
    assert f"{SETTINGS[name].default:g}" == said.partition(" ")[0]


def test_the_fixed_sizes_on_the_page_are_those_of_the_code():
    assert connection.MAX_HEAD_BYTES == 16 * 1024
    assert connection.MAX_HEADERS == 64
    assert exchange.READ_AHEAD == 128 * 1024
    assert exchange.DRAIN_BYTES == 2 * 1024 * 1024
    assert MAX_WHOLE_BYTES == 16 * 1024 * 1024 + 64 * 1024
    for said in ("| 16 KiB | 431 |", "| 64 | 431 |", "| 128 KiB |", "| 2 MiB |", "| 16 MiB + 64 KiB |"):
        assert said in PAGE
