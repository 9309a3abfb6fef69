"""When is a lock stale? On evidence that its holder is not there any more, and never by the age of the lock. Pure.

Evidence is one of two facts: the CI job of the holder has ended, as its provider says (`core.jobs`); or the holder's
credential has ended or was revoked, and nobody has used it for a while. Every credential that took a hold must be gone.
A job that its provider calls running outweighs a credential that has ended.

Evidence *stands* until the holder is seen after it was found, or writes. What follows from it is a policy of the
namespace, by key prefix, and where several rules cover a key the longest prefix counts: it is shown, or somebody is
asked, or the lock is released. A release is an ordinary force-unlock with the evidence as its reason, so it fences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from lockhouse.core.jobs import JobState, Report
from lockhouse.core.locks import Evidence, Lock
from lockhouse.core.policies import Policy
from lockhouse.core.principals import Credential, Kind
from lockhouse.core.times import moment

QUIET_SECONDS = 130.0
"""How long a use may stay unknown to other servers: they write uses down once a minute. Nobody is called gone, and
nothing is released by evidence, before that time has passed twice."""


class Act(StrEnum):
    """What follows from evidence."""

    SHOW = "show"
    ASK = "ask"
    """One command of somebody who may force-unlock releases it: `lockhouse lock release --stale`."""
    RELEASE = "auto-release"


class Rule(msgspec.Struct, frozen=True):
    """What follows below a prefix."""

    prefix: str
    act: Act


def act_for(policy: Policy[Rule], key: str) -> Act:
    covering = policy.covering(key)
    return covering[-1].act if covering else Act.SHOW


class Holder(msgspec.Struct, frozen=True):
    """One credential of a lock, and what is known of it."""

    id: str
    credential: Credential | None
    """None: it was forgotten, as those of CI jobs are some time after their end."""
    revoked_at: float
    """Of the credential or its principal; 0: neither."""
    issuer: str = ""
    """Of its CI job; empty: it is none."""

    @property
    def claims(self) -> Mapping[str, str]:
        run = self.credential.run if self.credential is not None else None
        return run.claims if run is not None else {}


def judge(
    lock: Lock,
    holders: Sequence[Holder],
    reports: Mapping[str, Report],
    *,
    seq: int,
    seen: float,
    now: float,
    silence: float,
    began: float,
) -> Evidence | None:
    """The evidence that there is now. Times in seconds since 1970.

    `reports`: what providers say, by credential; `seq`: the newest version of the address; `seen`: when the holder was
    last seen; `silence`: for how many seconds a credential that ended must be silent; `began`: since when the judge has
    been watching, for what happened before may not have reached it."""
    seen = max(seen, lock.at)
    if now - seen < QUIET_SECONDS:
        return None
    found: list[tuple[str, str]] = []
    for each in holders:
        report = reports.get(each.id)
        if report is not None and report.state is JobState.RUNNING:
            return None
        words = _of_job(report, seen)
        if words is None and (each.credential is not None or lock.kind == Kind.CI_JOB):
            words = _of_credential(each, seen, now, silence, began)
        if words is None:
            return None
        found.append(words)
    if not found:
        return None
    source, why = found[0]
    return Evidence(why, now, source, seq)


def stands(evidence: Evidence | None, *, seq: int, seen: float) -> bool:
    """Whether the holder was not seen, and has not written, since the evidence was found."""
    return evidence is not None and seen <= evidence.at and seq == evidence.seq


def may_release(evidence: Evidence | None, *, seq: int, seen: float, now: float) -> bool:
    """Whether it stands, and has stood for long enough that a use at any server would be known here."""
    return evidence is not None and stands(evidence, seq=seq, seen=seen) and now - evidence.at >= QUIET_SECONDS


def _of_job(report: Report | None, seen: float) -> tuple[str, str] | None:
    if report is None or report.state is not JobState.ENDED or seen > report.ended_at + QUIET_SECONDS:
        return None  # a credential that is used after its job's end is used by somebody
    return "job", f"its CI job ended at {moment(report.ended_at)} ({report.words}), last seen {moment(seen)}"


def _of_credential(holder: Holder, seen: float, now: float, silence: float, began: float) -> tuple[str, str] | None:
    credential = holder.credential
    ended = holder.revoked_at or (credential.expires_at if credential is not None else 0.0)
    if credential is not None and (not ended or ended > now):
        return None
    if now - max(seen, ended, began) < silence:
        return None
    how = "was revoked" if holder.revoked_at else "ended"
    at = f" at {moment(ended)}" if ended else " long ago"
    return "credential", f"its credential {how}{at}, last seen {moment(seen)}"
