"""Principals, their links, memberships and credentials in SQL. Specification: `core.ports`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core.principals import Credential, Membership, Principal
from lockhouse.storage.sql.records import Row, decode_credential, decode_principal, encode

_membership = msgspec.msgpack.Decoder(Membership).decode


class PrincipalReads:
    """The part of `Reader` about principals."""

    _fetch: Callable[..., list[Row]]

    def principal(self, principal_id: str) -> Principal | None:
        rows = self._fetch("SELECT record FROM principals WHERE id = ?", (principal_id,))
        return decode_principal(rows[0][0]) if rows else None

    def principal_named(self, name: str) -> Principal | None:
        rows = self._fetch("SELECT record FROM principals WHERE name = ? AND revoked = 0 ORDER BY id LIMIT 1", (name,))
        return decode_principal(rows[0][0]) if rows else None

    def principal_linked(self, issuer: str, subject: str) -> Principal | None:
        rows = self._fetch(
            "SELECT p.record FROM principal_links l JOIN principals p ON p.id = l.principal "
            "WHERE l.issuer = ? AND l.subject = ?",
            (issuer, subject),
        )
        return decode_principal(rows[0][0]) if rows else None

    def principals(self, after: str = "", limit: int = 1000) -> Sequence[Principal]:
        rows = self._fetch("SELECT record FROM principals WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [decode_principal(row[0]) for row in rows]

    def memberships_of(self, member: str) -> Sequence[Membership]:
        rows = self._fetch("SELECT record FROM memberships WHERE member = ? ORDER BY team", (member,))
        return [_membership(row[0]) for row in rows]

    def members_of(self, team: str) -> Sequence[Membership]:
        rows = self._fetch("SELECT record FROM memberships WHERE team = ? ORDER BY member", (team,))
        return [_membership(row[0]) for row in rows]

    def credential(self, credential_id: str) -> Credential | None:
        rows = self._fetch("SELECT record FROM credentials WHERE id = ?", (credential_id,))
        return decode_credential(rows[0][0]) if rows else None

    def credentials(self, principal_id: str) -> Sequence[Credential]:
        rows = self._fetch("SELECT record FROM credentials WHERE principal = ? ORDER BY id", (principal_id,))
        return [decode_credential(row[0]) for row in rows]

    def uses(self, principal_id: str) -> dict[str, float]:
        rows = self._fetch(
            "SELECT u.credential, u.at FROM credential_uses u JOIN credentials c ON c.id = u.credential "
            "WHERE c.principal = ? ORDER BY u.credential",
            (principal_id,),
        )
        return {row[0]: row[1] for row in rows}

    def last_uses(self, credentials: Sequence[str]) -> dict[str, float]:
        if not credentials:
            return {}
        marks = ", ".join("?" * len(credentials))
        rows = self._fetch(
            f"SELECT credential, at FROM credential_uses WHERE credential IN ({marks})",  # noqa: S608
            tuple(credentials),
        )
        return {row[0]: row[1] for row in rows}


class PrincipalWrites(PrincipalReads):
    """The part of `Transaction` about principals."""

    _change: Callable[[str, Row], int]

    def save_principal(self, principal: Principal) -> None:
        self._change(
            "INSERT INTO principals (id, name, revoked, record) VALUES (?, ?, ?, ?) ON CONFLICT (id) "
            "DO UPDATE SET name = excluded.name, revoked = excluded.revoked, record = excluded.record",
            (principal.id, principal.name, int(principal.revoked_at != 0), encode(principal)),
        )
        if principal.revoked_at:
            return
        self._change("DELETE FROM principal_links WHERE principal = ?", (principal.id,))
        if principal.link is not None:
            self._change(
                "INSERT INTO principal_links (issuer, subject, principal) VALUES (?, ?, ?) "
                "ON CONFLICT (issuer, subject) DO UPDATE SET principal = excluded.principal",
                (principal.link.issuer, principal.link.subject, principal.id),
            )

    def save_membership(self, membership: Membership) -> None:
        self._change(
            "INSERT INTO memberships (team, member, record) VALUES (?, ?, ?) "
            "ON CONFLICT (team, member) DO UPDATE SET record = excluded.record",
            (membership.team, membership.member, encode(membership)),
        )

    def delete_membership(self, team: str, member: str) -> None:
        self._change("DELETE FROM memberships WHERE team = ? AND member = ?", (team, member))

    def save_credential(self, credential: Credential) -> None:
        self._change(
            "INSERT INTO credentials (id, principal, record) VALUES (?, ?, ?) ON CONFLICT (id) "
            "DO UPDATE SET principal = excluded.principal, record = excluded.record",
            (credential.id, credential.principal, encode(credential)),
        )

    def delete_credential(self, credential_id: str) -> None:
        self._change("DELETE FROM credentials WHERE id = ?", (credential_id,))
        self._change("DELETE FROM credential_uses WHERE credential = ?", (credential_id,))

    def save_use(self, credential_id: str, at: float) -> None:
        self._change(
            "INSERT INTO credential_uses (credential, at) VALUES (?, ?) ON CONFLICT (credential) "
            "DO UPDATE SET at = excluded.at WHERE excluded.at > credential_uses.at",
            (credential_id, at),
        )
