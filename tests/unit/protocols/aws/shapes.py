"""Requests that botocore signs, and the known ways around a signature: for the gate's parts and for the whole gate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lockhouse.errors import (
    AccessDenied,
    Problem,
    RequestInvalid,
    SignatureMalformed,
    SignatureMismatch,
    SignatureMissing,
    SignatureUnsupported,
)
from lockhouse.protocols.aws.sigv4 import Parts
from lockhouse.protocols.web import Headers


def parts_of(request):
    rest = request.url.split("://", 1)[1]
    host, _, target = rest.partition("/")
    path, _, query = ("/" + target).partition("?")
    headers = [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()]
    if not any(name == b"host" for name, _ in headers):
        headers.insert(0, (b"host", host.encode()))
    return Parts(request.method, path.encode(), query.encode(), Headers(headers))


def with_headers(parts, *changed, drop=()):
    names = {name for name, _ in changed}
    raw = [(name, value) for name, value in parts.headers.raw if name not in names and name.decode() not in drop]
    return Parts(parts.method, parts.raw_path, parts.raw_query, Headers([*raw, *changed]))


@dataclass(frozen=True)
class Signing:
    """Whoever signs, and an object that there is."""

    key_id: str = "LHAKEXAMPLE0000000001"
    secret: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    host: str = "127.0.0.1:7373"
    path: str = "/tfs/app.tfstate"

    @property
    def url(self) -> str:
        return f"http://{self.host}{self.path}"

    def signed(
        self,
        method="GET",
        url="",
        body=b"",
        headers=(),
        service="s3",
        token=None,
        region="eu-west-1",
        secret="",
    ):
        request = AWSRequest(method=method, url=url or self.url, data=body, headers=dict(headers))
        auth = (S3SigV4Auth if service == "s3" else SigV4Auth)(
            Credentials(self.key_id, secret or self.secret, token), service, region
        )
        auth.add_auth(request)
        return parts_of(request)

    def presigned(self, method="GET", url="", expires=60, token=None, headers=()):
        request = AWSRequest(method=method, url=url or self.url, headers=dict(headers))
        S3SigV4QueryAuth(Credentials(self.key_id, self.secret, token), "s3", "us-east-1", expires=expires).add_auth(
            request
        )
        return parts_of(request)

    def bypass_shapes(self) -> Iterator[tuple[str, Parts, type[Problem]]]:
        """(name, request, problem): each is refused with this problem."""
        good = self.signed()
        put = self.signed("PUT", body=b"state")
        there = self.presigned()
        bucket = good.raw_path.split(b"/")[1]
        other, dotted = b"/%s/other.tfstate" % bucket, good.raw_path.replace(b"%s/" % bucket, b"%s/x/../" % bucket)
        authorization = dict(good.headers.raw)[b"authorization"]

        def path(parts, raw_path):
            return Parts(parts.method, raw_path, parts.raw_query, parts.headers)

        def query(parts, raw_query, headers=None):
            return Parts(parts.method, parts.raw_path, raw_query, headers or parts.headers)

        def auth(old, new):
            assert old in authorization
            return with_headers(good, (b"authorization", authorization.replace(old, new)))

        credential = f"X-Amz-Credential={self.key_id}%2F20260101%2Fus-east-1%2Fs3%2Faws4_request".encode()
        yield "no signature at all", with_headers(good, drop=("authorization",)), SignatureMissing
        yield (
            "credentials only in the query (MinIO, unsigned trailers)",
            query(
                with_headers(
                    put, (b"x-amz-content-sha256", b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"), drop=("authorization",)
                ),
                credential,
            ),
            Problem,
        )
        yield "credentials in the query beside a header signature", query(good, credential), SignatureMalformed
        yield (
            "credentials in another case beside a header signature",
            query(good, credential.lower()),
            SignatureMalformed,
        )
        yield "escaped credentials beside a header signature", query(good, b"X%2dAmz-Credential=x"), SignatureMalformed
        yield "header and query signed", Parts("GET", there.raw_path, there.raw_query, good.headers), SignatureMalformed
        yield (
            "unsigned trailer mode put into a signed request",
            with_headers(put, (b"x-amz-content-sha256", b"STREAMING-UNSIGNED-PAYLOAD-TRAILER")),
            SignatureMismatch,
        )
        yield (
            "unsigned payload put into a signed request",
            with_headers(put, (b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD")),
            SignatureMismatch,
        )
        yield "payload hash left out", with_headers(put, drop=("x-amz-content-sha256",)), RequestInvalid
        yield "unknown payload mode", with_headers(put, (b"x-amz-content-sha256", b"STREAMING-NOTHING")), RequestInvalid
        yield "payload hash in capitals", with_headers(put, (b"x-amz-content-sha256", b"A" * 64)), RequestInvalid
        yield "host not signed", auth(b"SignedHeaders=host;", b"SignedHeaders="), SignatureMalformed
        yield (
            "unsigned x-amz header added",
            with_headers(good, (b"x-amz-copy-source", b"/other/secret")),
            SignatureMalformed,
        )
        yield (
            "second host",
            Parts("GET", good.raw_path, b"", Headers([*good.headers.raw, (b"host", b"evil")])),
            SignatureMalformed,
        )
        yield (
            "second date",
            Parts("GET", good.raw_path, b"", Headers([*good.headers.raw, (b"x-amz-date", b"20200101T000000Z")])),
            SignatureMalformed,
        )
        yield (
            "second authorization",
            Parts("GET", good.raw_path, b"", Headers([(b"authorization", authorization), *good.headers.raw])),
            SignatureMalformed,
        )
        yield (
            "second content hash",
            Parts(
                "GET", good.raw_path, b"", Headers([(b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"), *good.headers.raw])
            ),
            SignatureMalformed,
        )
        yield "other method", Parts("DELETE", good.raw_path, b"", good.headers), SignatureMismatch
        yield "other path", path(good, other), SignatureMismatch
        yield "doubled slash", path(good, b"/" + good.raw_path), SignatureMismatch
        yield "dotted path", path(good, dotted), SignatureMismatch
        yield "query added", query(good, b"versionId=1"), SignatureMismatch
        yield "other algorithm", auth(b"AWS4-HMAC-SHA256", b"AWS4-HMAC-SHA1"), SignatureUnsupported
        yield "asymmetric algorithm", auth(b"AWS4-HMAC-SHA256", b"AWS4-ECDSA-P256-SHA256"), SignatureUnsupported
        yield "version 2 header", with_headers(good, (b"authorization", b"AWS LHAK:c2ln")), SignatureUnsupported
        yield (
            "version 2 query",
            query(with_headers(good, drop=("authorization",)), b"AWSAccessKeyId=a&Expires=9&Signature=x"),
            SignatureUnsupported,
        )
        yield "version 2 query beside a header", query(good, b"AWSAccessKeyId=a&Signature=x"), SignatureMalformed
        yield "bearer token", with_headers(good, (b"authorization", b"Bearer x")), SignatureMissing
        yield "empty signature", auth(authorization[-64:], b""), SignatureMalformed
        yield "short signature", auth(authorization[-64:], authorization[-64:-1]), SignatureMalformed
        yield "signature in capitals", auth(authorization[-64:], b"A" * 64), SignatureMalformed
        yield "zero signature", auth(authorization[-64:], b"0" * 64), SignatureMismatch
        yield (
            "signature twice",
            auth(b", Signature=", b", Signature=" + b"0" * 64 + b", Signature="),
            SignatureMalformed,
        )
        yield "other region", auth(b"eu-west-1", b"eu-west-2"), SignatureMismatch
        yield "other service", auth(b"/s3/", b"/iam/"), Problem
        yield "scope without its end", auth(b"/aws4_request", b""), SignatureMalformed
        yield "scope with another end", auth(b"/aws4_request", b"/aws4_Request"), SignatureMalformed
        yield "presigned write", Parts("PUT", there.raw_path, there.raw_query, there.headers), AccessDenied
        yield "presigned delete", Parts("DELETE", there.raw_path, there.raw_query, there.headers), AccessDenied
        yield "presigned for too long", self.presigned(expires=604801), SignatureMalformed
        yield "presigned for no time", self.presigned(expires=0), SignatureMalformed
        yield (
            "presigned for minus one second",
            query(there, there.raw_query.replace(b"X-Amz-Expires=60", b"X-Amz-Expires=-1")),
            SignatureMalformed,
        )
        yield (
            "presigned, longer than signed",
            query(there, there.raw_query.replace(b"X-Amz-Expires=60", b"X-Amz-Expires=600")),
            SignatureMismatch,
        )
        yield "presigned, parameter twice", query(there, there.raw_query + b"&X-Amz-Expires=600"), SignatureMalformed
        yield (
            "presigned, parameter twice in another case",
            query(there, there.raw_query + b"&x-amz-expires=600"),
            SignatureMalformed,
        )
        yield (
            "presigned with an unsigned x-amz header",
            with_headers(there, (b"x-amz-server-side-encryption-customer-key", b"x")),
            SignatureMalformed,
        )
        yield (
            "presigned with a streaming body",
            with_headers(there, (b"x-amz-content-sha256", b"STREAMING-UNSIGNED-PAYLOAD-TRAILER")),
            Problem,
        )
        yield "presigned, another object", path(there, other), SignatureMismatch
        yield "presigned, another version", query(there, there.raw_query + b"&versionId=1"), SignatureMismatch
