"""Signature Version 4, with botocore as the oracle that signs."""

import hashlib
import random
import string
import time
from urllib.parse import quote, unquote_to_bytes

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lockhouse.errors import (
    CredentialUnknown,
    Problem,
    SignatureExpired,
    SignatureMalformed,
    SignatureMismatch,
    SignatureSkewed,
    SignatureUnsupported,
)
from lockhouse.protocols.aws import sigv4
from lockhouse.protocols.aws.sigv4 import (
    Parts,
    PayloadMode,
    claims_signature,
    read_claim,
    signing_key,
    timestamp_seconds,
    verify,
)
from lockhouse.protocols.web import Headers
from tests.unit.protocols.aws.shapes import Signing, parts_of, with_headers

HERE = Signing()
KEY_ID, SECRET = HERE.key_id, HERE.secret
signed, presigned = HERE.signed, HERE.presigned


def signed_at(parts):
    for name, value in parts.headers.raw:
        if name == b"x-amz-date":
            return timestamp_seconds(value.decode())
    query = dict(piece.split(b"=", 1) for piece in parts.raw_query.split(b"&") if b"=" in piece)
    return timestamp_seconds(query[b"X-Amz-Date"].decode())


def accept(parts, body=None, secret=SECRET, late=0.0):
    claim = read_claim(parts, signed_at(parts) + late)
    return verify(claim, parts, secret.encode(), hashlib.sha256(body).hexdigest() if body is not None else "")


def test_a_request_signed_in_its_header_is_accepted():
    verified = accept(signed())
    assert (verified.access_key_id, verified.service, verified.region) == (KEY_ID, "s3", "eu-west-1")
    assert verified.mode is PayloadMode.HASH
    assert verified.payload_sha256 == hashlib.sha256(b"").hexdigest()
    assert not verified.presigned


