"""Requests that nobody's client sends: a good one, changed in a few places by somebody who means harm, and signed anew.

Pure: a good request and dice in, another request out. What is changed is the method, the path, the query, the headers and
the body, each in the form that its protocol reads, so that the change comes as deep as it can.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote_from_bytes

from lockhouse.protocols.aws.sigv4 import ALGORITHM, Parts, canonical_request, signing_key
from lockhouse.protocols.aws.sigv4 import _header_scope as scope_of
from lockhouse.protocols.web import Headers
from tests.wire.access.world import Person, Sent

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "LOCK", "UNLOCK", "OPTIONS", "TRACE", "PROPFIND")
TEXTS = (
    b"", b"%00", b"%ff", b"%c3%28", b"%ed%a0%80", b"..", b".", b"%2e%2e", b"%2f", b"%5c", b"%", b"%zz", b"+", b"*", b"null",
    b"-1", b"0", b"1e400", b"NaN", b"99999999999999999999999999", b"1.5", b"true", b"'", b'"', b"<x>", b"{id}", b"{", b"a" * 300,
    b"a" * 5000, "ä𝄞".encode(), "\u202e".encode(), b"ws-", b"sv-x.y.z", b"team-", b"tws-.", b"at-", b"wsout-", b"prj-", b"user-", b"undefined",
    b"2026-13-45T99:99:99Z", b"acme", b"app.tfstate", b"app.tfstate.tflock", b"app.tfstate-md5", b"-md5", b".tflock", b"env:/", b"__proto__",
    b"==", b"AAAA", b"bytes=5-1", b"bytes=-0", b"bytes=0-,1-2", b"chunked", b"gzip", b"\xff\xfe", b"multipart/form-data; boundary=",
    b"application/x-www-form-urlencoded", b"application/json; charset=utf-16",
)  # fmt: skip
VALUES = (
    None, True, False, 0, -1, 1.5, 10**30, 2**63, -(2**63) - 1, 1e308, "", "a", "\x00", "\ud800", "ä", "a" * 300, "x" * 70_000, "../..", "9" * 400, "NaN",
    [], {}, [None], [[]], [{}], {"": None}, {"a": {"b": {"c": []}}}, {"S": 1}, {"N": "x"}, {"B": "!"}, {"M": []}, {"L": {}}, {"NULL": False},
    {"S": "acme/app.tfstate"}, {"SS": []}, {"data": []}, {"data": {"attributes": None}}, "2026-01-01T00:00:00Z", "https://[::1]:99999/", "file:///etc/passwd",
    "http://169.254.169.254/", "acme/", "*", "SET #a = :b", "attribute_exists(", "size(a) > :b AND", "if_not_exists(a, :b) +",
    *(f"{base64.urlsafe_b64encode(each).decode().rstrip('=')}.e30.AAAA" for each in (b"[" * 9000, b'{"alg":"RS256","x":' + b"[" * 9000, b'{"alg":1}', b"null")),
)  # fmt: skip
RAW = (
    b"", b" ", b"{", b"[", b"null", b"[]", b"{}", b'""', b"0", b"\xff", b"\x00" * 10, b"[" * 5000, b'{"a":' * 3000, b"{}{}", b'{"a":1,"a":2}', b"\xef\xbb\xbf{}",
    b'{"a":"\\ud800"}', b'{"a":1e999}', b"<", b"<a>", b"<a/>", b"<Delete><Object/></Delete>", b"<Delete><Object><Key/></Object></Delete>",
    b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"<a>" * 3000, b"<Tagging><TagSet><Tag/></TagSet></Tagging>", b"<?xml version='1.0' encoding='utf-16'?><a/>",
    b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part></CompleteMultipartUpload>",
    b"<CompleteMultipartUpload><Part><PartNumber>99999999999999999999</PartNumber><ETag/></Part></CompleteMultipartUpload>",
    b"a=b", b"&&&", b"Action", b"Action=%ff", b"Action=AssumeRole&RoleArn=%00", b"=" * 100, b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"0\r\n\r\n",
    b'{"version":4,"serial":-1}', b'{"version":4,"serial":1e30,"lineage":{}}', b'{"version":99}', b'{"serial":1,"lineage":"x","encrypted_data":1,"meta":[]}',
    b'{"ID":1}', b'{"ID":"\\u0000"}', b"{" + b'"a":1,' * 20_000 + b'"b":2}',
)  # fmt: skip
NAMES = (
    b"range", b"if-none-match", b"if-match", b"if-modified-since", b"if-unmodified-since", b"content-type", b"content-md5", b"content-encoding", b"expect", b"accept", b"cookie",
    b"origin", b"content-length", b"transfer-encoding", b"x-amz-copy-source", b"x-amz-copy-source-range", b"x-amz-copy-source-if-match", b"x-amz-target",
    b"x-amz-checksum-crc32", b"x-amz-checksum-sha256", b"x-amz-checksum-type", b"x-amz-sdk-checksum-algorithm", b"x-amz-trailer", b"x-amz-decoded-content-length", b"x-amz-tagging", b"x-amz-meta-a",
    b"x-amz-acl", b"x-amz-object-lock-mode", b"x-amz-server-side-encryption", b"x-amz-storage-class", b"x-amz-expected-bucket-owner", b"x-amz-metadata-directive",
    b"x-amz-part-number", b"x-amz-bypass-governance-retention", b"x-http-method-override", b"x-forwarded-for", b"forwarded", b"terraform-version", b"user-agent", b"amz-sdk-invocation-id",
    b"amz-sdk-request", b"accept-encoding", b"sec-fetch-site", b"idempotency-key",
)  # fmt: skip
QUERIES = (
    b"key", b"version", b"versionId", b"prefix", b"delimiter", b"marker", b"start-after", b"continuation-token", b"max-keys", b"max-uploads", b"max-parts", b"key-marker", b"version-id-marker",
    b"upload-id-marker", b"part-number-marker", b"uploadId", b"partNumber", b"uploads", b"versions", b"delete", b"tagging", b"acl", b"encoding-type", b"response-content-type",
    b"list-type", b"ID", b"serial", b"reason", b"after", b"before", b"limit", b"days", b"force", b"deleted", b"kind", b"user", b"all", b"about", b"root", b"next", b"state", b"code", b"error",
    b"page%5Bnumber%5D", b"page%5Bsize%5D", b"filter%5Borganization%5D%5Bname%5D", b"filter%5Btagged%5D%5B0%5D%5Bkey%5D", b"search%5Bname%5D", b"search%5Btags%5D",
    b"include", b"sort", b"q", b"x-id", b"namespace", b"since", b"until", b"outcome", b"action", b"principal", b"after_namespace", b"after_key",
)  # fmt: skip


@dataclass(frozen=True)
class Good:
    """A request as it should be, before it is signed. `service`: of AWS, or empty."""

    sent: Sent
    service: str = ""


def spoiled(good: Good, dice: random.Random) -> Sent:
    """The request, changed in one to three places."""
    sent = good.sent
    for _ in range(dice.choice((1, 1, 2, 3))):
        sent = dice.choice(_CHANGES)(sent, dice)
    return sent


def _method(sent: Sent, dice: random.Random) -> Sent:
    return replace(sent, method=dice.choice(METHODS))


def _path(sent: Sent, dice: random.Random) -> Sent:
    parts = sent.path.split(b"/")
    at = dice.randrange(1, len(parts))
    match dice.randrange(4):
        case 0:
            parts.insert(at, dice.choice(TEXTS))
        case 1 if len(parts) > 2:
            del parts[at]
        case _:
            parts[at] = dice.choice(TEXTS)
    return replace(sent, path=_line(b"/".join(parts)) or b"/")


def _query(sent: Sent, dice: random.Random) -> Sent:
    pairs = sent.query.split(b"&") if sent.query else []
    value = dice.choice((b"", b"=")) + dice.choice(TEXTS)
    if pairs and dice.random() < 0.5:
        at = dice.randrange(len(pairs))
        pairs[at] = pairs[at].partition(b"=")[0] + b"=" + dice.choice(TEXTS)
    else:
        pairs.append(dice.choice(QUERIES) + value)
    return replace(sent, query=_line(b"&".join(pairs)))


def _line(raw: bytes) -> bytes:
    """Without what ends a word of the request line: that never comes through the edge."""
    return quote_from_bytes(raw, safe="".join(chr(each) for each in range(0x21, 0x7F))).encode()


def _header(sent: Sent, dice: random.Random) -> Sent:
    name = dice.choice((*NAMES, *(name for name, _ in sent.headers if name not in (b"authorization", b"host"))))
    kept = tuple(pair for pair in sent.headers if pair[0] != name or dice.random() < 0.1)
    return replace(sent, headers=(*kept, (name, dice.choice(TEXTS))))


def _body(sent: Sent, dice: random.Random) -> Sent:
    if dice.random() < 0.25 or not sent.body:
        return replace(sent, body=dice.choice(RAW))
    if dice.random() < 0.15:
        return replace(sent, body=sent.body[: dice.randrange(len(sent.body))])
    try:
        document = json.loads(sent.body)
    except (ValueError, RecursionError):
        return replace(sent, body=_bytes(sent.body, dice))
    return replace(sent, body=json.dumps(_node(document, dice)).encode())


def _bytes(raw: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(raw))
    return raw[:at] + dice.choice((*TEXTS, b"&", b"<", b">", b"\r\n")) + raw[at + dice.randrange(3) :]


def _node(value: object, dice: random.Random) -> object:
    """The document with one value in it replaced, left out or named otherwise."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        name = dice.choice(list(value))
        match dice.randrange(8):
            case 0:
                return {each: value[each] for each in value if each != name}
            case 1:
                return value | {
                    dice.choice(("", "a", "\x00", "Key", "ConditionExpression", "id", "a" * 300)): value[name]
                }
            case _:
                return value | {name: _node(value[name], dice)}
    if isinstance(value, list) and value and dice.random() < 0.8:
        at = dice.randrange(len(value))
        return [*value[:at], _node(value[at], dice), *value[at + 1 :]] * dice.choice((1, 1, 1, 30))
    return dice.choice(VALUES)


