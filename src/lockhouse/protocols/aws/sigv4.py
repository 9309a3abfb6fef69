"""Signature Version 4: is this request what the holder of that secret signed? One code path, deny by default.

A request makes a *claim* in its Authorization header or in its query, never in both. `read_claim` checks all that needs
no secret (form, scope, clock, which fields are covered); `verify` checks the signature over the request exactly as it
came. A `Verified` can only come from `verify`: what needs an authenticated request takes one, so that no handler can
forget the check. Nothing here knows who the credential belongs to, what the operation is, or the time but as `now`.

Always covered: method, path, query, host, every `x-amz-*` header and the payload's hash, or a mode in which the body is
proved while it is read (`payload`). Specification: AWS General Reference, "Signature Version 4 signing process", and
Amazon S3 API, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from urllib.parse import quote, unquote_to_bytes

import msgspec

from lockhouse.errors import (
    AccessDenied,
    RequestInvalid,
    SignatureExpired,
    SignatureMalformed,
    SignatureMismatch,
    SignatureMissing,
    SignatureSkewed,
    SignatureUnsupported,
)
from lockhouse.protocols.web import Headers, split_query

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW_SECONDS = 15 * 60
MAX_EXPIRES_SECONDS = 7 * 24 * 3600
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

_TERMINATOR = "aws4_request"
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_ACCESS_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SCOPE_WORD = re.compile(r"[A-Za-z0-9-]{1,64}")
_TIMESTAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_HEX_DIGITS = b"0123456789abcdef"
_HEADER_NAME = re.compile(r"[a-z0-9!#$&'*+.^_`|~-]+")
_ESCAPED = rb"%(?:[01][0-9A-F]|2[0-9A-C]|3[A-F]|40|5[B-E]|60|7[BCDF]|[89A-F][0-9A-F])"
# Possessive, so that a long word with one other byte in it is told in one pass: without the `+` behind a quantifier the
# time doubles with each byte, before any signature is known to be right.
_CANONICAL_PATH = re.compile(rb"(?:[A-Za-z0-9/._~-]++|" + _ESCAPED + rb")*+")
_CANONICAL_WORD = re.compile(rb"(?:[A-Za-z0-9._~-]++|%2F|" + _ESCAPED + rb")*+")
_MAX_KEPT_SCOPE = 1024
_QUERY_FIELDS = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-signedheaders",
        "x-amz-signature",
        "x-amz-security-token",
    }
)
_VERSION_2_FIELDS = frozenset({"awsaccesskeyid", "signature"})
_SINGLE_FIELDS = ("authorization", "host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token")


class PayloadMode(StrEnum):
    """How the body is bound to the signature: the value of x-amz-content-sha256, or a rule where it is absent."""

    WHOLE = "whole body"
    """The body's SHA-256 is part of the signed text, and the request does not say it: read the body first."""
    HASH = "sha256"
    """As before, and the request says the hash: it is compared when the body has been read."""
    UNSIGNED = "UNSIGNED-PAYLOAD"
    UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    CHUNKED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    CHUNKED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"


_WHOLE, _HASH = PayloadMode.WHOLE, PayloadMode.HASH
"""Names of their own: to look a member up in its enumeration costs as much as a call (Python 3.11)."""
_STATED_MODES = {
    mode.value: mode
    for mode in (PayloadMode.UNSIGNED, PayloadMode.UNSIGNED_TRAILER, PayloadMode.CHUNKED, PayloadMode.CHUNKED_TRAILER)
}


class Parts(msgspec.Struct, frozen=True, gc=False):
    """The signed side of a request, exactly as it came."""

    method: str
    raw_path: bytes
    raw_query: bytes
    headers: Headers