def test_a_table_request_is_bound_to_the_body_that_was_read():
    body = b'{"TableName": "locks"}'
    parts = signed(
        "POST",
        "http://127.0.0.1:7373/",
        body,
        {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.DescribeTable"},
        "dynamodb",
    )
    assert accept(parts, body).mode is PayloadMode.WHOLE
    with pytest.raises(SignatureMismatch):
        accept(parts, body + b" ")


def test_the_body_hash_cannot_be_forgotten():
    parts = signed("POST", "http://127.0.0.1:7373/", b"x", service="sts")
    with pytest.raises(ValueError, match="hash of the whole body"):
        accept(parts)


def test_a_presigned_read_is_accepted_until_it_expires():
    parts = presigned(expires=60)
    assert accept(parts, late=60).presigned
    with pytest.raises(SignatureExpired):
        accept(parts, late=61)


def in_query(parts, name, value=None):
    """With another value of one parameter; None: without it."""
    pairs = [piece.partition(b"=") for piece in parts.raw_query.split(b"&")]
    kept = [
        f"{key.decode()}={value}".encode() if key.decode() == name else key + b"=" + old
        for key, _, old in pairs
        if value is not None or key.decode() != name
    ]
    return Parts(parts.method, parts.raw_path, b"&".join(kept), parts.headers)


def test_a_presigned_address_needs_every_field_of_a_signature_once():
    parts = presigned()
    now = signed_at(parts)
    for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"):
        without = in_query(parts, f"X-Amz-{name}")
        twice = Parts("GET", parts.raw_path, parts.raw_query + f"&x-amz-{name.lower()}=1".encode(), parts.headers)
        for bent in (without, twice):
            with pytest.raises(SignatureMalformed) as refused:
                read_claim(bent, now)
            assert refused.value.details["place"] == "query"


@pytest.mark.parametrize("expires", ["0", "604801", "-1", "", "x", "1.5", "0x10", "١", "1000000", "+60", "9" * 5000])
def test_a_presigned_address_is_good_for_a_second_to_a_week(expires):
    parts = presigned()
    now = signed_at(parts)
    with pytest.raises(SignatureMalformed):
        read_claim(in_query(parts, "X-Amz-Expires", quote(expires)), now)
    for least_and_most in ("1", "604800"):
        assert read_claim(in_query(parts, "X-Amz-Expires", least_and_most), now).presigned


def test_a_presigned_address_from_the_future_or_for_another_service_is_refused():
    parts = presigned()
    now = signed_at(parts)
    assert read_claim(parts, now - 900).presigned
    with pytest.raises(SignatureSkewed):
        read_claim(parts, now - 901)
    for bent in (
        in_query(parts, "X-Amz-Algorithm", "AWS4-HMAC-SHA1"),
        Parts("GET", parts.raw_path, parts.raw_query.replace(b"%2Fs3%2F", b"%2Fdynamodb%2F"), parts.headers),
    ):
        with pytest.raises(SignatureUnsupported):
            read_claim(bent, now)
    with pytest.raises(SignatureMalformed):
        read_claim(with_headers(parts, (b"x-amz-security-token", b"token")), now)
    assert read_claim(Parts("HEAD", parts.raw_path, parts.raw_query, parts.headers), now).presigned


def test_a_presigned_request_with_a_session_token_carries_it_in_the_claim():
    parts = presigned(token="session/token+==")
    assert read_claim(parts, signed_at(parts)).session_token == "session/token+=="
    accept(parts)


@pytest.mark.parametrize(
    "path",
    [
        "//double",
        "/a//b",
        "/a/../b",
        "/a/./b",
        "/env%3A/dev/x",
        "/%C3%A9%20%2B~",
        "/",
        "/a%25b",
        "/a%3Db%26c",
        "/" + "k" * 900,
    ],
)
def test_paths_are_covered_exactly_as_they_were_sent(path):
    parts = signed(url="http://127.0.0.1:7373/b" + path)
    accept(parts)
    moved = Parts(parts.method, parts.raw_path + b"x", parts.raw_query, parts.headers)
    with pytest.raises(SignatureMismatch):
        accept(moved)


@pytest.mark.parametrize(
    "query",
    [
        "acl",
        "acl=",
        "list-type=2&prefix=env%3A%2F&max-keys=1000",
        "b=2&a=1&a=0",
        "prefix=%C3%A9%20x",
        "x-id=GetObject",
        "prefix=a%2Bb",
    ],
)
def test_queries_are_covered(query):
    parts = signed(url="http://127.0.0.1:7373/b?" + query)
    accept(parts)
    for other in (b"", parts.raw_query + b"&z", parts.raw_query.replace(b"a", b"A", 1)):
        if other != parts.raw_query:
            with pytest.raises(Problem):
                accept(Parts(parts.method, parts.raw_path, other, parts.headers))


def test_a_session_token_is_covered():
    parts = signed(token="token-of-a-session")
    assert read_claim(parts, signed_at(parts)).session_token == "token-of-a-session"
    accept(parts)
    with pytest.raises(SignatureMismatch):
        accept(with_headers(parts, (b"x-amz-security-token", b"token-of-another")))
    with pytest.raises(SignatureMalformed):
        accept(with_headers(parts, drop=("x-amz-security-token",)))


def test_a_field_that_comes_twice_is_covered_as_its_values_in_order():
    parts = signed(headers={"x-amz-meta-note": "one,two", "x-amz-meta-z": "a b"})
    rest = [pair for pair in parts.headers.raw if not pair[0].startswith(b"x-amz-meta-")]
    one, two = (b"x-amz-meta-note", b" one"), (b"x-amz-meta-note", b"two ")

    def sent(*pairs):
        return Parts(parts.method, parts.raw_path, parts.raw_query, Headers([*pairs, *rest]))

    spaced = (b"x-amz-meta-z", b" a   b\t")
    assert accept(sent(one, two, spaced)).access_key_id == KEY_ID
    for other in (sent(two, one, spaced), sent(one, spaced), sent(one, one, two, spaced)):
        with pytest.raises(SignatureMismatch):
            accept(other)


@pytest.mark.parametrize("sent", [b"a b", b" a b", b"a b ", b"a  b", b"a    b", b"\ta b", b"a b\t", b" \ta   b \t"])
def test_blanks_around_and_between_the_words_of_a_field_mean_nothing(sent):
    parts = signed(headers={"x-amz-meta-note": "a b"})
    accept(with_headers(parts, (b"x-amz-meta-note", sent)))
    with pytest.raises(SignatureMismatch):
        accept(with_headers(parts, (b"x-amz-meta-note", sent.replace(b"a", b"a c"))))


def test_another_secret_is_refused():
    with pytest.raises(SignatureMismatch):
        accept(signed(), secret=SECRET.lower())


@pytest.mark.parametrize(
    ("late", "fits"), [(900, True), (901, False), (-900, True), (-901, False), (86400 * 3650, False)]
)
def test_the_clock_window_is_fifteen_minutes_to_the_second(late, fits):
    parts = signed()
    if fits:
        accept(parts, late=late)
    else:
        with pytest.raises(SignatureSkewed) as caught:
            accept(parts, late=late)
        assert caught.value.details["max_skew"] == 900


def test_unsigned_bodies_and_streams_are_told_apart():
    for mode in (PayloadMode.UNSIGNED, PayloadMode.UNSIGNED_TRAILER, PayloadMode.CHUNKED, PayloadMode.CHUNKED_TRAILER):

        class Auth(S3SigV4Auth):
            def payload(self, request):
                return mode.value  # noqa: B023

        request = AWSRequest(method="PUT", url="http://h/b/k", data=b"")
        request.headers["X-Amz-Content-SHA256"] = mode.value
        SigV4Auth.add_auth(Auth(Credentials(KEY_ID, SECRET), "s3", "us-east-1"), request)
        parts = parts_of(request)
        parts = with_headers(parts, (b"x-amz-content-sha256", mode.value.encode()))
        claim = read_claim(parts, signed_at(parts))
        assert claim.mode is mode
        assert verify(claim, parts, SECRET.encode()).payload_sha256 == ""


SHAPES_SIGNED_AT = signed_at(signed())
"""The shapes are signed when this file is read, which may be long before its tests run."""


@pytest.mark.parametrize(
    ("parts", "problem"), [pytest.param(parts, problem, id=name) for name, parts, problem in HERE.bypass_shapes()]
)
def test_the_known_ways_around_a_signature_are_closed(parts, problem):
    with pytest.raises(problem):
        verify(read_claim(parts, SHAPES_SIGNED_AT), parts, SECRET.encode(), hashlib.sha256(b"").hexdigest())


@pytest.mark.parametrize(
    "date",
    [
        "",
        "20260101",
        "20261301T000000Z",
        "20260132T000000Z",
        "2026-01-01T00:00:00Z",
        "٢0260101T000000Z",
        "20260101T000060Z",
    ],
)
def test_a_date_that_is_none_is_refused(date):
    parts = with_headers(signed(), (b"x-amz-date", date.encode()))
    with pytest.raises(SignatureMalformed):
        read_claim(parts, 1_800_000_000.0)


def test_only_requests_with_an_aws_signature_claim_one():
    good = signed()
    assert claims_signature(good.headers, b"")
    assert claims_signature(Headers([]), presigned().raw_query)
    assert claims_signature(Headers([]), b"AWSAccessKeyId=x")
    assert not claims_signature(Headers([(b"authorization", b"Bearer x")]), b"a=b")
    assert not claims_signature(Headers([]), b"ID=5f&version=%41")


@pytest.mark.parametrize("name", sorted(sigv4._QUERY_FIELDS | sigv4._VERSION_2_FIELDS))
def test_any_one_field_of_a_signature_in_the_query_claims_one_however_it_is_spelled(name):
    for spelled in (
        name,
        name.upper(),
        name.title(),
        f"%{ord(name[0]):02x}{name[1:]}",
        f"{name[:-1]}%{ord(name[-1]):X}",
    ):
        assert claims_signature(Headers([]), f"a=b&{spelled}=1".encode()), spelled
        assert not claims_signature(Headers([]), f"a=b&z{spelled}=1".encode()), spelled


def test_a_time_is_read_as_utc_wherever_the_server_stands(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert timestamp_seconds.__wrapped__("20261130T120000Z") == 1796040000.0
    finally:
        monkeypatch.undo()
        time.tzset()


def meaning(parts, signed_names):
    """What a request says, apart from spellings of the same thing."""
    headers = [
        (name, b" ".join(value.strip(b" \t").split(b" ")))
        for name, value in parts.headers.raw
        if name in signed_names or name == b"authorization" or name.startswith(b"x-amz-")
    ]
    return (
        parts.method,
        unquote_to_bytes(parts.raw_path),
        sorted(
            (unquote_to_bytes(n), unquote_to_bytes(v))
            for n, _, v in (p.partition(b"=") for p in parts.raw_query.split(b"&") if p)
        ),
        headers,
    )


def mutate(parts, body, dice, alphabet):
    """The request with one byte replaced, somewhere that the signature covers."""

    def one(data):
        at = dice.randrange(len(data))
        return data[:at] + bytes([dice.choice(alphabet)]) + data[at + 1 :]

    where = dice.randrange(5)
    raw = list(parts.headers.raw)
    method, path, query = parts.method, parts.raw_path, parts.raw_query
    if where == 0 and query:
        query = one(query)
    elif where == 1 and body:
        body = one(body)
    elif where == 2:
        method = one(method.encode()).decode()
    elif where == 3:
        path = one(path)
    else:
        at = dice.randrange(len(raw))
        name, value = raw[at]
        if dice.random() < 0.2:
            raw[at] = (one(name), value)
        elif value:
            raw[at] = (name, one(value))
    return Parts(method, path, query, Headers(raw)), body


def test_a_hundred_thousand_requests_with_one_other_byte_are_refused():
    dice = random.Random(20261123)
    alphabet = (string.ascii_letters + string.digits + "/%&=+-._~:;, ").encode()
    lock = b'{"TableName":"locks","Key":{"LockID":{"S":"tfs/app.tfstate"}}}'
    originals = [
        (
            signed(
                url="http://127.0.0.1:7373/tfs/env%3A/dev/app.tfstate?versionId=1.abc&x-id=GetObject",
                token="tok",
                headers={"Range": "bytes=0-5242879"},
            ),
            b"",
        ),
        (
            signed(
                "PUT",
                body=b'{"version":4}',
                headers={
                    "Content-Type": "application/json",
                    "If-None-Match": "*",
                    "x-amz-server-side-encryption": "AES256",
                },
            ),
            b'{"version":4}',
        ),
        (
            signed("POST", "http://127.0.0.1:7373/", lock, {"X-Amz-Target": "DynamoDB_20120810.GetItem"}, "dynamodb"),
            lock,
        ),
        (presigned(url="http://127.0.0.1:7373/tfs/app.tfstate?versionId=1.abc", token="tok"), b""),
    ]
    refused = tried = 0
    for parts, body in originals:
        now = signed_at(parts)
        claim = read_claim(parts, now)
        names = set(claim.scope.signed_headers)
        said = meaning(parts, names)
        secrets = {KEY_ID: SECRET.encode()}
        verify(claim, parts, secrets[KEY_ID], hashlib.sha256(body).hexdigest())
        here = 0
        while here < 26_000:
            mutant, other = mutate(parts, body, dice, alphabet)
            try:
                claimed = read_claim(mutant, now)
                if claimed.access_key_id not in secrets:
                    raise CredentialUnknown("cannot find this access key", hint="lockhouse key list")
                accepted = verify(claimed, mutant, secrets[claimed.access_key_id], hashlib.sha256(other).hexdigest())
            except Problem:
                refused += 1
                here += 1
                continue
            if meaning(mutant, names) == said and other == body:
                continue  # another spelling of the same request
            here += 1
            assert other != body, mutant
            # The signature binds the hash; the body is compared with it when it has been read.
            assert accepted.mode is PayloadMode.HASH
            assert accepted.payload_sha256 != hashlib.sha256(other).hexdigest()
            refused += 1
        tried += here
    assert refused == tried >= 100_000


def test_the_signing_key_is_the_published_example():
    # AWS General Reference, "Examples of how to derive a signing key for Signature Version 4".
    key = signing_key(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


def test_what_is_taken_as_canonical_is_what_encoding_would_make_of_it():
    for byte in range(256):
        for spelling in (bytes([byte]), b"%%%02X" % byte, b"%%%02x" % byte):
            path, word = b"/a" + spelling, b"a" + spelling
            assert sigv4._canonical_path(path) == quote(unquote_to_bytes(path), safe="/~").encode()
            assert sigv4._encoded(word) == quote(unquote_to_bytes(word), safe="~").encode()


@pytest.mark.parametrize("length", [30, 3000, 300_000])
def test_a_long_word_with_one_other_byte_takes_no_longer_than_another(length):
    began = time.process_time()
    for tail in (b"!", b" ", b"%", b"%2f", b"+", b"\xff"):
        word = b"a" * length + tail
        sigv4._encoded(word)
        sigv4._canonical_path(b"/" + word)
        sigv4._canonical_query(b"k=" + word + b"&" + word + b"=v")
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Credential=", "Credential=x, Credential="),
        ("SignedHeaders=", "SignedHeaders=host, SignedHeaders="),
        (", Signature=", ", Else=x, Signature="),
        (", Signature=", ", =x, Signature="),
        (KEY_ID, "LHAK EXAMPLE"),
        (KEY_ID, "x" * 129),
        (KEY_ID, ""),
        ("/eu-west-1/", "/eu_west_1/"),
        ("/eu-west-1/", "//"),
        ("/s3/", "/s 3/"),
        ("/aws4_request", "/aws4"),
        ("/aws4_request", "/aws4_request/x"),
        ("host;", "Host;"),
        ("host;x-amz-content-sha256;x-amz-date", "x-amz-content-sha256;host;x-amz-date"),
        ("host;x-amz-content-sha256;x-amz-date", "host;host;x-amz-content-sha256;x-amz-date"),
        ("host;x-amz-content-sha256;x-amz-date", "host;;x-amz-content-sha256;x-amz-date"),
        ("host;x-amz-content-sha256;x-amz-date", "x-amz-content-sha256;x-amz-date"),
    ],
)
def test_an_authorization_that_is_not_exactly_one_is_malformed(old, new):
    parts = signed()
    given = dict(parts.headers.raw)[b"authorization"].decode()
    assert old in given
    with pytest.raises(SignatureMalformed):
        read_claim(with_headers(parts, (b"authorization", given.replace(old, new).encode())), time.time())


def test_a_date_is_one_and_that_of_the_credential():
    parts = signed()
    said = dict(parts.headers.raw)[b"x-amz-date"].decode()
    for date in ("", said[:-1], said.replace("T", " "), f"{said[:4]}1301T000000Z", "20200101T000000Z"):
        with pytest.raises(SignatureMalformed):
            read_claim(with_headers(parts, (b"x-amz-date", date.encode())), time.time())
