"""Retention: which versions of a state may go. Pure; it knows no store and no clock.

A namespace has rules, each for the keys that start with its prefix. Every rule that covers a key must let a version
go, and within a rule every condition must; where no rule covers a key, everything stays. Whatever the rules say, these
stay: the newest version, the newest version that has bytes (a deleted state can be had back), whatever is younger than
the safety floor, and what a held lock, a fence, a parked write or an unfinished upload is about.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from lockhouse.core.versions import Version
from lockhouse.errors import RequestInvalid

MAX_TAGS = 10
DAY_SECONDS = 86_400.0


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept below a prefix."""

    prefix: str = ""
    keep_versions: int = 0
    """This many versions with bytes, the newest ones; 0: their number does not matter."""
    keep_days: float = 0.0
    """Versions up to this age; 0: their age does not matter."""
    keep_tagged: tuple[str, ...] = ()
    """Versions with one of these tags: `NAME` whatever its value is, or `NAME=VALUE`."""


class Claims(msgspec.Struct, frozen=True):
    """What others still refer to at one address."""

    since: float = math.inf
    """When the held lock was taken: what was current then, and all since, stays."""
    moments: tuple[float, ...] = ()
    """Times at which a parked write was refused or an upload begun: what was current then stays."""
    numbers: frozenset[int] = frozenset()
    """Versions that fences name."""


def check_rule(rule: Rule) -> Rule:
    """The rule, or RequestInvalid (`request.invalid`) when it would keep nothing but tags, or cannot be meant."""
    if rule.keep_versions <= 0 and rule.keep_days <= 0:
        raise RequestInvalid(
            "cannot use a rule that says neither how many versions to keep nor for how long",
            hint="lockhouse retention set NAMESPACE --keep-versions 50 --keep-days 90",
        )
    if len(rule.keep_tagged) > MAX_TAGS or any(not tag.partition("=")[0] for tag in rule.keep_tagged):
        raise RequestInvalid(
            f"cannot use these tags: up to {MAX_TAGS}, each NAME or NAME=VALUE",
            hint="for example: --keep-tagged release",
            argument="keep_tagged",
        )
    return rule


class Judge:
    """Asked about all versions of one address, the newest first."""

    def __init__(self, rules: Sequence[Rule], claims: Claims, *, now: float, floor: float) -> None:
        """`floor` in seconds: nothing younger goes."""
        self._rules = rules
        self._claims = claims
        self._now = now
        self._floor = floor
        self._seen = 0
        self._with_bytes = 0
        self._moments = [*claims.moments, claims.since]

    def lets_go(self, version: Version) -> bool:
        """Whether this version may go; to be called for every version in turn."""
        rank = self._with_bytes
        """How many versions with bytes are newer."""
        newest = self._seen == 0 or (rank == 0 and not version.is_delete_marker)
        self._seen += 1
        self._with_bytes += not version.is_delete_marker
        claimed = self._is_claimed(version)
        if newest or claimed or not self._rules or self._now - version.at < self._floor:
            return False
        return all(_lets_go(rule, version, rank, self._now - version.at) for rule in self._rules)

    def _is_claimed(self, version: Version) -> bool:
        was_current = [moment for moment in self._moments if version.at <= moment]
        if was_current:
            self._moments = [moment for moment in self._moments if version.at > moment]
        return (
            any(moment < math.inf for moment in was_current)
            or version.at >= self._claims.since
            or version.seq in self._claims.numbers
        )


def has_tag(tags: dict[str, str], wanted: Iterable[str]) -> bool:
    """Whether one of the wanted tags (`NAME` or `NAME=VALUE`) is there."""
    for each in wanted:
        name, equals, value = each.partition("=")
        if name in tags and (not equals or tags[name] == value):
            return True
    return False


def _lets_go(rule: Rule, version: Version, rank: int, age: float) -> bool:
    return (
        rank >= rule.keep_versions
        and age > rule.keep_days * DAY_SECONDS
        and not has_tag(version.tags, rule.keep_tagged)
    )
