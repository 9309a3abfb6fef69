"""The documents of the audit log in the JSON API. Pure: values to bytes and back. Bytes in base64, hashes in hex."""

from __future__ import annotations

from lockhouse.audit.signing import Checkpoint
from lockhouse.core.audit import Entry, Segment
from lockhouse.protocols.api.wire import Document, when


class EntryDocument(Document, frozen=True, kw_only=True):
    """One decision; fields that say nothing are empty."""

    number: int
    """Its place in the chain; 0 while it is not sealed."""
    at: str
    action: str
    outcome: str
    code: str
    principal: str
    name: str
    credential: str
    session: str
    protocol: str
    peer: str
    agent: str
    request: str
    namespace: str
    key: str
    subject: str
    detail: str
    count: int


class Entries(Document, frozen=True, kw_only=True):
    entries: tuple[EntryDocument, ...]
    """Newest first."""
    next: int
    """Ask again with `before` set to this; 0: that was all."""


class Segments(Document, frozen=True, kw_only=True):
    segments: tuple[Segment, ...]
    public_key: str
    next: int
    """Ask again with `after` set to this; 0: that was all."""


class CheckpointDocument(Document, frozen=True, kw_only=True):
    checkpoint: Checkpoint


def entry(number: int, found: Entry) -> EntryDocument:
    """An entry for people and scripts."""
    return EntryDocument(
        number=number,
        at=when(found.at),
        action=found.action,
        outcome=found.outcome,
        code=found.code,
        principal=found.principal,
        name=found.name,
        credential=found.credential,
        session=found.session,
        protocol=found.protocol,
        peer=found.peer,
        agent=found.agent,
        request=found.request,
        namespace=found.namespace,
        key=found.key,
        subject=found.subject,
        detail=found.detail,
        count=found.count,
    )
