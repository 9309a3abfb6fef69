"""Requests in every form that AWS clients sign, each of which the server grants as it is.

Signed by botocore in the header or in the query; bodies under their hash, unsigned, in signed chunks, and with trailers
(Amazon S3 API, "Signature calculations: transferring payload in multiple chunks", and the same with trailing headers).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import unquote_to_bytes

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lockhouse.protocols.aws.sigv4 import EMPTY_SHA256, PayloadMode, signing_key
from tests.wire.access.world import KEY, NAMESPACE, TABLE, Sent

HOST = "lock.test"
REGION = "us-east-1"
BODY = b"notes of nobody in particular, in several chunks\n" * 3
NOTES = f"/{NAMESPACE}/notes.txt"
CHUNK = 64


@dataclass(frozen=True)
class Shape:
    """One form of request. `framed`: its body is in chunks, and `BODY` is what it means."""

    name: str
    sent: Sent
    framed: bool = False


@dataclass(frozen=True)
class Who:
    key: str
    secret: str
    token: str = ""

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.key, self.secret, self.token or None)


class _Stated(S3SigV4Auth):
    """Signs a payload mode instead of a body's hash."""

    mode = ""

    def payload(self, request: AWSRequest) -> str:
        return self.mode


def in_header(
    who: Who,
    method: str,
    path: str,
    body: bytes = b"",
    headers: tuple[tuple[str, str], ...] = (),
    service: str = "s3",
    mode: str = "",
) -> Sent:
    """A request that is signed in its header. `mode`: instead of the hash of its body."""
    request = AWSRequest(method, f"https://{HOST}{path}", data=body, headers=dict(headers))
    if mode:
        request.headers["X-Amz-Content-SHA256"] = mode
        signer = _Stated(who.credentials, service, REGION)
        signer.mode = mode
        SigV4Auth.add_auth(signer, request)
        del request.headers["X-Amz-Content-SHA256"]
        request.headers["X-Amz-Content-SHA256"] = mode
    else:
        (S3SigV4Auth if service == "s3" else SigV4Auth)(who.credentials, service, REGION).add_auth(request)
    return _sent(request, path, body)


def in_query(who: Who, path: str) -> Sent:
    request = AWSRequest("GET", f"https://{HOST}{path}")
    S3SigV4QueryAuth(who.credentials, "s3", REGION, expires=900).add_auth(request)
    return _sent(request, request.url.removeprefix(f"https://{HOST}"), b"")


def _sent(request: AWSRequest, target: str, body: bytes) -> Sent:
    fields = {name.lower(): str(value) for name, value in request.headers.items()} | {"host": HOST}
    if body:
        fields["content-length"] = str(len(body))
    path, _, query = target.partition("?")
    raw = tuple((name.encode(), value.encode()) for name, value in fields.items())
    return Sent(request.method, path.encode(), query.encode(), raw, body)


def in_chunks(who: Who, path: str, mode: PayloadMode, *, trailer: bool) -> Sent:
    """A PUT of `BODY` in chunks, signed or not, with or without its checksum behind it."""
    checksum = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
    headers = (
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", str(len(BODY))),
        *((("x-amz-trailer", "x-amz-checksum-crc32"),) if trailer else ()),
    )
    sent = in_header(who, "PUT", path, b"", headers, mode=mode.value)
    fields = dict(sent.headers)
    seal = _Seal(who, fields) if mode is not PayloadMode.UNSIGNED_TRAILER else None
    wire = b""
    for chunk in [*(BODY[at : at + CHUNK] for at in range(0, len(BODY), CHUNK)), b""]:
        wire += b"%x" % len(chunk)
        wire += b";chunk-signature=" + seal.chunk(chunk) if seal is not None else b""
        wire += b"\r\n" + (chunk + b"\r\n" if chunk else b"")
    if trailer:
        line = f"x-amz-checksum-crc32:{checksum}"
        wire += line.encode() + b"\r\n"
        if seal is not None:
            wire += b"x-amz-trailer-signature:" + seal.trailer(line + "\n") + b"\r\n"
    wire += b"\r\n"
    return replace(sent, headers=(*sent.headers, (b"content-length", str(len(wire)).encode())), body=wire)


