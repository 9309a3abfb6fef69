"""From domain values to the documents of `wire`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Fence, Lock, LockRecord
from lockhouse.core.maintenance import Maintenance
from lockhouse.core.principals import Credential, Membership, Principal
from lockhouse.core.records import LockEvent, Namespace, Parked, StateRecord
from lockhouse.core.reviews import Change, ReviewRecord
from lockhouse.core.traffic import Tally
from lockhouse.core.versions import Facts, Version
from lockhouse.protocols.api import wire, wire_access, wire_maintenance, wire_reviews
from lockhouse.service.access import Member
from lockhouse.service.imports import MARK
from lockhouse.service.lock_documents import document_of
from lockhouse.service.locks import is_stale


def namespace(found: Namespace) -> wire.NamespaceDocument:
    return wire.NamespaceDocument(
        name=found.name, region=found.region, created_at=wire.when(found.at), require_lock=found.require_lock
    )


def credential(
    found: Credential, last_used: Mapping[str, float], uses: Mapping[str, float]
) -> wire_access.CredentialDocument:
    return wire_access.CredentialDocument(
        id=found.id,
        kind=found.kind,
        created_at=wire.when(found.at),
        expires_at=wire.when(found.expires_at),
        last_used_at=wire.when(max(last_used.get(found.id, 0.0), uses.get(found.id, 0.0))),
        description=found.description,
        scope=None if found.scope is None else wire_access.grant_documents(found.scope),
        replaced_by=found.replaced_by,
    )


def principal(
    member: Member, last_used: Mapping[str, float], trusted: tuple[str, ...] = (), account_id: str = ""
) -> wire_access.PrincipalDocument:
    found = member.principal
    rule = found.trust
    return wire_access.PrincipalDocument(
        name=found.name,
        kind=found.kind,
        created_at=wire.when(found.at),
        grants=wire_access.grant_documents(found.grants),
        credentials=tuple(credential(each, last_used, member.uses) for each in member.credentials),
        trusted=trusted,
        teams=tuple(team.name for team in member.teams),
        effective=wire_access.grant_documents(member.effective),
        link=link(found),
        namespace=found.namespace,
        trust=wire_access.TrustDocument(
            issuer=rule.issuer,
            audience=rule.audience,
            claims=rule.claims,
            seconds=int(rule.seconds),
            proposals=rule.proposals,
            role_arn=wire_access.role_arn(account_id, found),
        )
        if rule is not None
        else None,
    )


def link(found: Principal) -> wire_access.LinkDocument | None:
    if found.link is None:
        return None
    return wire_access.LinkDocument(
        issuer=found.link.issuer,
        subject=found.link.subject,
        email=found.link.email,
        display_name=found.link.display_name,
    )


def members(team: str, found: Sequence[tuple[Principal, Membership]]) -> wire_access.Members:
    return wire_access.Members(
        team=team,
        members=tuple(
            wire_access.MemberDocument(name=who.name, kind=who.kind, since=wire.when(each.at), source=each.source)
            for who, each in found
        ),
    )


def version(found: Version, current: int) -> wire.VersionDocument:
    facts, origin = found.facts, found.origin
    return wire.VersionDocument(
        id=found.id,
        number=found.seq,
        created_at=wire.when(found.at),
        current=found.seq == current,
        deleted=found.is_delete_marker,
        size=found.size,
        md5=found.body.md5.hex() if found.body else "",
        sha256=found.body.sha256.hex() if found.body else "",
        serial=facts.serial if facts else None,
        lineage=facts.lineage if facts else "",
        terraform_version=facts.terraform_version if facts else "",
        resources=_counted(facts, facts.resources) if facts else None,
        outputs=_counted(facts, facts.outputs) if facts else None,
        encrypted=facts.encrypted if facts else False,
        by=origin.name,
        protocol=origin.protocol,
        peer=origin.peer,
        agent=origin.agent,
        lock_id=origin.lock_id,
        mark=origin.mark,
        source=origin.request if origin.mark == MARK else "",
        content_type=found.content_type,
        tags=found.tags,
    )


def state_line(state: StateRecord, newest: Version, lock: Lock | None) -> wire.StateLine:
    facts = newest.facts
    return wire.StateLine(
        namespace=state.address.namespace,
        key=state.address.key,
        version=newest.id,
        serial=facts.serial if facts else None,
        size=newest.size,
        resources=_counted(facts, facts.resources) if facts else None,
        terraform_version=facts.terraform_version if facts else "",
        updated_at=wire.when(newest.at),
        by=newest.origin.name,
        versions=state.versions,
        parked=state.parked,
        locked_by=lock.name if lock else "",
    )


def state(
    record: StateRecord, newest: Version | None, lock: Lock | None, waiters: int, seen: float, *, require_lock: bool
) -> wire.StateDocument:
    return wire.StateDocument(
        namespace=record.address.namespace,
        key=record.address.key,
        versions=record.versions,
        parked=record.parked,
        require_lock=require_lock,
        share_customer_key=record.share_ssec,
        highest_serial=record.highest_serial,
        current=version(newest, record.current) if newest else None,
        lock=holder(record.address, lock, waiters, seen) if lock else None,
    )


def parked(found: Parked, current: Version | None) -> wire.ParkedDocument:
    facts, origin = found.facts, found.origin
    return wire.ParkedDocument(
        id=found.id,
        namespace=found.address.namespace,
        key=found.address.key,
        created_at=wire.when(found.at),
        reason=found.reason,
        message=found.message,
        size=found.body.size,
        sha256=found.body.sha256.hex(),
        serial=facts.serial if facts else None,
        lineage=facts.lineage if facts else "",
        by=origin.name,
        protocol=origin.protocol,
        peer=origin.peer,
        agent=origin.agent,
        current_serial=current.facts.serial if current is not None and current.facts is not None else None,
    )


def holder(address: Address, lock: Lock, waiters: int, seen: float = 0.0) -> wire.HolderDocument:
    """`seen`: when the holder's credential was last used, as far as that is known."""
    first = lock.holds[0]
    seen = max(seen, lock.at)
    return wire.HolderDocument(
        namespace=address.namespace,
        key=address.key,
        id=lock.id,
        since=wire.when(lock.at),
        name=lock.name,
        kind=lock.kind,
        credential=lock.credentials[0],
        last_seen=wire.when(seen),
        job=lock.link,
        stale=stale(lock, seen),
        who=first.who,
        operation=first.operation,
        facets=tuple(str(hold.facet) for hold in lock.holds),
        peer=lock.peer,
        agent=lock.agent,
        epoch=lock.epoch,
        info=document_of(address, lock, first).decode("utf-8", "replace"),
        waiters=waiters,
    )


