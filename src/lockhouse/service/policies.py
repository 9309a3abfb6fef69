"""Policies of namespaces: kept as documents of theirs, shown, and changed rule by rule.

What is the same for every kind of rule is here; what follows from a rule is decided elsewhere (`service.retention`,
`service.staleness`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.policies import Policy, R
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, require, require_below
from lockhouse.errors import DocumentNotFound
from lockhouse.service import audit, namespaces
from lockhouse.service.callers import Caller

_encode = msgspec.json.Encoder().encode


class Policies(Generic[R]):
    """Those of one kind, such as `retention`. `command`: what shows a namespace's; `told`: what the log says of a rule
    that was set."""

    def __init__(self, kind: str, rule: type[R], command: str, *, told: Callable[[R], str] = lambda _rule: "") -> None:
        self.document = f"lockhouse-{kind}"
        self._kind = kind
        self._command = command
        self._told = told
        self._decoder = msgspec.json.Decoder(Policy[rule])  # type: ignore[valid-type]

    def of(self, tx: Reader, namespace: str) -> Policy[R]:
        """The namespace's policy; without rules where none is set."""
        body = tx.document(namespace, self.document)
        return self._decoder.decode(body) if body is not None else Policy()

    def show(self, tx: Reader, caller: Caller, namespace: str) -> Policy[R]:
        """Needs `read` on the namespace."""
        namespaces.get(tx, caller, namespace)
        require(caller.who, Right.READ, namespace)
        return self.of(tx, namespace)

    def set_rule(self, tx: Transaction, caller: Caller, namespace: str, rule: R) -> Policy[R]:
        """Set the rule of its prefix. Needs `admin` there. Errors: `request.invalid`."""
        namespaces.get(tx, caller, namespace)
        require_below(caller.who, Right.ADMIN, namespace, rule.prefix)
        policy = self.of(tx, namespace).with_rule(rule)
        tx.set_document(namespace, self.document, _encode(policy))
        audit.note(tx, caller, f"{self._kind}.set", Address(namespace, rule.prefix), detail=self._told(rule))
        return policy

    def remove_rule(self, tx: Transaction, caller: Caller, namespace: str, prefix: str) -> Policy[R]:
        """Remove the rule of this prefix. Needs `admin` there. Errors: `namespace.document_not_found`."""
        namespaces.get(tx, caller, namespace)
        require_below(caller.who, Right.ADMIN, namespace, prefix)
        before = self.of(tx, namespace)
        after = before.without_rule(prefix)
        if after == before:
            raise DocumentNotFound(
                f"cannot find a {self._kind} rule of {namespace} for {prefix!r}",
                hint=f"{self._command} {namespace}",
                kind=self._kind,
            )
        tx.set_document(namespace, self.document, _encode(after) if after.rules else None)
        audit.note(tx, caller, f"{self._kind}.remove", Address(namespace, prefix))
        return after
