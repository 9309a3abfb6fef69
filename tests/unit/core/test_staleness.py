"""When a lock is stale: on evidence only, and only as long as nobody refutes it."""

from __future__ import annotations

import msgspec
import pytest

from lockhouse.core.federation import Run
from lockhouse.core.jobs import UNKNOWN, JobState, Report
from lockhouse.core.locks import Evidence, Facet, Hold, Lock
from lockhouse.core.policies import Policy
from lockhouse.core.principals import Credential
from lockhouse.core.staleness import (
    QUIET_SECONDS,
    Act,
    Holder,
    Rule,
    act_for,
    judge,
    may_release,
    stands,
)

TAKEN = 1_000_000.0
ENDED = TAKEN + 3600
SILENCE = 1800.0
LATE = ENDED + SILENCE + 1
LOCK = Lock(7, "P1", "deploy/77", "C1", (Hold(Facet.TABLE, "id-1", b"", TAKEN),))
RUNNING = Report(JobState.RUNNING)


def holder(name: str = "C1", ends: float = ENDED, revoked: float = 0.0, issuer: str = "") -> Holder:
    credential = Credential(name, "P1", "token", TAKEN - 10, expires_at=ends, run=Run("77", "", "", {}))
    return Holder(name, credential, revoked, issuer)


def judged(*holders: Holder, now: float = LATE, seen: float = TAKEN + 60, reports=None, began: float = 0.0, lock=LOCK):
    return judge(lock, holders, reports or {}, seq=3, seen=seen, now=now, silence=SILENCE, began=began)


def test_a_credential_that_ended_and_was_silent_for_long_enough_is_evidence_with_its_times():
    found = judged(holder())
    assert found == Evidence(
        "its credential ended at 1970-01-12T14:46:40Z, last seen 1970-01-12T13:47:40Z", LATE, "credential", 3
    )


@pytest.mark.parametrize(
    ("case", "more"),
    [
        ("it has not ended", {"now": ENDED - 1}),
        ("it has no end", {}),
        ("its silence since the end is too short", {"now": ENDED + SILENCE - 1}),
        ("it was seen after its end", {"seen": ENDED + 5}),
        ("the judge has not watched for long enough", {"began": ENDED + 5}),
    ],
)
def test_no_age_of_a_lock_is_evidence(case, more):
    ends = 0.0 if case == "it has no end" else ENDED
    now = TAKEN + 10 * 365 * 86_400 if case == "it has no end" else LATE
    assert judged(holder(ends=ends), **({"now": now} | more)) is None


def test_a_revoked_credential_is_evidence_and_so_is_that_of_a_ci_job_that_was_forgotten():
    revoked = judged(holder(ends=0.0, revoked=TAKEN + 100))
    assert revoked is not None
    assert "was revoked at" in revoked.why
    assert judged(Holder("C1", None, 0.0)) is None
    forgotten = judged(Holder("C1", None, 0.0), lock=msgspec.structs.replace(LOCK, kind="ci-job"))
    assert forgotten is not None
    assert "ended long ago" in forgotten.why


def test_every_credential_of_the_lock_must_be_gone():
    assert judged(holder(), holder("C2", ends=0.0)) is None
    assert judged(holder(), holder("C2")) is not None
    assert judged() is None


def test_a_job_that_has_ended_is_evidence_while_its_credential_lives():
    ended = Report(JobState.ENDED, TAKEN + 90, "cancelled")
    found = judged(holder(ends=TAKEN + 10**6, issuer="ci"), reports={"C1": ended}, now=TAKEN + 60 + QUIET_SECONDS)
    assert found is not None
    assert found.source == "job"
    assert found.why == "its CI job ended at 1970-01-12T13:48:10Z (cancelled), last seen 1970-01-12T13:47:40Z"


def test_a_credential_that_is_used_after_its_jobs_end_is_used_by_somebody():
    ended = Report(JobState.ENDED, TAKEN + 90, "success")
    seen = TAKEN + 91 + QUIET_SECONDS
    assert judged(holder(ends=0.0), reports={"C1": ended}, seen=seen, now=seen + 10_000) is None


def test_nobody_is_gone_who_may_have_been_seen_elsewhere_a_moment_ago():
    ended = Report(JobState.ENDED, TAKEN + 61, "success")
    now = TAKEN + 60 + QUIET_SECONDS
    assert judged(holder(), reports={"C1": ended}, now=now - 1) is None
    assert judged(holder(), reports={"C1": ended}, now=now) is not None


def test_a_running_job_outweighs_a_credential_that_ended_and_an_unknown_one_does_not():
    assert judged(holder(), reports={"C1": RUNNING}) is None
    assert judged(holder(), reports={"C1": UNKNOWN}) is not None


EVIDENCE = Evidence("because", LATE, "credential", 3)


def test_evidence_stands_until_the_holder_is_seen_or_writes():
    assert stands(EVIDENCE, seq=3, seen=LATE)
    assert not stands(EVIDENCE, seq=3, seen=LATE + 0.1)
    assert not stands(EVIDENCE, seq=4, seen=TAKEN)
    assert not stands(None, seq=3, seen=TAKEN)


def test_nothing_is_released_before_a_use_elsewhere_would_be_known():
    assert not may_release(EVIDENCE, seq=3, seen=TAKEN, now=LATE + QUIET_SECONDS - 1)
    assert may_release(EVIDENCE, seq=3, seen=TAKEN, now=LATE + QUIET_SECONDS)
    assert not may_release(EVIDENCE, seq=4, seen=TAKEN, now=LATE + QUIET_SECONDS)


def test_without_rules_stale_locks_are_shown_and_the_longest_prefix_counts():
    assert act_for(Policy(), "prod/app") is Act.SHOW
    policy = Policy().with_rule(Rule("prod/", Act.ASK)).with_rule(Rule("", Act.RELEASE))
    assert act_for(policy, "dev/app") is Act.RELEASE
    assert act_for(policy, "prod/app") is Act.ASK
    assert act_for(policy.with_rule(Rule("prod/", Act.SHOW)), "prod/app") is Act.SHOW
    assert act_for(policy.without_rule(""), "dev/app") is Act.SHOW
