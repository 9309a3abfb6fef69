"""Whose address counts."""

from __future__ import annotations

import pytest

from lockhouse.edge.addresses import client_of, counted, networks

TRUSTED = networks(("10.0.0.0/8", "2001:db8:ffff::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.9", ["198.51.100.1"], "192.0.2.9"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.5, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.5", "198.51.100.1, 10.0.0.7"], "198.51.100.1"),
        ("10.0.0.1", ["10.9.9.9, 10.0.0.7"], "10.9.9.9"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["nonsense, 10.0.0.7"], "10.0.0.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [", ,"], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8:ffff::1", ["2001:db8::00aa"], "2001:db8::aa"),
        ("not an address", ["198.51.100.1"], "not an address"),
    ],
)
def test_a_forwarded_address_counts_only_when_a_trusted_proxy_says_it(peer, forwarded, client):
    assert client_of(peer, forwarded, TRUSTED) == client


def test_nothing_forwarded_is_believed_without_trusted_proxies():
    assert client_of("10.0.0.1", ["198.51.100.1"], ()) == "10.0.0.1"


def test_an_ipv6_network_counts_as_one_address():
    assert counted("2001:db8::1") == counted("2001:db8::ffff:2") == "2001:db8::/64"
    assert counted("2001:db8:0:1::1") != counted("2001:db8::1")
    assert counted("::ffff:192.0.2.1") == counted("192.0.2.1") == "192.0.2.1"
    assert counted("") == ""