class Scope(msgspec.Struct, frozen=True, gc=False):
    """Who signs, for what, and which fields: the same for all requests of one client on one day, so it is kept."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[bytes, ...]
    signed_set: frozenset[bytes]
    values: Callable[[Mapping[bytes, bytes]], tuple[bytes, ...]]
    """Those of the signed fields, in the order of their names."""
    form: bytes
    """The signed text: to be filled with method, path, query, these values and the payload's hash."""
    text: str
    """`DATE/REGION/SERVICE/aws4_request`."""


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What a request says of its signature: well formed, in time, and not yet verified."""

    scope: Scope
    timestamp: str
    """`YYYYMMDDTHHMMSSZ`, as signed."""
    signature: str
    mode: PayloadMode
    payload: str
    """What stands for the body in the signed text; empty for `PayloadMode.WHOLE`."""
    session_token: str
    presigned: bool

    @property
    def access_key_id(self) -> str:
        return self.scope.access_key_id

    @property
    def service(self) -> str:
        return self.scope.service


class Verified(msgspec.Struct, frozen=True, gc=False):
    """A request that the holder of this credential's secret has signed. Made by `verify` alone."""

    access_key_id: str
    region: str
    service: str
    mode: PayloadMode
    payload_sha256: str
    """For `HASH` and `WHOLE`: what the body must hash to, lower-case hex. Empty in all other modes."""
    presigned: bool
    timestamp: str
    scope: str
    signature: str
    """The seed of the chunk signatures."""
    signing_key: bytes


def claims_signature(headers: Headers, raw_query: bytes) -> bool:
    """Whether a request is meant for an AWS protocol: it carries any AWS signature, whatever that is worth."""
    authorization = headers.first.get(b"authorization")
    if authorization is not None and authorization.startswith(b"AWS"):
        return True
    return bool(raw_query) and _signature_fields(raw_query) != (False, False)


def read_claim(parts: Parts, now: float) -> Claim:
    """The request's claim, complete and in time. `now`: seconds since 1970.

    Errors: `signature.missing`, `signature.unsupported` (version 2, 4A), `signature.malformed`, `signature.skewed`,
    `signature.expired`, `access.denied` (presigned, and not a read), `request.invalid` (payload mode).
    """
    headers = parts.headers
    in_query, version_2 = _signature_fields(parts.raw_query) if parts.raw_query else (False, False)
    given = headers.first.get(b"authorization")
    authorization = None if given is None else given.decode("latin-1")
    if authorization is not None and (in_query or version_2):
        raise SignatureMalformed("cannot take a signature from the header and from the query at once", place="header")
    if version_2 or (authorization is not None and authorization.startswith("AWS ")):
        raise SignatureUnsupported(
            "cannot accept Signature Version 2: sign with AWS4-HMAC-SHA256",
            hint="aws configure set default.s3.signature_version s3v4",
        )
    if len(headers.first) != len(headers.raw):
        for name in _SINGLE_FIELDS:
            if len(headers.all(name)) > 1:
                raise SignatureMalformed(f"cannot accept the header {name} twice", place="header")
    if in_query:
        claim = _from_query(parts, now)
    elif authorization is not None:
        claim = _from_header(parts, authorization, now)
    else:
        raise SignatureMissing("cannot serve an unsigned request here", hint="send it with AWS credentials")
    _check_coverage(claim, headers)
    return claim


def verify(claim: Claim, parts: Parts, secret: bytes, body_sha256: str = "") -> Verified:
    """The verified request, or SignatureMismatch (`signature.mismatch`).

    `secret` is the secret access key of `claim.access_key_id`; `body_sha256` is needed where the mode is `WHOLE`, as
    lower-case hex of the body that was read.
    """
    payload, mode = claim.payload, claim.mode
    if mode is _WHOLE:
        if not body_sha256:
            raise ValueError("the hash of the whole body is needed")
        payload = body_sha256
    scope = claim.scope
    digest = hashlib.sha256(canonical_request(scope, parts, payload)).hexdigest()
    text = f"{ALGORITHM}\n{claim.timestamp}\n{scope.text}\n{digest}"
    key = signing_key(secret, scope.date, scope.region, scope.service)
    inner, outer = _keyed(key)
    inner, outer = inner.copy(), outer.copy()
    inner.update(text.encode())
    outer.update(inner.digest())
    if not hmac.compare_digest(outer.hexdigest(), claim.signature):
        raise SignatureMismatch(
            "cannot accept this signature: it is not the one that the secret of this access key makes over the request "
            "as it arrived",
            hint="check the secret access key, and that no proxy rewrites Host, Accept-Encoding or Content-Length",
            access_key_id=scope.access_key_id,
        )
    return Verified(
        scope.access_key_id,
        scope.region,
        scope.service,
        mode,
        payload if mode is _WHOLE or mode is _HASH else "",
        claim.presigned,
        claim.timestamp,
        scope.text,
        claim.signature,
        key,
    )


