"""A bucket, and what its store means by refusing it: that a setting is wrong, or only that it cannot answer now.

Only an answer in S3's own words (a status and a `Code`) says that a setting is wrong. Whatever else comes back, or does
not, may be over in a moment: proxies, gateways and services that start answer anything.
Source: Amazon S3 API Reference, "Error responses".
"""

from __future__ import annotations

import re

import msgspec

from lockhouse.errors import StorageUnavailable


class Bucket(msgspec.Struct, frozen=True):
    """Where the objects are. Empty fields are looked for as AWS clients do (AWS_… variables, the machine's role)."""

    name: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    virtual_host: bool = False
    connect_seconds: float = 2.0
    request_seconds: float = 30.0
    """For one request with a part of an upload."""
    retry_seconds: float = 4.0
    ask_seconds: float = 10.0
    """For the question whether it answers: a server that starts waits for it."""


RIGHTS = "s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload"
_SETTING = "--blobs (LOCKHOUSE_BLOBS)"
_ANSWER = re.compile(r"performing list request: .*?status code: (\d{3})\b.*?<Code>(\w+)</Code>", re.DOTALL)
_CREDENTIALS = frozenset({"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_REGION = frozenset({"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"})
_PASSES = frozenset({"RequestTimeTooSkewed", "SlowDown"})
"""Said with statuses that otherwise stay."""
_REASON = re.compile(r'\b(?:message|error): "([^"]{1,150})"|kind: (Timeout)\b|status code: (\d{3}[^:\n]{0,40})')
_MACHINE = re.compile(r"://169\.254\.\d+\.\d+[/:]|/latest/(api/token|meta-data)")
"""Where machines and tasks at AWS ask for the credentials of their role."""


def explain(bucket: Bucket, said: str) -> StorageUnavailable:
    """Why listing the bucket failed. `said` is all that the library for object stores says of it; with the detail
    `setting` where the store says that it is for good."""
    where, name, cannot = bucket.endpoint or "AWS", f"s3://{bucket.name}", f"cannot use the bucket {bucket.name}"
    aws = f" --endpoint-url {bucket.endpoint}" if bucket.endpoint else ""
    found = _ANSWER.search(said)
    status, code = (int(found[1]), found[2]) if found else (0, "")
    message = hint = ""
    if code in _PASSES:
        pass
    elif code in _REGION or "incorrectly configured region" in said:  # so it says of a redirect that names no address
        message = f"{cannot}: {where} says that it is in another region"
        hint = f"add region=… in {_SETTING}; it is told by: aws s3api get-bucket-location --bucket {bucket.name}{aws}"
    elif status == 404:
        message = f"{cannot}: {where} says that it does not exist"
        hint = f"make it: aws s3 mb {name}{aws}; or name another with {_SETTING}"
    elif code == "AccessDenied":
        message = f"{cannot}: {where} knows these credentials and does not permit it"
        hint = f"permit {RIGHTS}, or give others: credentials=FILE in {_SETTING}"
    elif status in (401, 403) or code in _CREDENTIALS:
        message = f"{cannot}: {where} refuses the credentials ({code})"
        hint = f"try them: aws s3 ls {name}{aws}; then correct credentials=FILE in {_SETTING}, or the variables AWS_…"
    if message:
        return StorageUnavailable(message, hint=hint, setting="blobs")
    if _MACHINE.search(said):
        return StorageUnavailable(
            f"{cannot}: no credentials were given, and this machine has no role that gives some",
            hint=f"give some: credentials=FILE in {_SETTING}, or the variables AWS_…",
        )
    reason = code or next((each for each in _reasons(said)), "it does not answer as it should")
    return StorageUnavailable(
        f"{cannot}: {where} cannot be reached ({reason})", hint=f"does it run, and is the endpoint in {_SETTING} right?"
    )


def _reasons(said: str) -> list[str]:
    return [each for found in _REASON.findall(said) for each in found if each]
