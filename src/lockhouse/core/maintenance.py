"""Maintenance: a person keeps everybody out of a place for a while, with a reason.

A place is a namespace, its keys that start with a prefix, or one whole key. While maintenance stands there, nobody is
given a free lock, and only who holds a lock may write: so whoever was at work when it began may finish, write and
unlock, and nobody begins. Reading goes on.

It is not a lock. It has no epoch, no facet and no holder that could be fenced, it is released by no client, and what a
client is shown of it has the form of a lock document only because that is the form that clients print. It ends by
command, or at the time that was said when it was set; so no two rules ever decide on the end of the same thing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

OPERATION = "maintenance"
"""What its document names as the operation, where a lock's names `OperationTypeApply` or the like."""
MAX_REASON = 500


class Maintenance(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One maintenance. At most one is kept of a place (namespace, prefix, exact); others may overlap with it."""

    id: str
    """Opaque; what clients see in the place of a lock id."""
    namespace: str
    prefix: str
    """Of keys; empty: the whole namespace."""
    reason: str
    at: float
    """When it was set, seconds since 1970."""
    principal: str
    name: str
    """Who set it."""
    until: float = 0.0
    """When it ends by itself, seconds since 1970; 0: it does not."""
    exact: bool = False
    """`prefix` is one whole key, and no other key that starts with it is meant."""

    @property
    def place(self) -> str:
        """For people to read."""
        return f"{self.namespace}/{self.prefix}" if self.prefix else self.namespace

    @property
    def ends(self) -> float:
        """As `until`, and infinite where it does not end by itself."""
        return self.until or math.inf

    def covers(self, key: str) -> bool:
        """Whether the key, in its namespace, is in its place."""
        return key == self.prefix if self.exact else key.startswith(self.prefix)

    def stands(self, now: float) -> bool:
        return now < self.ends


def standing(found: Iterable[Maintenance], key: str, now: float) -> Maintenance | None:
    """Of those kept of a namespace, the one that keeps this key closed for the longest; None: it is open."""
    longest: Maintenance | None = None
    for each in found:
        if each.covers(key) and each.stands(now) and (longest is None or each.ends > longest.ends):
            longest = each
    return longest
