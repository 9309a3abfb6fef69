"""Retention policies: tried out, and applied.

`core.retention` decides about each version; here is what it is asked with. What a policy lets go is put into the trash,
so a rule that was wrong can be undone within the restore window. A bucket's S3 lifecycle configuration is another
document, which nothing here reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from lockhouse.core.paging import paged
from lockhouse.core.policies import Policy
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.records import StateRecord
from lockhouse.core.retention import Claims, Judge, Rule
from lockhouse.core.trash import Discarded
from lockhouse.core.versions import Version
from lockhouse.service import audit, versions
from lockhouse.service.callers import Caller
from lockhouse.service.policies import Policies

_PAGE = 500
_SOME = 1000
POLICIES = Policies("retention", Rule, "lockhouse retention show")


def preview(
    tx: Reader,
    caller: Caller,
    namespace: str,
    rule: Rule | None,
    *,
    after: str = "",
    limit: int,
    floor: float,
) -> tuple[list[tuple[StateRecord, list[Version]]], str]:
    """What would go now of up to `limit` addresses, and the key to go on after (empty: that was all).

    With a rule: as if it were set. Needs `read` on the namespace. `floor` in seconds."""
    policy = POLICIES.show(tx, caller, namespace)
    if rule is not None:
        policy = policy.with_rule(rule)
    found: list[tuple[StateRecord, list[Version]]] = []
    page = tx.states(namespace, after=after, limit=limit, live_only=False)
    for state, _ in page:
        gone = list(due(tx, state, policy, now=caller.now, floor=floor))
        if gone:
            found.append((state, gone))
    return found, page[-1][0].address.key if len(page) == limit else ""


def due(tx: Reader, state: StateRecord, policy: Policy[Rule], *, now: float, floor: float) -> Iterator[Version]:
    """The versions of one address that may go, the newest first."""
    rules = policy.covering(state.address.key)
    if not rules or state.versions <= max(1, *(rule.keep_versions for rule in rules)):
        return
    judge = Judge(rules, _claims(tx, state), now=now, floor=floor)
    for version in paged(lambda before: tx.versions(state, before, _PAGE), 0, lambda each: each.seq):
        if judge.lets_go(version):
            yield version


class Verdict(msgspec.Struct, frozen=True):
    """What may go at one address, the oldest last, and all that this was decided by."""

    state: StateRecord
    policy: Policy[Rule]
    claims: Claims
    gone: tuple[Version, ...]


def decide(tx: Reader, state: StateRecord, policy: Policy[Rule], *, now: float, floor: float) -> Verdict:
    """Look through the history of one address, however long it is."""
    gone = tuple(due(tx, state, policy, now=now, floor=floor))
    return Verdict(state, policy, _claims(tx, state), gone)


def apply(tx: Transaction, verdict: Verdict, *, now: float, limit: int) -> Verdict | None:
    """Put up to `limit` of the oldest into the trash; answers what is left to do.

    None, and nothing is done, when anything that the verdict was decided by has changed since."""
    address = verdict.state.address
    state = tx.state(address)
    if (
        state != verdict.state
        or POLICIES.of(tx, address.namespace) != verdict.policy
        or _claims(tx, state) != verdict.claims
    ):
        return None
    rest, now_gone = verdict.gone[:-limit], verdict.gone[-limit:]
    if any(tx.version(state, version.seq, packed=False) != version for version in now_gone):
        return None
    for version in reversed(now_gone):
        state = versions.remove(tx, state, version, Discarded(version, now, reason="retention"))
    if now_gone:
        ids = f"{now_gone[-1].id} to {now_gone[0].id}"
        audit.note_own(tx, now, "retention.delete", address, detail=ids, count=len(now_gone))
    return msgspec.structs.replace(verdict, state=state, gone=rest)


def with_policies(tx: Reader) -> Sequence[str]:
    """The namespaces that have a policy."""
    namespaces = paged(lambda after: tx.namespaces(after, _SOME), "", lambda each: each.name)
    return [each.name for each in namespaces if tx.document(each.name, POLICIES.document) is not None]


def _claims(tx: Reader, state: StateRecord) -> Claims:
    address = state.address
    record = tx.lock(state)
    moments = [each.at for each in tx.pending_uploads(address)]
    moments += [each.at for each in tx.uploads(address.namespace, address.key, limit=_SOME) if each.address == address]
    if state.parked:
        moments += [each.at for each in tx.parked_writes(address, limit=_SOME)]
    numbers = frozenset(fence.seq for fence in record.fences)
    if record.lock is None:
        return Claims(moments=tuple(moments), numbers=numbers)
    return Claims(since=record.lock.at, moments=tuple(moments), numbers=numbers)
