"""Requests signed for AWS, Signature Version 4, for a client that reads: no body but a small one, all in the header.

The rule is that of the verifying side (`protocols.aws.sigv4`). Credentials come from the environment, or from the file
that the AWS CLI writes. Specification: AWS General Reference, "Signature Version 4 signing process".
"""

from __future__ import annotations

import configparser
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import msgspec

from lockhouse.errors import RequestInvalid

_ALGORITHM = "AWS4-HMAC-SHA256"


class AwsKey(msgspec.Struct, frozen=True):
    """An access key, and the region that requests are signed for."""

    id: str
    secret: str
    token: str = ""


def find_key(environment: Mapping[str, str], profile: str = "") -> AwsKey:
    """The key of the environment, or of the profile in the credentials file. Errors: `request.invalid`."""
    if environment.get("AWS_ACCESS_KEY_ID") and not profile:
        return AwsKey(
            environment["AWS_ACCESS_KEY_ID"],
            environment.get("AWS_SECRET_ACCESS_KEY", ""),
            environment.get("AWS_SESSION_TOKEN", ""),
        )
    name = profile or environment.get("AWS_PROFILE", "default")
    path = Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or Path.home() / ".aws" / "credentials")
    parser = configparser.RawConfigParser()
    try:
        parser.read(path)
        section = parser[name]
        return AwsKey(
            section["aws_access_key_id"], section["aws_secret_access_key"], section.get("aws_session_token", "")
        )
    except (configparser.Error, KeyError, OSError, UnicodeDecodeError):
        raise RequestInvalid(
            "cannot read the source: no AWS access key in the environment or in the credentials file",
            hint='eval "$(aws configure export-credentials --format env)", then run this again',
        ) from None


def target_of(path: str, query: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Path and query as they are sent and signed: percent-encoded once, the query sorted."""
    encoded = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query)
    return quote(path, safe="/-_.~"), "&".join(f"{name}={value}" for name, value in encoded)


def sign(
    key: AwsKey,
    *,
    method: str,
    host: str,
    target: tuple[str, str],
    region: str,
    service: str,
    now: datetime,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The headers of the request, `host` among them. `headers` (lower case) are signed too."""
    moment = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    payload = hashlib.sha256(body).hexdigest()
    signed = dict(headers or {}) | {"host": host, "x-amz-date": moment, "x-amz-content-sha256": payload}
    if key.token:
        signed["x-amz-security-token"] = key.token
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in sorted(signed))
    request = "\n".join((method, target[0], target[1], lines, names, payload))
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((_ALGORITHM, moment, scope, hashlib.sha256(request.encode()).hexdigest()))
    made = f"AWS4{key.secret}".encode()
    for word in (moment[:8], region, service, "aws4_request", text):
        made = hmac.new(made, word.encode(), hashlib.sha256).digest()
    signed["authorization"] = f"{_ALGORITHM} Credential={key.id}/{scope}, SignedHeaders={names}, Signature={made.hex()}"
    return signed
