"""The two ends of a migration share a lock; nobody else does."""

from __future__ import annotations

import msgspec
import pytest

from lockhouse.core.locks import FREE, PAIR_SECONDS, Facet, Release, Take, Verdict, release, take
from lockhouse.core.versions import Facts
from lockhouse.core.writes import Head, WriteRequest, WriteVerdict, decide

SOURCE = "migration source state"
DESTINATION = "migration destination state"


def asked(facet: Facet, lock_id: str, credential: str, operation: str = "", **changes) -> Take:
    request = Take(
        facet, lock_id, b"", "p1", "ann", credential, 100.0, operation, who="ann@laptop" if operation else "",
        peer="192.0.2.1", rejoin=facet is not Facet.WORKSPACE,
    )  # fmt: skip
    return msgspec.structs.replace(request, **changes)


WORKSPACE = asked(Facet.WORKSPACE, "w", "token")


@pytest.mark.parametrize("operation", [SOURCE, DESTINATION])
@pytest.mark.parametrize("workspace_first", [True, False])
def test_a_workspace_lock_joins_the_end_of_a_migration(operation, workspace_first):
    table = asked(Facet.TABLE, "t", "key", operation)
    first, second = (WORKSPACE, table) if workspace_first else (table, WORKSPACE)
    second = msgspec.structs.replace(second, now=100.0 + PAIR_SECONDS)
    held = take(take(FREE, first).record, second)
    assert held.verdict is Verdict.JOINED
    one = release(held.record, Release(Facet.TABLE, "key", 101.0, 0, last_read="t"))
    assert one.verdict is Verdict.FACET_RELEASED
    assert release(one.record, Release(Facet.WORKSPACE, "token", 102.0, 0, id="w")).verdict is Verdict.RELEASED


@pytest.mark.parametrize(
    "changes",
    [
        {"principal": "p2"}, {"peer": "192.0.2.9"}, {"peer": ""}, {"now": 101.0 + PAIR_SECONDS}, {"now": 99.0},
        {"operation": "OperationTypeApply"}, {"facet": Facet.HTTP},
    ],
)  # fmt: skip
def test_nothing_else_joins(changes):
    held = take(FREE, asked(Facet.TABLE, "t", "key", SOURCE))
    assert take(held.record, msgspec.structs.replace(WORKSPACE, **changes)).verdict is Verdict.HELD


def test_a_workspace_lock_beside_an_ordinary_run_is_refused():
    for operation in ("OperationTypeApply", "state-push"):
        held = take(FREE, asked(Facet.TABLE, "t", "key", operation))
        assert take(held.record, WORKSPACE).verdict is Verdict.HELD
    assert take(take(FREE, WORKSPACE).record, msgspec.structs.replace(WORKSPACE, id="w2")).verdict is Verdict.HELD


def test_each_end_may_write_and_a_force_fences_both():
    held = take(take(FREE, asked(Facet.TABLE, "t", "key", SOURCE)).record, WORKSPACE).record

    def write(credential: str, record, lock_id: str = "", current: int = 0) -> WriteVerdict:
        facts = Facts(serial=1, lineage="l")
        head = Head(seq=current, sha256=b"y", size=3, facts=Facts(serial=0, lineage="l"))
        return decide(head, record, WriteRequest(credential, b"x", 3, facts, lock_id=lock_id)).verdict

    assert write("token", held, "w") is WriteVerdict.ACCEPTED
    assert write("key", held) is WriteVerdict.ACCEPTED
    assert write("other", held) is WriteVerdict.LOCKED
    forced = release(held, Release(Facet.HTTP, "boss", 105.0, 1, may_force=True, force=True)).record
    taken = take(forced, asked(Facet.HTTP, "h", "boss", principal="p9")).record
    assert write("key", taken) is WriteVerdict.FENCED
    assert write("token", taken, "w") is WriteVerdict.FENCED
