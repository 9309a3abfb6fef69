"""The lock rule, row by row and under random histories."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from lockhouse.core.locks import (
    FREE,
    MAX_FENCES,
    PAIR_SECONDS,
    TOMBSTONE_SECONDS,
    TRANSITIONS,
    Condition,
    Evidence,
    Facet,
    LockRecord,
    Release,
    Take,
    Verdict,
    lasting,
    release,
    take,
    view,
)

NOW = 1000.0


def asks(lock_id="one", *, by="ann", facet=Facet.TABLE, now=NOW, credential=None, operation="", invocation=""):
    return Take(
        facet=facet,
        id=lock_id,
        info=b'{"ID":"%s"}' % lock_id.encode(),
        principal=by,
        name=by,
        credential=credential or by,
        now=now,
        operation=operation,
        who="ann@laptop",
        invocation=invocation,
    )


def frees(
    *, by="ann", facet=Facet.TABLE, now=NOW, read="", lock_id="", may_force=False, invocation="", seq=0, force=False
):
    return Release(
        facet=facet,
        credential=by,
        now=now,
        seq=seq,
        id=lock_id,
        last_read=read,
        invocation=invocation,
        may_force=may_force,
        force=force,
        by=by,
    )


def held(*takes: Take) -> LockRecord:
    record = FREE
    for request in takes:
        record = take(record, request).record
    return record


def condition(record: LockRecord, caller: str = "ann") -> Condition:
    if record.lock is None:
        return Condition.FREE
    if record.lock.principal != caller:
        return Condition.OTHER
    return Condition.OWN_BOTH if len(record.lock.holds) > 1 else Condition.OWN


OWN = held(asks("one", invocation="i-1", operation="migration source state"))
RELEASED_BEFORE = take(release(held(asks("zero")), frees(read="zero", invocation="u-0")).record, asks("one")).record
BOTH = held(asks("one"), asks("one", facet=Facet.LOCKFILE))
PLAYS = {
    (Condition.FREE, "take"): (FREE, asks()),
    (Condition.FREE, "release"): (FREE, frees()),
    (Condition.OWN, "take with the same id"): (OWN, asks("one")),
    (Condition.OWN, "take, the same request repeated"): (OWN, asks("else", invocation="i-1")),
    (Condition.OWN, "take with the same id, other facet"): (OWN, asks("one", facet=Facet.LOCKFILE)),
    (Condition.OWN, "take as the other end of a migration"): (
        OWN,
        asks("two", operation="migration destination state"),
    ),
    (Condition.OWN, "take with another id"): (OWN, asks("two")),
    (Condition.OWN, "release"): (OWN, frees()),
    (Condition.OWN, "release through a facet that did not take it"): (OWN, frees(facet=Facet.LOCKFILE)),
    (Condition.OWN, "release of a lock released before"): (RELEASED_BEFORE, frees(read="zero")),
    (Condition.OWN, "release of another lock than the one held"): (OWN, frees(read="w")),
    (Condition.OWN, "release by another credential, without the right"): (
        held(asks("one", credential="second")),
        frees(),
    ),
    (Condition.OWN_BOTH, "take with the same id"): (BOTH, asks("one")),
    (Condition.OWN_BOTH, "take with the same id, one more facet"): (BOTH, asks("one", facet=Facet.HTTP)),
    (Condition.OWN_BOTH, "take with another id"): (BOTH, asks("two")),
    (Condition.OWN_BOTH, "release"): (BOTH, frees()),
    (Condition.OWN_BOTH, "release of one facet of three"): (take(BOTH, asks("one", facet=Facet.HTTP)).record, frees()),
    (Condition.OWN_BOTH, "release through a facet that did not take it"): (BOTH, frees(facet=Facet.HTTP)),
    (Condition.OWN_BOTH, "release of a lock released before"): (
        take(RELEASED_BEFORE, asks("one", facet=Facet.LOCKFILE)).record,
        frees(read="zero"),
    ),
    (Condition.OWN_BOTH, "release of another lock than the one held"): (BOTH, frees(read="w")),
    (Condition.OWN_BOTH, "release by another credential, without the right"): (
        held(asks("one", credential="second"), asks("one", facet=Facet.LOCKFILE, credential="second")),
        frees(),
    ),
    (Condition.OTHER, "take"): (held(asks("x", by="bob")), asks("one")),
    (Condition.OTHER, "take with the holder's id"): (held(asks("x", by="bob")), asks("x")),
    (Condition.OTHER, "release that names the lock's id"): (held(asks("x", by="bob")), frees(lock_id="x")),
    (Condition.OTHER, "release that names the id of both facets"): (
        held(asks("x", by="bob"), asks("x", by="bob", facet=Facet.LOCKFILE)),
        frees(lock_id="x"),
    ),
    (Condition.OTHER, "release of a lock released before"): (
        take(release(held(asks("zero")), frees(read="zero", invocation="u-0")).record, asks("x", by="bob")).record,
        frees(read="zero"),
    ),
    (Condition.OTHER, "release of another lock than the one held"): (held(asks("x", by="bob")), frees(read="w")),
    (Condition.OTHER, "release without the right"): (held(asks("x", by="bob")), frees(read="x")),
    (Condition.OTHER, "release with the right"): (held(asks("x", by="bob")), frees(read="x", may_force=True)),
}


def test_every_row_of_the_table_is_what_the_functions_do():
    for row in TRANSITIONS:
        record, request = PLAYS[row.before, row.request]
        assert condition(record) == row.before, row
        outcome = take(record, request) if isinstance(request, Take) else release(record, request)
        assert (outcome.verdict, condition(outcome.record)) == (row.verdict, row.after), row
    assert len(PLAYS) == len(TRANSITIONS)


def test_the_functions_do_nothing_that_is_no_row_of_the_table():
    """The picture in the documentation is of the whole rule: every request of two people, from all that one request
    leads to and hundreds of what more lead to."""
    rows = {(row.before, row.verdict, row.after) for row in TRANSITIONS}
    facets = (Facet.TABLE, Facet.LOCKFILE)
    takes = [
        asks(lock_id, by=by, facet=facet, credential=credential, operation=operation, invocation=invocation)
        for lock_id in ("one", "two")
        for by in ("ann", "bob")
        for facet in facets
        for credential in ("", "second")
        for operation, invocation in (("", ""), ("migration source state", "i-1"), ("migration destination state", ""))
    ]
    releases = [
        frees(
            by=by, facet=facet, read=read, lock_id=lock_id, may_force=may, force=may and lock_id, invocation=invocation
        )
        for by in ("ann", "bob")
        for facet in facets
        for read in ("", "one", "two")
        for lock_id in ("", "one")
        for may in (False, True)
        for invocation in ("", "u-1")
    ]
    reached, edge = {FREE}, [FREE]
    for _ in range(4):
        found = []
        for record in edge:
            for request in (*takes, *releases):
                outcome = take(record, request) if isinstance(request, Take) else release(record, request)
                who = request.principal if isinstance(request, Take) else request.by
                step = (condition(record, who), outcome.verdict, condition(outcome.record, who))
                assert step in rows, (record, request)
                if outcome.record not in reached:
                    reached.add(outcome.record)
                    found.append(outcome.record)
        edge = found[:: len(found) // 200 or 1]
    assert len(reached) > 500


def test_every_grant_raises_the_epoch():
    first = take(FREE, asks("one"))
    second = take(release(first.record, frees()).record, asks("two"))
    assert (first.record.epoch, second.record.epoch) == (1, 2)


def test_a_lock_taken_through_two_facets_is_free_only_when_both_are_released():
    record = held(asks("one", facet=Facet.LOCKFILE), asks("one", facet=Facet.TABLE))
    half = release(record, frees(facet=Facet.LOCKFILE, read="one"))
    assert half.verdict is Verdict.FACET_RELEASED
    assert take(half.record, asks("two", by="bob")).verdict is Verdict.HELD
    assert release(half.record, frees(facet=Facet.TABLE, read="one")).verdict is Verdict.RELEASED


def test_releasing_a_facet_twice_is_a_no_op_while_the_other_facet_is_held():
    record = held(asks("one", facet=Facet.LOCKFILE), asks("one", facet=Facet.TABLE))
    half = release(record, frees(facet=Facet.LOCKFILE, read="one")).record
    again = release(half, frees(facet=Facet.LOCKFILE, read="one"))
    assert again.verdict is Verdict.NOTHING
    assert again.record.lock is not None


def test_a_repeated_unlock_request_never_frees_the_next_lock():
    freed = release(held(asks("one")), frees(read="one", invocation="u-1")).record
    taken = take(freed, asks("two")).record
    assert release(taken, frees(read="one", invocation="u-1")).verdict is Verdict.NOTHING
    assert release(taken, frees(read="one", invocation="u-2")).verdict is Verdict.NOTHING
    assert release(taken, frees(read="two", invocation="u-3")).verdict is Verdict.RELEASED


def test_after_the_tombstone_has_expired_a_stale_unlock_is_refused_not_obeyed():
    freed = release(held(asks("one")), frees(read="one")).record
    taken = take(freed, asks("two", by="bob", now=NOW + 1)).record
    late = release(taken, frees(read="one", now=NOW + TOMBSTONE_SECONDS + 1))
    assert late.verdict is Verdict.MISMATCH
    assert late.record.lock is not None


def test_a_forced_release_fences_the_holder_until_it_takes_the_lock_again():
    forced = release(held(asks("one", by="bob")), frees(read="one", may_force=True, seq=7)).record
    (fence,) = forced.fences
    assert (fence.credential, fence.ids, fence.epoch, fence.seq) == ("bob", ("one",), 1, 7)
    assert take(forced, asks("two", by="ann")).record.fences == (fence,)
    assert take(forced, asks("three", by="bob")).record.fences == ()


def test_the_other_facet_of_a_wholly_released_lock_can_still_be_read_and_released_by_its_releaser():
    record = held(asks("one", by="bob", facet=Facet.TABLE))
    forced = release(record, frees(facet=Facet.LOCKFILE, read="one", may_force=True)).record
    shown = view(forced, Facet.TABLE, "ann", NOW + 1)
    assert shown is not None
    assert shown.id == "one"
    assert view(forced, Facet.TABLE, "eve", NOW + 1) is None
    assert view(forced, Facet.LOCKFILE, "ann", NOW + 1) is None
    done = release(forced, frees(facet=Facet.TABLE, read="one"))
    assert done.verdict is Verdict.NOTHING
    assert view(done.record, Facet.TABLE, "ann", NOW + 2) is None


def test_the_two_ends_of_a_migration_on_one_facet_are_released_newest_first():
    record = held(
        asks("source", operation="migration source state"),
        asks("destination", operation="migration destination state"),
    )
    shown = view(record, Facet.TABLE, "ann", NOW)
    assert shown is not None
    assert shown.id == "destination"
    half = release(record, frees(read="destination")).record
    shown = view(half, Facet.TABLE, "ann", NOW)
    assert shown is not None
    assert shown.id == "source"
    assert release(half, frees(read="source")).verdict is Verdict.RELEASED


def test_a_migration_joins_only_its_own_other_end():
    record = held(asks("source", operation="migration source state"))
    other = msgspec.structs.replace(asks("d", operation="migration destination state"), who="bob@other")
    assert take(record, other).verdict is Verdict.HELD
    assert take(record, asks("d", operation="migration destination state", by="bob")).verdict is Verdict.HELD
    assert take(record, asks("d", operation="OperationTypeApply")).verdict is Verdict.HELD


def test_a_named_force_unlock_of_another_lock_is_refused():
    record = held(asks("one", by="bob"))
    assert release(record, frees(lock_id="two", force=True, may_force=True)).verdict is Verdict.MISMATCH
    assert release(record, frees(lock_id="one", force=True, may_force=True)).verdict is Verdict.FORCED


PEOPLE = st.sampled_from(["ann", "bob"])
FACETS = st.sampled_from([Facet.TABLE, Facet.LOCKFILE])
IDS = st.sampled_from(["one", "two", "three"])
STEPS = st.lists(
    st.one_of(
        st.builds(lambda i, b, f: asks(i, by=b, facet=f), IDS, PEOPLE, FACETS),
        st.builds(
            lambda b, f, r, m: frees(by=b, facet=f, read=r, may_force=m),
            PEOPLE,
            FACETS,
            st.one_of(st.just(""), IDS),
            st.booleans(),
        ),
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_nobody_loses_a_lock_but_by_his_own_release_or_by_force_and_the_epoch_never_falls(steps):
    record = FREE
    for at, step in enumerate(steps):
        step = msgspec.structs.replace(step, now=NOW + at)
        before = record
        outcome = take(record, step) if isinstance(step, Take) else release(record, step)
        record = outcome.record
        assert record.epoch >= before.epoch
        if before.lock is not None and (record.lock is None or record.lock.epoch != before.lock.epoch):
            assert isinstance(step, Release)
            assert record.lock is None
            assert step.credential == before.lock.credential or step.may_force
            if step.credential != before.lock.credential:
                assert record.fences[-1].credential == before.lock.credential
        if isinstance(step, Take) and outcome.verdict in (Verdict.GRANTED, Verdict.AGAIN, Verdict.JOINED):
            assert record.lock is not None
            assert record.lock.principal == step.principal
        if outcome.verdict is Verdict.GRANTED:
            assert before.lock is None
            assert record.epoch == before.epoch + 1


# Who has read no lock (another client than Terraform, or a server that has restarted) means what it held itself.


def released_then_taken() -> LockRecord:
    free = release(held(asks("mine")), frees(now=NOW + 10)).record
    return take(free, asks("theirs", by="bob", now=NOW + 11)).record


def test_a_release_again_does_not_take_the_lock_from_the_next_holder():
    again = release(released_then_taken(), frees(now=NOW + 20, may_force=True))
    assert again.verdict is Verdict.NOTHING
    assert again.record.lock is not None


def test_a_release_after_reading_the_new_lock_means_that_one():
    record = released_then_taken()
    assert release(record, frees(now=NOW + 20, read="theirs", may_force=True)).verdict is Verdict.FORCED
    assert release(record, frees(now=NOW + 20, read="theirs")).verdict is Verdict.FORBIDDEN


def test_a_release_after_a_minute_repeats_none():
    late = frees(now=NOW + 10 + TOMBSTONE_SECONDS)
    assert release(released_then_taken(), late).verdict is Verdict.FORBIDDEN


def test_the_holder_releases_what_it_holds_whatever_it_released_before():
    record = release(held(asks("one")), frees(now=NOW + 10)).record
    record = take(record, asks("two", now=NOW + 11)).record
    assert release(record, frees(now=NOW + 12)).verdict is Verdict.RELEASED


def test_each_facet_shows_its_own_document_and_a_facet_that_did_not_take_the_lock_the_newest_one():
    record = held(asks("one"), asks("one", facet=Facet.LOCKFILE), asks("one", facet=Facet.HTTP))
    shown = {facet: view(record, facet, "eve", NOW) for facet in Facet}
    assert {facet: hold.facet for facet, hold in shown.items()} == {
        Facet.TABLE: Facet.TABLE,
        Facet.LOCKFILE: Facet.LOCKFILE,
        Facet.HTTP: Facet.HTTP,
        Facet.WORKSPACE: Facet.HTTP,
    }


def test_of_the_two_ends_of_a_migration_the_one_that_is_named_is_released():
    record = held(
        asks("source", operation="migration source state"),
        asks("destination", operation="migration destination state"),
    )
    half = release(record, frees(read="source"))
    assert half.verdict is Verdict.FACET_RELEASED
    assert [hold.id for hold in half.record.lock.holds] == ["destination"]


def test_at_most_two_migrations_at_once_hold_one_lock():
    ends = [f"migration {end} state" for end in ("source", "destination")] * 2
    record = held(*(asks(f"end {number}", operation=end) for number, end in enumerate(ends)))
    assert len(record.lock.holds) == 4
    assert take(record, asks("end 4", operation="migration source state")).verdict is Verdict.HELD


def test_the_other_end_of_a_migration_that_sends_no_document_is_known_by_its_address_and_its_minute():
    def end(facet, *, operation="", peer="192.0.2.1", now=NOW):
        asked = asks(f"id of {facet}", facet=facet, operation=operation, now=now)
        return msgspec.structs.replace(asked, peer=peer, rejoin=facet is not Facet.WORKSPACE)

    named = "migration source state"
    record = held(end(Facet.TABLE, operation=named))
    assert take(record, end(Facet.WORKSPACE, now=NOW + PAIR_SECONDS)).verdict is Verdict.JOINED
    assert take(record, end(Facet.WORKSPACE, now=NOW + PAIR_SECONDS + 1)).verdict is Verdict.HELD
    assert take(record, end(Facet.WORKSPACE, peer="192.0.2.2")).verdict is Verdict.HELD
    assert take(record, end(Facet.HTTP)).verdict is Verdict.HELD
    assert take(held(end(Facet.WORKSPACE)), end(Facet.TABLE, operation=named)).verdict is Verdict.JOINED
    nowhere = held(end(Facet.TABLE, operation=named, peer=""))
    assert take(nowhere, end(Facet.WORKSPACE, peer="")).verdict is Verdict.HELD


def test_a_hold_that_joins_refutes_that_the_holder_is_gone():
    record = held(asks("one"))
    stale = msgspec.structs.replace(record.lock, stale=Evidence("its job ended", NOW, "job", 1))
    joined = take(msgspec.structs.replace(record, lock=stale), asks("one", facet=Facet.LOCKFILE))
    assert joined.verdict is Verdict.JOINED
    assert joined.record.lock.stale is None


def test_only_who_released_a_facet_may_repeat_that_and_only_of_this_facet():
    record = released_then_taken()
    assert release(record, frees(now=NOW + 20, facet=Facet.LOCKFILE)).verdict is Verdict.FORBIDDEN
    assert release(record, frees(now=NOW + 20, by="eve")).verdict is Verdict.FORBIDDEN


def test_a_release_through_a_facet_that_is_not_held_repeats_only_the_senders_own_release_of_it():
    both = held(asks("one"), asks("one", facet=Facet.LOCKFILE))
    half = release(both, frees(facet=Facet.LOCKFILE, read="one")).record
    assert release(half, frees(facet=Facet.HTTP, read="one")).verdict is Verdict.FORCED
    assert release(half, frees(by="bob", facet=Facet.LOCKFILE, lock_id="one")).verdict is Verdict.FORCED
    before = release(held(asks("zero", facet=Facet.LOCKFILE)), frees(facet=Facet.LOCKFILE)).record
    assert release(take(before, asks("one")).record, frees(facet=Facet.LOCKFILE, read="one")).verdict is Verdict.FORCED


def test_a_force_unlock_fences_every_credential_that_took_a_hold():
    pair = [f"migration {end} state" for end in ("source", "destination")]
    record = held(*(asks(end, operation=end, credential=f"key of {end}") for end in pair))
    forced = release(record, frees(by="eve", force=True, may_force=True)).record
    assert [(fence.credential, fence.ids) for fence in forced.fences] == [
        (f"key of {end}", tuple(pair)) for end in pair
    ]


def test_the_newest_fences_are_kept():
    record = FREE
    for number in range(MAX_FENCES + 2):
        record = take(record, asks(f"id {number}", by=f"run {number}")).record
        record = release(record, frees(by="eve", force=True, may_force=True)).record
    assert [fence.credential for fence in record.fences] == [f"run {number}" for number in range(2, MAX_FENCES + 2)]


def test_a_role_session_lasts_as_the_credential_that_assumed_the_role():
    assert lasting("ROLE/CREDENTIAL/SESSION") == "CREDENTIAL"
    assert lasting("CREDENTIAL") == "CREDENTIAL"
    lock = held(asks("one", credential="ROLE/CREDENTIAL/SESSION")).lock
    assert lock.credentials == ("CREDENTIAL",)


def test_a_holder_is_named_with_the_page_of_its_job():
    lock = held(asks("one")).lock
    assert lock.holder == "ann"
    assert msgspec.structs.replace(lock, link="https://ci.test/1").holder == "ann (job: https://ci.test/1)"


def test_each_tombstone_expires_on_its_own():
    record = release(held(asks("zero")), frees()).record
    record = release(take(record, asks("one", now=NOW + 50)).record, frees(now=NOW + 50)).record
    record = take(record, asks("theirs", by="bob", now=NOW + 51)).record
    at = NOW + TOMBSTONE_SECONDS
    assert release(record, frees(now=at, read="zero")).verdict is Verdict.MISMATCH
    assert release(record, frees(now=at, read="one")).verdict is Verdict.NOTHING


def test_a_wholly_released_lock_is_shown_until_its_releaser_releases_the_other_facet():
    record = release(held(asks("one", by="bob")), frees(facet=Facet.LOCKFILE, read="one", may_force=True)).record
    for other in (frees(by="eve"), frees(facet=Facet.LOCKFILE)):
        record = release(record, other).record
        assert view(record, Facet.TABLE, "ann", NOW + 1) is not None
    assert view(release(record, frees()).record, Facet.TABLE, "ann", NOW + 1) is None