_CHANGES: tuple[Callable[[Sent, random.Random], Sent], ...] = (
    _method,
    _path,
    _path,
    _query,
    _query,
    _header,
    _body,
    _body,
    _body,
)


def signed(sent: Sent, who: Person, service: str) -> Sent:
    """Signed over what it is, however strange; so a handler is reached."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    fields = [(name, value) for name, value in sent.headers if name not in (b"authorization", b"x-amz-date")]
    fields.append((b"x-amz-date", stamp.encode()))
    digest = hashlib.sha256(sent.body).hexdigest()
    if service == "s3":
        fields = [pair for pair in fields if pair[0] != b"x-amz-content-sha256"]
        fields.append((b"x-amz-content-sha256", digest.encode()))
    names = ";".join(sorted({name.decode() for name, _ in fields}))
    listed = f"Credential={who.key}/{stamp[:8]}/us-east-1/{service}/aws4_request, SignedHeaders={names}, "
    scope = scope_of(listed)
    text = canonical_request(scope, Parts(sent.method, sent.path, sent.query, Headers(fields)), digest)
    whole = f"{ALGORITHM}\n{stamp}\n{scope.text}\n{hashlib.sha256(text).hexdigest()}"
    key = signing_key(who.secret.encode(), stamp[:8], "us-east-1", service)
    signature = hmac.digest(key, whole.encode(), "sha256").hex()
    authorization = f"{ALGORITHM} {listed}Signature={signature}".encode()
    return replace(sent, headers=(*fields, (b"authorization", authorization)))
