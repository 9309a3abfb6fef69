"""What a route needs: the vocabulary of the one table of routes and rights (docs/reference/rights.md).

Every protocol has a module `needs` beside its routing table, with one or more needs for each row: more where a row may
be asked about things with different rules, such as a state and its lock. What may be asked without a credential stands
in `OPEN` there. The use cases decide; `tests/wire/access` asks
every route as everybody and holds the table to what they decide.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from lockhouse.core.principals import GIVEN_BY, Right

Group = tuple[Right, ...]


class Need(msgspec.Struct, frozen=True):
    """What a caller needs beside a credential."""

    on: str
    """What is asked about, in words; one route says it once."""
    groups: tuple[Group, ...] = ()
    """One right of each group, there; without any group every credential will do."""
    note: str = ""

    def is_met_by(self, right: Right) -> bool:
        """Whether this right alone, there, is enough."""
        return all(any(right in GIVEN_BY[each] for each in group) for group in self.groups)


def need(on: str, *rights: Right, note: str = "", also: Group = ()) -> Need:
    """Any one of the rights; and any one of `also`."""
    return Need(on, tuple(group for group in (rights, also) if group), note)


class Proof(StrEnum):
    """What a route that asks for no credential asks for instead."""

    NOTHING = "nothing"
    JOB = "an ID token of a CI job that a trust policy believes"
    CODE = "the code of a sign-in, and the verifier behind its challenge"
    VISITOR = "a session, or it leads to the sign-in page"


class Open(msgspec.Struct, frozen=True):
    """What a route needs that anybody may ask. It shows nothing that is kept here before the proof is given."""

    proof: Proof
    shows: str = ""
    """What it is for, in words."""


EVERY_RIGHT = tuple(Right)
VERIFIED = Need("itself", note="shows or changes what is the caller's own")
SHOWN = Need("a list", note="shows what the caller's grants cover")
IN_NAMESPACE = need("a namespace", *EVERY_RIGHT, note="at whatever prefix")
ADMIN_OF_NAMESPACE = need("a namespace", Right.ADMIN)
ADMIN_OF_SERVER = need("the server", Right.ADMIN, note="on `*`")
ADMIN_OVER = need("a principal", Right.ADMIN, note="over all that it can come to")
READ = need("a state", Right.READ)
READ_OR_OUTPUTS = need("a state", Right.READ, Right.READ_OUTPUTS, note="`read-outputs`: a document of outputs only")
OUTPUTS = need("a state", Right.READ_OUTPUTS)
WRITE = need("a state", Right.WRITE)
ADVANCE = need("a state", Right.APPLY, Right.WRITE, note="an override: `write`")
SEE_LOCK = need("a lock", Right.READ, Right.LOCK, Right.FORCE_UNLOCK)
TAKE = need("a lock", Right.LOCK, Right.PLAN, note="`plan`: for what does not write")
RELEASE = need("a lock of one's own", Right.LOCK, Right.PLAN, Right.FORCE_UNLOCK)
FORCE = need("another's lock", Right.FORCE_UNLOCK)
