"""Giving a run of a CI system its credential, for an ID token that was proved.

One token gives one credential, whose id is derived from the token: a token that was used is found again by that id. An
API token is given once. Temporary AWS credentials are given again to the same address while the run's credential lasts,
since every Terraform command of a run asks for them with the same file. Who has no token for a policy does not learn
whether there is one.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.federation import Run, Trust, refuse_others, run_of
from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Credential, Identity, Kind, Principal
from lockhouse.errors import AccessDenied, CredentialUnknown
from lockhouse.service import audit
from lockhouse.service.callers import Caller

REMEMBERED = 7 * 86_400.0
"""Seconds for which the credential of a run is kept after its end: longer than any ID token lasts."""
MAX_FORGOTTEN = 200
_PAGE = 1000


def find_policy(tx: Reader, name: str) -> tuple[Principal, Trust] | None:
    """The CI job of this name and its policy, if there is one."""
    job = tx.principal_named(name)
    return (job, job.trust) if job is not None and job.kind == Kind.CI_JOB and job.trust is not None else None


def policy(tx: Reader, name: str) -> tuple[Principal, Trust]:
    """As `find_policy`. Errors: `access.denied`."""
    found = find_policy(tx, name)
    if found is None:
        raise AccessDenied(
            f"cannot give credentials for {name!r}: there is no such CI job, or it has no trust policy",
            hint="lockhouse trust list",
            right="exchange",
        )
    return found


def exchange(
    tx: Transaction,
    caller: Caller,
    name: str,
    claims: dict[str, object],
    bare: Credential,
    *,
    again: bool,
    links: Mapping[str, str] | None = None,
    grace: float = 0.0,
) -> tuple[Principal, Credential]:
    """The credential of a run. `bare`: with an id made of the token; `again`: whether its own address may have it once
    more; `links`: the templates of job addresses, by issuer; `grace`: for how many seconds after its end one that
    exists is answered, to finish with (`core.grace`).

    Errors: `access.denied` for another run, `credential.unknown` for a token that was used."""
    job, trust = policy(tx, name)
    if trust.issuer != claims.get("iss"):
        raise AccessDenied(
            "cannot give credentials: the token's iss is another one",
            hint="compare with what the trust policy says: lockhouse trust list",
            right="exchange",
        )
    refuse_others(trust, claims)
    run = run_of(claims, caller.peer, (links or {}).get(trust.issuer, ""))
    kept = tx.credential(bare.id)
    told = msgspec.structs.replace(caller, who=_identity(job, run, bare.id))
    if kept is not None:
        mine = (
            kept.principal == job.id
            and kept.kind == bare.kind
            and kept.run is not None
            and kept.run.peer == caller.peer
        )
        if not again or not mine or kept.revoked_at or kept.expires_at + grace <= caller.now:
            raise CredentialUnknown(
                "cannot accept this ID token: it was used before", hint="ask the CI system for a new ID token"
            )
        how = "again" if kept.expires_at > caller.now else "to finish"
        audit.note(tx, told, "credential.exchange", subject=kept.id, detail=f"{how} for {_words(run)}")
        return job, kept
    _forget(tx, job.id, caller.now - REMEMBERED)
    made = msgspec.structs.replace(
        bare,
        principal=job.id,
        expires_at=min(bare.expires_at, caller.now + trust.seconds),
        description=_words(run),
        by=job.id,
        run=run,
    )
    tx.save_credential(made)
    audit.note(tx, told, "credential.exchange", subject=made.id, detail=_words(run))
    return job, made


def is_finishing(tx: Reader, credential_id: str, now: float) -> bool:
    """Whether the credential of a run has ended and still holds a lock."""
    kept = tx.credential(credential_id)
    if kept is None or kept.run is None or kept.expires_at > now:
        return False
    start: Address | None = None
    held = paged(lambda after: tx.held_locks("", "", after, _PAGE), start, lambda each: each[0].address)
    return any(record.lock is not None and record.lock.is_held_by(credential_id) for _, record in held)


def _forget(tx: Transaction, job: str, before: float) -> None:
    over = [each.id for each in tx.credentials(job) if each.run is not None and each.expires_at < before]
    for each in over[:MAX_FORGOTTEN]:
        tx.delete_credential(each)


def _identity(job: Principal, run: Run, credential: str) -> Identity:
    return Identity(
        principal=job.id, name=f"{job.name}/{run.name}", credential=credential, grants=job.grants, session=run.name
    )


def _words(run: Run) -> str:
    return run.link or run.claims.get("sub", run.name)
