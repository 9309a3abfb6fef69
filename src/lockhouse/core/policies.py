"""A policy: the rules of a namespace, each for the keys that start with its prefix, one of a prefix. Pure.

What several rules that cover a key say together is theirs: of stale locks the longest prefix counts, of retention all
must agree.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import msgspec

from lockhouse.errors import RequestInvalid

MAX_RULES = 100


class Rule(Protocol):
    """What is said of the keys that start with its prefix."""

    @property
    def prefix(self) -> str: ...


R = TypeVar("R", bound=Rule)


class Policy(msgspec.Struct, Generic[R], frozen=True):
    """All rules of a namespace, by prefix."""

    rules: tuple[R, ...] = ()

    def covering(self, key: str) -> tuple[R, ...]:
        """The rules that cover a key, the longest prefix last."""
        return tuple(rule for rule in self.rules if key.startswith(rule.prefix))

    def with_rule(self, rule: R) -> Policy[R]:
        """With this rule in the place of the one for the same prefix. Errors: `request.invalid`."""
        rules = {each.prefix: each for each in self.rules} | {rule.prefix: rule}
        if len(rules) > MAX_RULES:
            raise RequestInvalid(
                f"cannot keep more than {MAX_RULES} rules of one kind in one namespace", hint="take one away first"
            )
        return Policy(tuple(rules[prefix] for prefix in sorted(rules)))

    def without_rule(self, prefix: str) -> Policy[R]:
        return Policy(tuple(rule for rule in self.rules if rule.prefix != prefix))