@lru_cache(maxsize=1024)
def signing_key(secret: bytes, date: str, region: str, service: str) -> bytes:
    """The key of one day, region and service (32 bytes); deriving it costs as much as all the rest."""
    key = b"AWS4" + secret
    for word in (date, region, service, _TERMINATOR):
        key = hmac.digest(key, word.encode(), "sha256")
    return key


@lru_cache(maxsize=1024)
def _keyed(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    """HMAC-SHA-256 of this key (at most 64 bytes) before its message: the inner and the outer hash. To be copied.

    Source: RFC 2104. `hmac.digest` looks its algorithm up each time, which costs more than the hashing."""
    padded = key.ljust(64, b"\0")
    return hashlib.sha256(padded.translate(_INNER)), hashlib.sha256(padded.translate(_OUTER))


def canonical_request(scope: Scope, parts: Parts, payload: str) -> bytes:
    """The text that is hashed and signed."""
    headers, raw_path = parts.headers, parts.raw_path
    fields = headers.first
    if len(fields) == len(headers.raw):
        values = scope.values(fields)
        all_values = b"".join(values)
        if all_values.find(b" ") >= 0 or all_values.find(b"\t") >= 0:
            values = tuple(map(_trim, values))
    else:
        values = tuple(
            b",".join(_trim(field) for key, field in headers.raw if key == name) for name in scope.signed_headers
        )
    return scope.form % (
        parts.method.encode("ascii"),
        raw_path if raw_path == b"/" else _canonical_path(raw_path),
        _canonical_query(parts.raw_query) if parts.raw_query else b"",
        *values,
        payload.encode("ascii"),
    )


@lru_cache(maxsize=256)
def timestamp_seconds(text: str) -> float | None:
    """Seconds since 1970 of `YYYYMMDDTHHMMSSZ`, or None."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    try:
        return datetime(*map(int, match.groups()), tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc]
    except ValueError:
        return None


def _signature_fields(raw_query: bytes) -> tuple[bool, bool]:
    """Whether the query carries any field of a version 4 signature, and of a version 2 signature.

    The names are compared without case: a name that another parser could take for ours must not slip past this one.
    """
    lowered = raw_query.lower()
    if b"amz" not in lowered and b"%" not in lowered and b"ignature" not in lowered and b"accesskey" not in lowered:
        return False, False
    names = {name.lower() for name, _ in split_query(raw_query)}
    return not names.isdisjoint(_QUERY_FIELDS), not names.isdisjoint(_VERSION_2_FIELDS)


def _from_header(parts: Parts, authorization: str, now: float) -> Claim:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        if algorithm.startswith("AWS4-"):
            raise SignatureUnsupported(f"cannot accept {algorithm}: sign with {ALGORITHM}")
        raise SignatureMissing("cannot serve a request here that is not signed with AWS credentials")
    if rest[-74:-64] == "Signature=":
        listed, signature = rest[:-74], rest[-64:]
    else:
        listed, _, signature = rest.rpartition("Signature=")
    field = parts.headers.first.get
    timestamp = field(b"x-amz-date", b"").decode("latin-1")
    token = field(b"x-amz-security-token", b"").decode("latin-1")
    scope = _header_scope(listed) if len(listed) <= _MAX_KEPT_SCOPE else _header_scope.__wrapped__(listed)
    claim, signed_at = _claim(parts, scope, timestamp, signature, token, presigned=False)
    if abs(now - signed_at) > MAX_SKEW_SECONDS:
        raise _skewed(timestamp, now)
    return claim


def _from_query(parts: Parts, now: float) -> Claim:
    if parts.method not in ("GET", "HEAD"):
        raise AccessDenied(
            "cannot accept a presigned request that is not a read: sign it in its header",
            hint="let an AWS SDK or the AWS CLI sign it in the Authorization header",
        )
    fields: dict[str, str] = {}
    for name, value in split_query(parts.raw_query):
        lowered = name.lower()
        if lowered in _QUERY_FIELDS:
            if lowered in fields:
                raise SignatureMalformed(f"cannot accept the query parameter {lowered} twice", place="query")
            fields[lowered] = value
    missing = _QUERY_FIELDS - fields.keys() - {"x-amz-security-token"}
    if missing:
        raise SignatureMalformed(f"cannot do without the query parameter {min(missing)}", place="query")
    if fields["x-amz-algorithm"] != ALGORITHM:
        raise SignatureUnsupported(f"cannot accept this algorithm: sign with {ALGORITHM}")
    if "x-amz-security-token" in parts.headers:
        raise SignatureMalformed("cannot take a session token from a header of a presigned request", place="query")
    expires = fields["x-amz-expires"]
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 6):
        raise SignatureMalformed("cannot read X-Amz-Expires: 1 to 604800 seconds", place="query")
    seconds = int(expires)
    if not 1 <= seconds <= MAX_EXPIRES_SECONDS:
        raise SignatureMalformed("cannot accept X-Amz-Expires: 1 to 604800 seconds", place="query")
    timestamp = fields["x-amz-date"]
    claim, signed_at = _claim(
        parts,
        _scope(fields["x-amz-credential"], fields["x-amz-signedheaders"], "query"),
        timestamp,
        fields["x-amz-signature"],
        fields.get("x-amz-security-token", ""),
        presigned=True,
    )
    if claim.service != "s3":
        raise SignatureUnsupported("cannot accept a presigned request for anything but objects")
    if signed_at - now > MAX_SKEW_SECONDS:
        raise _skewed(timestamp, now)
    if now > signed_at + seconds:
        raise SignatureExpired("cannot serve this presigned address: it has expired")
    return claim


@lru_cache(maxsize=1024)
def _header_scope(listed: str) -> Scope:
    """The scope from `Credential=…, SignedHeaders=…, `: what stands before the signature in the header."""
    fields: dict[str, str] = {}
    for piece in listed.split(","):
        name, _, value = piece.strip(" ").partition("=")
        if name in fields:
            raise SignatureMalformed("cannot read the Authorization header", place="header")
        fields[name] = value
    if fields.keys() != {"Credential", "SignedHeaders", ""} or fields[""]:
        raise SignatureMalformed(
            "cannot read the Authorization header: it needs Credential, SignedHeaders and Signature", place="header"
        )
    return _scope(fields["Credential"], fields["SignedHeaders"], "header")


def _scope(credential: str, names: str, place: str) -> Scope:
    words = credential.split("/")
    if len(words) != 5 or not (
        words[4] == _TERMINATOR
        and _ACCESS_KEY_ID.fullmatch(words[0])
        and _SCOPE_WORD.fullmatch(words[2])
        and _SCOPE_WORD.fullmatch(words[3])
    ):
        raise SignatureMalformed("cannot read the credential: it is KEY/DATE/REGION/SERVICE/aws4_request", place=place)
    listed = names.split(";")
    if any(not _HEADER_NAME.fullmatch(name) for name in listed) or any(
        left >= right for left, right in pairwise(listed)
    ):
        raise SignatureMalformed("cannot read SignedHeaders: lower-case names, sorted, each once", place=place)
    signed = tuple(name.encode("ascii") for name in listed)
    if b"host" not in signed:
        raise SignatureMalformed("cannot accept a signature that does not cover the host", place=place)
    return Scope(
        words[0],
        words[1],
        words[2],
        words[3],
        signed,
        frozenset(signed),
        itemgetter(*signed) if len(signed) > 1 else lambda fields: (fields[signed[0]],),
        b"%%b\n%%b\n%%b\n%b\n%b\n%%b"
        % (b"".join(name.replace(b"%", b"%%") + b":%b\n" for name in signed), names.replace("%", "%%").encode("ascii")),
        "/".join(words[1:]),
    )


def _claim(
    parts: Parts, scope: Scope, timestamp: str, signature: str, token: str, *, presigned: bool
) -> tuple[Claim, float]:
    """The claim, and when it was signed in seconds since 1970."""
    place = "query" if presigned else "header"
    signed_at = timestamp_seconds(timestamp)
    if signed_at is None:
        raise SignatureMalformed("cannot do without X-Amz-Date as YYYYMMDDTHHMMSSZ", place=place)
    if scope.date != timestamp[:8]:
        raise SignatureMalformed("cannot accept a credential date that is not the date of X-Amz-Date", place=place)
    if not _is_sha256(signature):
        raise SignatureMalformed("cannot read the signature: it is 64 lower-case hexadecimal digits", place=place)
    if scope.service == "s3":
        mode, payload = _payload(parts.headers.get("x-amz-content-sha256"), presigned=presigned)
    else:
        mode, payload = _WHOLE, ""
    return Claim(scope, timestamp, signature, mode, payload, token, presigned), signed_at


def _is_sha256(text: str) -> bool:
    """Whether this is 64 lower-case hexadecimal digits. (A regular expression takes five times as long.)"""
    return len(text) == 64 and not text.encode("ascii", "replace").translate(None, _HEX_DIGITS)


def _payload(stated: str | None, *, presigned: bool) -> tuple[PayloadMode, str]:
    if stated is None:
        if presigned:
            return PayloadMode.UNSIGNED, PayloadMode.UNSIGNED.value
        raise RequestInvalid(
            "cannot do without the header x-amz-content-sha256 in a signed request",
            hint="send the SHA-256 of the body in it, or UNSIGNED-PAYLOAD",
            argument="x-amz-content-sha256",
        )
    if _is_sha256(stated):
        return PayloadMode.HASH, stated
    mode = _STATED_MODES.get(stated)
    if mode is None or (presigned and mode is not PayloadMode.UNSIGNED):
        raise RequestInvalid(
            "cannot accept this x-amz-content-sha256: a SHA-256 in lower-case hex, UNSIGNED-PAYLOAD or one of the "
            "STREAMING modes with AWS4-HMAC-SHA256",
            hint="let an AWS SDK or the AWS CLI compute it",
            argument="x-amz-content-sha256",
        )
    return mode, stated


def _check_coverage(claim: Claim, headers: Headers) -> None:
    """Every x-amz-* header is signed, and every signed header is there."""
    reason = _uncovered(claim.scope.signed_set, tuple(headers.first))
    if reason:
        raise SignatureMalformed(
            f"cannot accept a signature that {reason}", place="query" if claim.presigned else "header"
        )


@lru_cache(maxsize=256)
def _uncovered(signed: frozenset[bytes], names: tuple[bytes, ...]) -> str:
    """What is wrong with signing these of the fields with these names; empty: nothing."""
    if not signed.issubset(names):
        return "covers a header that is not there"
    if any(name.startswith(b"x-amz-") for name in names if name not in signed):
        return "does not cover every x-amz- header"
    return ""


def _canonical_path(raw: bytes) -> bytes:
    """S3's rule. Clients of other services encode a path twice, and theirs have nothing to encode."""
    if _CANONICAL_PATH.fullmatch(raw):
        return raw or b"/"
    return quote(unquote_to_bytes(raw), safe="/~").encode("ascii")


def _canonical_query(raw: bytes) -> bytes:
    pairs = []
    for piece in raw.split(b"&"):
        if piece:
            name, _, value = piece.partition(b"=")
            pair = (_encoded(name), _encoded(value))
            if pair[0] != b"X-Amz-Signature":
                pairs.append(pair)
    pairs.sort()
    return b"&".join(name + b"=" + value for name, value in pairs)


def _encoded(raw: bytes) -> bytes:
    if _CANONICAL_WORD.fullmatch(raw):
        return raw
    return quote(unquote_to_bytes(raw), safe="~").encode("ascii")


def _trim(value: bytes) -> bytes:
    value = value.strip(b" \t")
    while b"  " in value:
        value = value.replace(b"  ", b" ")
    return value


def _skewed(timestamp: str, now: float) -> SignatureSkewed:
    server = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    return SignatureSkewed(
        "cannot accept this request: the client's clock and the server's differ by more than 15 minutes",
        hint="set the clock of the client",
        request_time=timestamp,
        server_time=server,
        max_skew=MAX_SKEW_SECONDS,
    )
