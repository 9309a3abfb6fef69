"""AWS Signature Version 4 for prebuilt requests: the bytes of a request head, signed now, good for 15 minutes.

Signing with botocore costs about 100 us; a measurement needs tens of thousands of different requests, so the few lines
are written out here and `agrees_with_botocore` proves them before anything is measured. Source of the format: "Create a
signed AWS API request" in the AWS documentation.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from dataclasses import dataclass, field

import botocore.auth
import botocore.awsrequest
import botocore.credentials

REGION = "us-east-1"


@dataclass(frozen=True)
class Key:
    """An access key."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass
class Signer:
    """Signs requests of one service to one endpoint; the time is taken when it is made."""

    key: Key
    service: str
    host: str
    """Host and port, as the Host header has them."""

    def __post_init__(self) -> None:
        self.stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.stamp[:8]}/{REGION}/{self.service}/aws4_request"
        secret = b"AWS4" + self.key.secret_access_key.encode()
        for part in self.scope.split("/"):
            secret = hmac.digest(secret, part.encode(), "sha256")
        self._secret = secret

    def head(self, method: str, path: str, headers: dict[str, str], digest: str, length: int) -> bytes:
        """The request line and headers. `path` needs no escaping; `headers` are lower-case; `digest` is the body's."""
        signed = {"host": self.host, "x-amz-date": self.stamp, **headers}
        if self.service == "s3":
            signed["x-amz-content-sha256"] = digest
        names = sorted(signed)
        listed = ";".join(names)
        canonical = "\n".join(
            (method, path, "", *(f"{name}:{signed[name]}" for name in names), "", listed, digest),
        )
        to_sign = "\n".join(
            ("AWS4-HMAC-SHA256", self.stamp, self.scope, hashlib.sha256(canonical.encode()).hexdigest()),
        )
        signature = hmac.digest(self._secret, to_sign.encode(), "sha256").hex()
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in signed.items()),
            f"content-length: {length}",
            (
                f"authorization: AWS4-HMAC-SHA256 Credential={self.key.access_key_id}/{self.scope}, "
                f"SignedHeaders={listed}, Signature={signature}"
            ),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def agrees_with_botocore() -> bool:
    """Whether both make the same signature for the same request at the same moment."""
    key = Key("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    body = b'{"TableName":"locks"}'
    digest = hashlib.sha256(body).hexdigest()
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.GetItem"}
    signer = Signer(key, "dynamodb", "127.0.0.1:8000")
    ours = signer.head("POST", "/", headers, digest, len(body)).decode()
    request = botocore.awsrequest.AWSRequest("POST", "http://127.0.0.1:8000/", data=body, headers=headers)
    request.context["timestamp"] = signer.stamp
    request.headers["X-Amz-Date"] = signer.stamp
    theirs = botocore.auth.SigV4Auth(
        botocore.credentials.Credentials(key.access_key_id, key.secret_access_key), "dynamodb", REGION
    )
    canonical = theirs.canonical_request(request)
    signature = theirs.signature(theirs.string_to_sign(request, canonical), request)
    return ours.rstrip().endswith(f"Signature={signature}")
