"""Whose network address a request counts for. Pure; it knows no socket and no limit.

A forwarded address is believed only from the networks that the operator trusts (`trusted_proxies`): without them it is
what anybody may write. X-Forwarded-For is read from its end: each proxy adds the address that it saw, so the last one
that is no trusted proxy is the client's, and whatever stands before it is the client's own claim.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAX_HOPS = 16


def networks(names: tuple[str, ...]) -> tuple[Network, ...]:
    """Raises ValueError for what is no address or network."""
    return tuple(ipaddress.ip_network(each) for each in names)


def is_trusted(peer: str, trusted: tuple[Network, ...]) -> bool:
    address = _read(peer)
    return address is not None and any(address in each for each in trusted if each.version == address.version)


def client_of(peer: str, forwarded: list[str], trusted: tuple[Network, ...]) -> str:
    """The client's address behind trusted proxies. `forwarded`: the X-Forwarded-For fields in the order sent."""
    if not is_trusted(peer, trusted):
        return peer
    found = peer
    for hop in reversed(",".join(forwarded).split(",")[-_MAX_HOPS:]):
        address = _read(hop.strip())
        if address is None:
            return found
        found = str(address)
        if not is_trusted(found, trusted):
            return found
    return found


@lru_cache(4096)
def counted(peer: str) -> str:
    """The name that limits count an address under: an IPv6 client has a whole /64 network to itself."""
    if ":" not in peer:
        return peer
    address = _read(peer)
    if address is None or address.version == 4:
        return peer if address is None else str(address)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


def _read(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