class _Seal:
    """The chain of signatures of chunks."""

    def __init__(self, who: Who, fields: dict[bytes, bytes]) -> None:
        authorization = fields[b"authorization"].decode()
        self._stamp = fields[b"x-amz-date"].decode()
        self._scope = f"{self._stamp[:8]}/{REGION}/s3/aws4_request"
        self._key = signing_key(who.secret.encode(), self._stamp[:8], REGION, "s3")
        self._before = authorization.rpartition("Signature=")[2]

    def chunk(self, data: bytes) -> bytes:
        return self._next("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_SHA256}\n{hashlib.sha256(data).hexdigest()}")

    def trailer(self, canonical: str) -> bytes:
        return self._next("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(canonical.encode()).hexdigest())

    def _next(self, kind: str, rest: str) -> bytes:
        text = f"{kind}\n{self._stamp}\n{self._scope}\n{self._before}\n{rest}"
        self._before = hmac.digest(self._key, text.encode(), "sha256").hex()
        return self._before.encode()


def all_shapes(who: Who, session: Who) -> list[Shape]:
    """`session`: temporary credentials, with a token that is signed too. The server grants every one."""
    return list(_shapes(who, session))


def _shapes(who: Who, session: Who) -> Iterator[Shape]:
    state = f"/{NAMESPACE}/{KEY}"
    md5 = base64.b64encode(hashlib.md5(BODY).digest()).decode()
    yield Shape("header, session", in_header(session, "GET", state, headers=(("range", "bytes=0-99999"),)))
    yield Shape("header, query", in_header(who, "GET", f"/{NAMESPACE}?list-type=2&prefix=app&max-keys=100"))
    yield Shape("presigned", in_query(who, state))
    yield Shape("presigned, session", in_query(session, state))
    kind = (("content-type", "text/plain"), ("x-amz-meta-owner", "nobody"))
    yield Shape("header, hash", in_header(who, "PUT", NOTES, BODY, kind))
    unsigned = (("content-md5", md5),)
    yield Shape("header, unsigned body", in_header(who, "PUT", NOTES, BODY, unsigned, mode=PayloadMode.UNSIGNED.value))
    yield Shape("chunks, signed", in_chunks(who, NOTES, PayloadMode.CHUNKED, trailer=False), framed=True)
    yield Shape(
        "chunks and trailer, signed", in_chunks(who, NOTES, PayloadMode.CHUNKED_TRAILER, trailer=True), framed=True
    )
    yield Shape(
        "chunks and trailer, unsigned", in_chunks(session, NOTES, PayloadMode.UNSIGNED_TRAILER, trailer=True), True
    )
    upload = f"/{NAMESPACE}/parts.txt?partNumber=2&uploadId=upload-of-only-admin"
    yield Shape("chunks, signed, of a part", in_chunks(who, upload, PayloadMode.CHUNKED, trailer=False), framed=True)
    copied = (("x-amz-copy-source", state),)
    yield Shape("header, copy", in_header(who, "PUT", f"/{NAMESPACE}/copy.txt", headers=copied))
    yield Shape("header, delete", in_header(who, "DELETE", state))
    gone = f"<Delete><Object><Key>{KEY}</Key></Object></Delete>".encode()
    digest = (("content-md5", base64.b64encode(hashlib.md5(gone).digest()).decode()),)
    yield Shape("header, delete of several", in_header(who, "POST", f"/{NAMESPACE}?delete", gone, digest))
    lock = b'{"ID":"mine","Operation":"OperationTypeApply","Who":"me@here"}'
    only = (("if-none-match", "*"),)
    yield Shape("header, lock object", in_header(who, "PUT", f"{state}.tflock", lock, only))
    item = {"LockID": {"S": f"{NAMESPACE}/{KEY}"}, "Info": {"S": lock.decode()}}
    put = json.dumps({"TableName": TABLE, "Item": item, "ConditionExpression": "attribute_not_exists(LockID)"}).encode()
    yield Shape("table, lock item", in_header(who, "POST", "/", put, _target("PutItem"), "dynamodb"))
    get = json.dumps({"TableName": TABLE, "Key": {"LockID": {"S": f"{NAMESPACE}/{KEY}-md5"}}}).encode()
    yield Shape("table, session", in_header(session, "POST", "/", get, _target("GetItem"), "dynamodb"))
    form = (("content-type", "application/x-www-form-urlencoded"),)
    for service, action in (("sts", "GetCallerIdentity&Version=2011-06-15"), ("iam", "GetUser&Version=2010-05-08")):
        yield Shape(service, in_header(who, "POST", "/", f"Action={action}".encode(), form, service))


def _target(action: str) -> tuple[tuple[str, str], ...]:
    return ("x-amz-target", f"DynamoDB_20120810.{action}"), ("content-type", "application/x-amz-json-1.0")


def meaning(sent: Sent) -> object:
    """What a request's head says, apart from spellings of the same thing."""
    fields = sorted((name, b" ".join(value.split(b" "))) for name, value in sent.headers)
    pairs = sorted(
        (unquote_to_bytes(name), unquote_to_bytes(value))
        for name, _, value in (piece.partition(b"=") for piece in sent.query.split(b"&") if piece)
    )
    return sent.method, unquote_to_bytes(sent.path), pairs, [(name, value.strip(b" \t")) for name, value in fields]