def stale(lock: Lock, seen: float) -> wire.StaleDocument | None:
    found = lock.stale
    if found is None or not is_stale(lock, seen):
        return None
    return wire.StaleDocument(why=found.why, at=wire.when(found.at), source=found.source, asks=found.asks)


def lock(
    address: Address,
    record: LockRecord,
    events: Sequence[LockEvent],
    waiters: tuple[wire.WaiterDocument, ...],
    seen: float,
    maintenance: Maintenance | None,
) -> wire.LockDocumentView:
    return wire.LockDocumentView(
        namespace=address.namespace,
        key=address.key,
        held=holder(address, record.lock, len(waiters), seen) if record.lock else None,
        epoch=record.epoch,
        waiters=waiters,
        fences=tuple(_fence(each) for each in record.fences),
        history=tuple(_event(each) for each in events),
        maintenance=wire_maintenance.document(maintenance) if maintenance is not None else None,
    )


def _fence(found: Fence) -> wire.FenceDocument:
    return wire.FenceDocument(
        lock_ids=found.ids,
        credential=found.credential,
        at=wire.when(found.at),
        by=found.by,
        reason=found.reason,
        epoch=found.epoch,
    )


def _event(found: LockEvent) -> wire.LockEventDocument:
    return wire.LockEventDocument(
        number=found.seq,
        at=wire.when(found.at),
        verb=found.verb,
        lock_id=found.lock_id,
        epoch=found.epoch,
        facet=found.facet,
        name=found.name,
        who=found.who,
        operation=found.operation,
        reason=found.reason,
        job=found.link,
    )


def _counted(facts: Facts, number: int) -> int | None:
    return None if number < 0 or facts.encrypted else number


def review_line(found: ReviewRecord) -> wire_reviews.ReviewLine:
    return wire_reviews.ReviewLine(
        id=found.id,
        at=wire.when(found.at),
        root=found.root,
        commit=found.commit,
        by=found.name,
        size=found.size,
        statuses=found.statuses,
        findings=found.findings,
        violations=found.violations,
    )


def review_change(found: Change) -> wire_reviews.ReviewChange:
    return wire_reviews.ReviewChange(
        service=found.service,
        before=str(found.before or ""),
        after=str(found.after or ""),
        gained=tuple(str(user) for user in found.gained),
        lost=tuple(str(user) for user in found.lost),
    )


def lock_client(found: Tally) -> wire_reviews.LockClient:
    return wire_reviews.LockClient(
        namespace=found.namespace,
        name=found.name,
        who=found.who,
        facet=found.facet,
        locks=found.count,
        states=len(found.keys),
        first_at=wire.when(found.first),
        last_at=wire.when(found.last),
        versions=tuple(found.versions),
    )
