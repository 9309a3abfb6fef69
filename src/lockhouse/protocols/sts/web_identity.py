"""STS AssumeRoleWithWebIdentity: the one AWS call that nobody signs, since the ID token is the proof.

Specification: AWS STS API reference, AssumeRoleWithWebIdentity. The session is named after the run, by the token's own
claims, and not after RoleSessionName, which the job chooses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from lockhouse.errors import Problem, RequestInvalid, SignatureMissing
from lockhouse.protocols.sts.operations.assume_role import ROLE, SESSION, credentials_element
from lockhouse.protocols.sts.routes import UNSIGNED
from lockhouse.protocols.sts.wire import (
    STS_NAMESPACE,
    WEB_IDENTITY_ERRORS,
    Element,
    read_form,
    read_number,
    read_text,
    write_problem,
    write_result,
)
from lockhouse.protocols.web import Request, Response
from lockhouse.runtime.federation import STRANGER, Federation
from lockhouse.service.callers import Caller

(ACTION,) = UNSIGNED
MAX_BODY = 32 * 1024
_log = logging.getLogger("lockhouse.federation")


class WebIdentity:
    """The operation, for requests that nobody signed."""

    def __init__(self, federation: Federation, account: str, now: Callable[[], float]) -> None:
        self._federation = federation
        self._account = account
        self._now = now

    async def __call__(self, request: Request, body: bytes) -> Response:
        """The answer. Errors: `signature.missing` when the form asks for something else."""
        try:
            fields = read_form(body)
        except Problem:
            fields = {}
        if fields.get("Action") != ACTION:
            raise SignatureMissing("cannot serve an unsigned request here", hint="send it with AWS credentials")
        request.trail.action, request.trail.protocol = ACTION, "sts"
        try:
            return write_result(ACTION, STS_NAMESPACE, await self._assume(request, fields), request.request_id)
        except Problem as problem:
            request.trail.code = problem.code
            return write_problem(problem, request.request_id, WEB_IDENTITY_ERRORS)
        except Exception:  # noqa: BLE001 - the edge: whatever went wrong, the client gets an answer
            _log.exception("Cannot serve a request request=%s service=sts", request.request_id)
            return write_problem(None, request.request_id)

    async def _assume(self, request: Request, fields: Mapping[str, str]) -> Element:
        arn, token = read_text(fields, "RoleArn"), read_text(fields, "WebIdentityToken")
        match = ROLE.fullmatch(arn)
        if match is None or match[1] != self._account:
            raise RequestInvalid(
                f"cannot assume {arn[:200]!r}: a role here is arn:aws:iam::{self._account}:role/NAME",
                hint="lockhouse trust list shows the CI jobs; the role has the name of one",
                argument="RoleArn",
            )
        if not SESSION.fullmatch(name := read_text(fields, "RoleSessionName")):
            raise RequestInvalid(
                f"cannot use the RoleSessionName {name[:100]!r}",
                hint="2 to 64 of A-Z a-z 0-9 _ + = , . @ -",
                argument="RoleSessionName",
            )
        if "Policy" in fields or "PolicyArns.member.1.arn" in fields:
            raise RequestInvalid(
                f"cannot narrow a session of {match[2]} by a policy",
                hint="leave Policy out: the trust policy of the CI job says what it may do",
                argument="Policy",
            )
        seconds = read_number(fields, "DurationSeconds", 0, 900, 12 * 3600) or None
        caller = Caller(
            STRANGER,
            self._now(),
            "sts",
            request.peer,
            request.headers.get("user-agent") or "",
            request.request_id,
        )
        job, kept, credentials = await self._federation.session(caller, match[2], token, seconds)
        run = kept.run
        assert run is not None
        return {
            "SubjectFromWebIdentityToken": run.claims.get("sub", ""),
            "Audience": job.trust.audience if job.trust is not None else "",
            "Provider": job.trust.issuer if job.trust is not None else "",
            "Credentials": credentials_element(credentials),
            "AssumedRoleUser": {
                "AssumedRoleId": f"{job.id}:{run.name}",
                "Arn": f"arn:aws:sts::{self._account}:assumed-role/{job.name}/{run.name}",
            },
            "PackedPolicySize": "0",
        }
