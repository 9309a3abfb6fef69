"""Retention policies: kept as a document of their namespace, shown, tried out, and applied.

`core.retention` decides about each version; here is what it is asked with. What a policy lets go is put into the trash,
so a rule that was wrong can be undone within the restore window. A bucket's S3 lifecycle configuration is another
document, which nothing here reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Reader, StateRecord, Transaction
from lockhouse.core.principals import Right, require, require_below
from lockhouse.core.retention import Claims, Judge, Policy, Rule, with_rule, without_rule
from lockhouse.core.trash import Discarded
from lockhouse.core.versions import Version
from lockhouse.errors import DocumentNotFound
from lockhouse.service import audit, namespaces, objects
from lockhouse.service.callers import Caller

KIND = "lockhouse-retention"
_PAGE = 500
_SOME = 1000
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Policy).decode


def policy_of(tx: Reader, namespace: str) -> Policy:
    """The namespace's policy; without rules where none is set."""
    body = tx.document(namespace, KIND)
    return _decode(body) if body is not None else Policy()


def show(tx: Reader, caller: Caller, namespace: str) -> Policy:
    """Needs `read` on the namespace."""
    namespaces.get(tx, caller, namespace)
    require(caller.who, Right.READ, namespace)
    return policy_of(tx, namespace)


def set_rule(tx: Transaction, caller: Caller, namespace: str, rule: Rule) -> Policy:
    """Set the rule of its prefix. Needs `admin` there. Errors: `request.invalid`."""
    namespaces.get(tx, caller, namespace)
    require_below(caller.who, Right.ADMIN, namespace, rule.prefix)
    policy = with_rule(policy_of(tx, namespace), rule)
    tx.set_document(namespace, KIND, _encode(policy))
    audit.note(tx, caller, "retention.set", Address(namespace, rule.prefix))
    return policy


def remove_rule(tx: Transaction, caller: Caller, namespace: str, prefix: str) -> Policy:
    """Remove the rule of this prefix. Needs `admin` there. Errors: `namespace.document_not_found`."""
    namespaces.get(tx, caller, namespace)
    require_below(caller.who, Right.ADMIN, namespace, prefix)
    before = policy_of(tx, namespace)
    after = without_rule(before, prefix)
    if after == before:
        raise DocumentNotFound(
            f"cannot find a retention rule of {namespace} for {prefix!r}",
            hint=f"lockhouse retention show {namespace}",
            kind="retention",
        )
    tx.set_document(namespace, KIND, _encode(after) if after.rules else None)
    audit.note(tx, caller, "retention.remove", Address(namespace, prefix))
    return after


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
    policy = show(tx, caller, namespace)
    if rule is not None:
        policy = with_rule(policy, rule)
    found: list[tuple[StateRecord, list[Version]]] = []
    page = tx.states(namespace, after=after, limit=limit, live_only=False)
    for state, _ in page:
        gone = list(due(tx, state, policy, now=caller.now, floor=floor))
        if gone:
            found.append((state, gone))
    return found, page[-1][0].address.key if len(page) == limit else ""


def due(tx: Reader, state: StateRecord, policy: Policy, *, now: float, floor: float) -> Iterator[Version]:
    """The versions of one address that may go, the newest first."""
    rules = policy.covering(state.address.key)
    if not rules or state.versions <= max(1, *(rule.keep_versions for rule in rules)):
        return
    judge = Judge(rules, _claims(tx, state), now=now, floor=floor)
    before = 0
    while page := tx.versions(state, before, _PAGE):
        for version in page:
            if judge.lets_go(version):
                yield version
        before = page[-1].seq


class Verdict(msgspec.Struct, frozen=True):
    """What may go at one address, the oldest last, and all that this was decided by."""

    state: StateRecord
    policy: Policy
    claims: Claims
    gone: tuple[Version, ...]


def decide(tx: Reader, state: StateRecord, policy: Policy, *, now: float, floor: float) -> Verdict:
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
        or policy_of(tx, address.namespace) != verdict.policy
        or _claims(tx, state) != verdict.claims
    ):
        return None
    rest, now_gone = verdict.gone[:-limit], verdict.gone[-limit:]
    if any(tx.version(state, version.seq, packed=False) != version for version in now_gone):
        return None
    for version in reversed(now_gone):
        state = objects.remove(tx, state, version, Discarded(version, now, reason="retention"))
    if now_gone:
        ids = f"{now_gone[-1].id} to {now_gone[0].id}"
        audit.note_own(tx, now, "retention.delete", address, detail=ids, count=len(now_gone))
    return msgspec.structs.replace(verdict, state=state, gone=rest)


def with_policies(tx: Reader) -> Sequence[str]:
    """The namespaces that have a policy."""
    found: list[str] = []
    after = ""
    while page := tx.namespaces(after, _SOME):
        found.extend(each.name for each in page if tx.document(each.name, KIND) is not None)
        after = page[-1].name
    return found


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
