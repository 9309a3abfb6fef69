"""Bodies as AWS clients send them: every payload mode, cut and falsified at every place."""

import base64
import hashlib
import hmac
import io
import random
import zlib

import anyio
import pytest
from awscrt import checksums as crt
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum

from lockhouse.errors import (
    BodyDigestInvalid,
    BodyDigestMismatch,
    BodyIncomplete,
    BodyLengthMissing,
    BodyTooLarge,
    Problem,
    RequestInvalid,
    SignatureMismatch,
)
from lockhouse.protocols.aws.payload import (
    BodyProof,
    Expected,
    content_coding,
    decoded_chunks,
    read_expected,
    whole_body,
)
from lockhouse.protocols.aws.sigv4 import EMPTY_SHA256, PayloadMode, Verified, signing_key
from lockhouse.protocols.web import Headers

SECRET = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SCOPE = "20130524/us-east-1/s3/aws4_request"
STAMP = "20130524T000000Z"
KEY = signing_key(SECRET, "20130524", "us-east-1", "s3")
STATE = b'{"version":4,"serial":7,"lineage":"a","resources":[]}\n'


def verified(mode, *, sha256="", seed="0" * 64):
    return Verified("AK", "us-east-1", "s3", mode, sha256, False, STAMP, SCOPE, seed, KEY)


def headers(**fields):
    return Headers([(name.replace("_", "-").encode(), str(value).encode()) for name, value in fields.items()])


def b64(data):
    return base64.b64encode(data).decode()


def take(wire, who, fields, step=None):
    """Feed the wire bytes in steps and return (body, verified checksums)."""
    proof = BodyProof(read_expected(who, fields), who)
    out = []
    step = step or len(wire) or 1
    for start in range(0, len(wire), step):
        out += proof.feed(wire[start : start + step])
    proof.finish()
    body = b"".join(out)
    return body, proof.prove(len(body), hashlib.md5(body).digest(), hashlib.sha256(body).digest())


def seal(previous, chunk):
    text = "\n".join(
        ("AWS4-HMAC-SHA256-PAYLOAD", STAMP, SCOPE, previous, EMPTY_SHA256, hashlib.sha256(chunk).hexdigest())
    )
    return hmac.digest(KEY, text.encode(), "sha256").hex()


def sealed_body(chunks, seed="0" * 64, trailers=()):
    wire = b""
    for chunk in [*chunks, b""]:
        seed = seal(seed, chunk)
        wire += b"%x;chunk-signature=%s\r\n" % (len(chunk), seed.encode())
        wire += chunk + b"\r\n" if chunk else b""
    if trailers:
        canonical = "".join(f"{name}:{value}\n" for name, value in trailers)
        text = "\n".join(
            ("AWS4-HMAC-SHA256-TRAILER", STAMP, SCOPE, seed, hashlib.sha256(canonical.encode()).hexdigest())
        )
        seed = hmac.digest(KEY, text.encode(), "sha256").hex()
        wire += b"".join(f"{name}:{value}\r\n".encode() for name, value in trailers)
        wire += b"x-amz-trailer-signature:" + seed.encode() + b"\r\n"
    return wire + b"\r\n"


def open_body(data, trailer=None, size=16):
    wire = b"".join(b"%x\r\n%s\r\n" % (len(data[i : i + size]), data[i : i + size]) for i in range(0, len(data), size))
    return wire + b"0\r\n" + (trailer + b"\r\n" if trailer else b"") + b"\r\n"


def test_a_plain_body_is_proved_by_the_hash_that_was_signed():
    who = verified(PayloadMode.HASH, sha256=hashlib.sha256(STATE).hexdigest())
    assert take(STATE, who, headers(content_length=len(STATE)), step=7) == (STATE, {})


def test_every_other_byte_of_a_plain_body_is_noticed():
    who = verified(PayloadMode.HASH, sha256=hashlib.sha256(STATE).hexdigest())
    for at in range(len(STATE)):
        wrong = STATE[:at] + bytes([STATE[at] ^ 1]) + STATE[at + 1 :]
        with pytest.raises(BodyDigestMismatch) as caught:
            take(wrong, who, headers(content_length=len(STATE)))
        assert caught.value.details["kind"] == "signed"


@pytest.mark.parametrize("length", range(len(STATE)))
def test_a_body_shorter_than_announced_is_never_whole(length):
    who = verified(PayloadMode.UNSIGNED)
    with pytest.raises(BodyIncomplete):
        take(STATE[:length], who, headers(content_length=len(STATE)))


def test_a_body_longer_than_announced_is_refused():
    with pytest.raises(BodyIncomplete):
        take(STATE + b"x", verified(PayloadMode.UNSIGNED), headers(content_length=len(STATE)))


def test_a_body_without_any_length_is_taken_when_its_framing_is_http_chunks():
    body, _ = take(STATE, verified(PayloadMode.UNSIGNED), headers(transfer_encoding="chunked"))
    assert body == STATE


DIGESTS = {
    "crc32": zlib.crc32(STATE).to_bytes(4, "big"),
    "crc32c": crt.crc32c(STATE).to_bytes(4, "big"),
    "crc64nvme": crt.crc64nvme(STATE).to_bytes(8, "big"),
    "sha1": hashlib.sha1(STATE).digest(),
    "sha256": hashlib.sha256(STATE).digest(),
}


@pytest.mark.parametrize("algorithm", sorted(DIGESTS))
def test_each_checksum_header_is_compared_and_given_back(algorithm):
    fields = {f"x_amz_checksum_{algorithm}": b64(DIGESTS[algorithm]), "content_length": len(STATE)}
    _, checksums = take(STATE, verified(PayloadMode.UNSIGNED), headers(**fields), step=9)
    assert checksums == {algorithm: b64(DIGESTS[algorithm])}
    wrong = bytes([DIGESTS[algorithm][0] ^ 1]) + DIGESTS[algorithm][1:]
    with pytest.raises(BodyDigestMismatch) as caught:
        take(STATE, verified(PayloadMode.UNSIGNED), headers(**(fields | {f"x_amz_checksum_{algorithm}": b64(wrong)})))
    assert caught.value.details["kind"] == algorithm


@pytest.mark.parametrize("algorithm", sorted(DIGESTS))
def test_each_checksum_trailer_is_compared_and_given_back(algorithm):
    trailer = f"x-amz-checksum-{algorithm}:{b64(DIGESTS[algorithm])}".encode()
    fields = headers(x_amz_decoded_content_length=len(STATE), x_amz_trailer=f"x-amz-checksum-{algorithm}")
    body, checksums = take(open_body(STATE, trailer), verified(PayloadMode.UNSIGNED_TRAILER), fields)
    assert body == STATE
    assert checksums == {algorithm: b64(DIGESTS[algorithm])}
    wrong = trailer.replace(trailer.split(b":")[1], b64(bytes(len(DIGESTS[algorithm]))).encode())
    with pytest.raises(BodyDigestMismatch):
        take(open_body(STATE, wrong), verified(PayloadMode.UNSIGNED_TRAILER), fields)


def test_the_checksums_are_those_of_the_published_check_values():
    whole = b"123456789"
    assert crt.crc32c(whole) == 0xE3069283
    assert crt.crc64nvme(whole) == 0xAE8B14860A799888


def test_content_md5_is_compared():
    fields = {"content_length": len(STATE), "content_md5": b64(hashlib.md5(STATE).digest())}
    take(STATE, verified(PayloadMode.UNSIGNED), headers(**fields))
    with pytest.raises(BodyDigestMismatch) as caught:
        take(STATE[::-1], verified(PayloadMode.UNSIGNED), headers(**fields))
    assert caught.value.details["kind"] == "md5"


@pytest.mark.parametrize("value", ["", "x", "AAAA", "not base64 at all=", b64(b"0" * 15), "0" * 32])
def test_a_content_md5_that_cannot_be_one_is_refused_before_the_body(value):
    with pytest.raises(BodyDigestInvalid):
        read_expected(verified(PayloadMode.UNSIGNED), headers(content_length=1, content_md5=value))


def test_several_checksums_of_one_body_are_refused():
    fields = headers(content_length=0, x_amz_checksum_crc32=b64(bytes(4)), x_amz_checksum_sha256=b64(bytes(32)))
    with pytest.raises(BodyDigestInvalid):
        read_expected(verified(PayloadMode.UNSIGNED), fields)
    fields = headers(
        x_amz_decoded_content_length=0, x_amz_checksum_crc32=b64(bytes(4)), x_amz_trailer="x-amz-checksum-sha256"
    )
    with pytest.raises(BodyDigestInvalid):
        read_expected(verified(PayloadMode.UNSIGNED_TRAILER), fields)


def test_an_unknown_checksum_is_refused_rather_than_believed():
    with pytest.raises(BodyDigestInvalid):
        read_expected(verified(PayloadMode.UNSIGNED), headers(content_length=0, x_amz_checksum_md6="AAAA"))


def test_words_about_checksums_are_not_checksums():
    expected = read_expected(
        verified(PayloadMode.UNSIGNED),
        headers(content_length=0, x_amz_checksum_mode="ENABLED", x_amz_checksum_type="FULL_OBJECT"),
    )
    assert expected.checksum is None


def test_the_checksum_of_a_completed_upload_speaks_of_the_object():
    fields = headers(content_length=2, x_amz_checksum_sha256=b64(bytes(32)))
    assert read_expected(verified(PayloadMode.UNSIGNED), fields, checksums=False).checksum is None


def test_the_published_example_of_a_chunked_body_is_accepted():
    # Amazon S3 API, "Signature Calculations … Multiple Chunks": 66,560 bytes of "a" in chunks of 64 KiB.
    seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    signatures = [
        b"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        b"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        b"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]
    wire = (
        b"10000;chunk-signature=%s\r\n" % signatures[0] + b"a" * 65536 + b"\r\n"
        b"400;chunk-signature=%s\r\n" % signatures[1] + b"a" * 1024 + b"\r\n"
        b"0;chunk-signature=%s\r\n\r\n" % signatures[2]
    )
    fields = headers(x_amz_decoded_content_length=66560)
    body, _ = take(wire, verified(PayloadMode.CHUNKED, seed=seed), fields, step=1000)
    assert body == b"a" * 66560
    with pytest.raises(SignatureMismatch):
        take(wire.replace(b"aaaa", b"aaba", 1), verified(PayloadMode.CHUNKED, seed=seed), fields)


def test_the_published_example_of_a_chunked_body_with_a_trailer_is_accepted():
    # Amazon S3 API, "Signature Calculations … Multiple Chunks … with trailing headers".
    seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
    wire = (
        b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n"
        + b"a" * 65536
        + b"\r\n"
        b"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n"
        + b"a"
        * 1024
        + b"\r\n"
        b"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
        b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
        b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
    )
    fields = headers(x_amz_decoded_content_length=66560, x_amz_trailer="x-amz-checksum-crc32c")
    body, checksums = take(wire, verified(PayloadMode.CHUNKED_TRAILER, seed=seed), fields)
    assert body == b"a" * 66560
    assert checksums == {"crc32c": "sOO8/Q=="}


@pytest.mark.parametrize("step", [1, 2, 3, 5, 17, 64, 1000])
def test_framing_may_be_split_anywhere(step):
    chunks = [STATE[:10], STATE[10:11], STATE[11:]]
    trailers = [("x-amz-checksum-crc32", b64(DIGESTS["crc32"]))]
    fields = headers(x_amz_decoded_content_length=len(STATE), x_amz_trailer="x-amz-checksum-crc32")
    body, _ = take(sealed_body(chunks, trailers=trailers), verified(PayloadMode.CHUNKED_TRAILER), fields, step)
    assert body == STATE
    body, _ = take(
        sealed_body(chunks), verified(PayloadMode.CHUNKED), headers(x_amz_decoded_content_length=len(STATE)), step
    )
    assert body == STATE


def test_botocores_own_framing_is_taken_off():
    wrapper = AwsChunkedWrapper(io.BytesIO(STATE * 1000), Crc32Checksum, "x-amz-checksum-crc32", chunk_size=4096)
    wire = b"".join(iter(wrapper.read, b""))
    fields = headers(x_amz_decoded_content_length=len(STATE) * 1000, x_amz_trailer="x-amz-checksum-crc32")
    body, _ = take(wire, verified(PayloadMode.UNSIGNED_TRAILER), fields, step=1500)
    assert body == STATE * 1000


def samples():
    crc = f"x-amz-checksum-crc32:{b64(DIGESTS['crc32'])}".encode()
    length = len(STATE)
    yield (
        "unsigned",
        open_body(STATE, crc),
        verified(PayloadMode.UNSIGNED_TRAILER),
        headers(x_amz_decoded_content_length=length, x_amz_trailer="x-amz-checksum-crc32"),
    )
    yield (
        "signed",
        sealed_body([STATE[:20], STATE[20:]]),
        verified(PayloadMode.CHUNKED),
        headers(x_amz_decoded_content_length=length),
    )
    yield (
        "signed with trailer",
        sealed_body([STATE[:20], STATE[20:]], trailers=[tuple(crc.decode().split(":"))]),
        verified(PayloadMode.CHUNKED_TRAILER),
        headers(x_amz_decoded_content_length=length, x_amz_trailer="x-amz-checksum-crc32"),
    )


@pytest.mark.parametrize(("wire", "who", "fields"), [pytest.param(*sample, id=name) for name, *sample in samples()])
def test_a_chunked_body_cut_at_any_byte_is_never_whole(wire, who, fields):
    assert take(wire, who, fields)[0] == STATE
    for cut in range(len(wire)):
        with pytest.raises(Problem):
            take(wire[:cut], who, fields)


@pytest.mark.parametrize(("wire", "who", "fields"), [pytest.param(*sample, id=name) for name, *sample in samples()])
def test_a_chunked_body_with_any_other_byte_is_refused_or_the_same_body(wire, who, fields):
    dice = random.Random(7)
    for at in range(len(wire)):
        for _ in range(4):
            other = wire[:at] + bytes([dice.randrange(256)]) + wire[at + 1 :]
            try:
                body, _ = take(other, who, fields)
            except Problem:
                continue
            assert body == STATE


@pytest.mark.parametrize(
    ("wire", "problem"),
    [
        (b"5\r\nhello\r\n0\r\n\r\nmore", RequestInvalid),
        (b"6\r\nhello\r\n0\r\n\r\n", Problem),
        (b"4\r\nhello\r\n0\r\n\r\n", RequestInvalid),
        (b"5\nhello\n0\n\n", Problem),
        (b"-5\r\nhello\r\n0\r\n\r\n", RequestInvalid),
        (b"0x5\r\nhello\r\n0\r\n\r\n", RequestInvalid),
        (b" 5\r\nhello\r\n0\r\n\r\n", RequestInvalid),
        (b"\r\n5\r\nhello\r\n0\r\n\r\n", RequestInvalid),
        (b"5;chunk-signature=" + b"0" * 64 + b"\r\nhello\r\n0\r\n\r\n", RequestInvalid),
        (b"5;x=y\r\nhello\r\n0\r\n\r\n", RequestInvalid),
        (b"f" * 17 + b"\r\n", RequestInvalid),
        (b"f" * 16 + b"\r\n", BodyIncomplete),
        (b"5" * 5000, RequestInvalid),
        (b"5\r\nhello\r\n0\r\nx-amz-meta-a:b\r\n\r\n", RequestInvalid),
        (b"5\r\nhello\r\n0\r\n\r\n\r\n", RequestInvalid),
        (b"5\r\nhello\r\n0\r\n", BodyIncomplete),
        (b"0\r\n\r\n", BodyIncomplete),
        (b"", BodyIncomplete),
    ],
)
def test_broken_framing_is_refused(wire, problem):
    with pytest.raises(problem):
        take(wire, verified(PayloadMode.UNSIGNED_TRAILER), headers(x_amz_decoded_content_length=5))


def test_chunk_signatures_cannot_be_left_out():
    wire = open_body(STATE)
    with pytest.raises(RequestInvalid):
        take(wire, verified(PayloadMode.CHUNKED), headers(x_amz_decoded_content_length=len(STATE)))


def test_the_chunks_of_a_signed_body_cannot_change_places():
    first, second = b"a" * 10, b"b" * 10
    whole = sealed_body([first, second])
    one = whole.index(b"a;chunk")
    two = whole.index(b"a;chunk", one + 1)
    end = whole.index(b"0;chunk")
    swapped = whole[two:end] + whole[one:two] + whole[end:]
    with pytest.raises(SignatureMismatch):
        take(swapped, verified(PayloadMode.CHUNKED), headers(x_amz_decoded_content_length=20))


CRC32 = b"x-amz-checksum-crc32:"


@pytest.mark.parametrize(
    "trailers",
    [
        b"",
        CRC32[:-1] + b"\r\n",
        b"x-amz-checksum-sha1:" + b64(bytes(20)).encode() + b"\r\n",
        CRC32 + b"{right}\r\n" + CRC32 + b"{right}\r\n",
        CRC32 + b"AAAAAA==\r\n" + CRC32 + b"{right}\r\n",
        CRC32 + b"{right}\r\nx-amz-checksum-sha1:" + b64(bytes(20)).encode() + b"\r\n",
        CRC32 + b"{right}\r\nx-amz-trailer-signature:" + b"0" * 64 + b"\r\n",
        CRC32 + b"{right}" + b" " * 300 + b"\r\n",
    ],
)
def test_the_trailers_are_those_that_were_announced_each_once(trailers):
    wire = b"5\r\nhello\r\n0\r\n"
    fields = headers(x_amz_decoded_content_length=5, x_amz_trailer="x-amz-checksum-crc32")
    right = b64(zlib.crc32(b"hello").to_bytes(4, "big")).encode()
    who = verified(PayloadMode.UNSIGNED_TRAILER)
    assert take(wire + CRC32 + right + b"\r\n\r\n", who, fields)[1] == {"crc32": right.decode()}
    with pytest.raises(RequestInvalid):
        take(wire + trailers.replace(b"{right}", right) + b"\r\n", who, fields)


def test_a_signature_of_trailers_comes_last_and_only_where_there_are_any():
    who = verified(PayloadMode.CHUNKED)
    bare = sealed_body([STATE])[:-2] + b"x-amz-trailer-signature:" + b"0" * 64 + b"\r\n\r\n"
    with pytest.raises(RequestInvalid):
        take(bare, who, headers(x_amz_decoded_content_length=len(STATE)))
    wire = sealed_body([STATE], trailers=[("x-amz-checksum-crc32", b64(DIGESTS["crc32"]))])
    one, two = wire.index(CRC32), wire.index(b"x-amz-trailer-signature")
    turned = wire[:one] + wire[two:-2] + wire[one:two] + b"\r\n"
    fields = headers(x_amz_decoded_content_length=len(STATE), x_amz_trailer="x-amz-checksum-crc32")
    with pytest.raises(RequestInvalid):
        take(turned, verified(PayloadMode.CHUNKED_TRAILER), fields)


@pytest.mark.parametrize("names", ["x-amz-checksum-crc32,x-amz-checksum-sha1", "x-amz-checksum-md4", "x-amz-meta-a"])
def test_one_trailer_is_announced_and_it_is_a_checksum(names):
    fields = headers(x_amz_decoded_content_length=5, x_amz_trailer=names)
    for mode in (PayloadMode.UNSIGNED_TRAILER, PayloadMode.CHUNKED_TRAILER):
        with pytest.raises(BodyDigestInvalid):
            read_expected(verified(mode), fields)
    with pytest.raises(RequestInvalid):
        read_expected(verified(PayloadMode.CHUNKED), fields)


def test_what_is_longer_than_announced_is_refused_before_its_end():
    plain = verified(PayloadMode.UNSIGNED)
    proof = BodyProof(read_expected(plain, headers(content_length=5)), plain)
    assert proof.feed(b"hello") == [b"hello"]
    with pytest.raises(BodyIncomplete):
        proof.feed(b"!")
    framed = verified(PayloadMode.UNSIGNED_TRAILER)
    proof = BodyProof(read_expected(framed, headers(x_amz_decoded_content_length=5)), framed)
    assert proof.feed(b"3\r\nhel\r\n") == [b"hel"]
    with pytest.raises(BodyIncomplete) as refused:
        proof.feed(b"3\r\n")
    assert refused.value.details == {"announced": 5}


def test_a_signed_trailer_cannot_be_changed_or_left_out():
    trailers = [("x-amz-checksum-crc32", b64(DIGESTS["crc32"]))]
    fields = headers(x_amz_decoded_content_length=len(STATE), x_amz_trailer="x-amz-checksum-crc32")
    wire = sealed_body([STATE], trailers=trailers)
    at = wire.index(b"x-amz-trailer-signature")
    with pytest.raises(SignatureMismatch):
        take(wire[:at] + b"\r\n", verified(PayloadMode.CHUNKED_TRAILER), fields)
    other = wire.replace(trailers[0][1].encode(), b64(bytes(4)).encode())
    with pytest.raises(SignatureMismatch):
        take(other, verified(PayloadMode.CHUNKED_TRAILER), fields)
    with pytest.raises(RequestInvalid):
        take(sealed_body([STATE]), verified(PayloadMode.CHUNKED_TRAILER), fields)


def test_a_chunked_body_must_announce_its_length():
    with pytest.raises(BodyLengthMissing):
        read_expected(verified(PayloadMode.CHUNKED), headers(content_length=100))


@pytest.mark.parametrize("length", ["-1", "1e3", "٣", " 5", "", "9" * 30])
def test_a_length_that_is_none_is_refused(length):
    raw = Headers([(b"x-amz-decoded-content-length", length.encode())])
    with pytest.raises(RequestInvalid):
        read_expected(verified(PayloadMode.CHUNKED), raw)


def test_framing_is_never_a_property_of_the_stored_bytes():
    assert content_coding(headers(content_encoding="aws-chunked")) == ""
    assert content_coding(headers(content_encoding="aws-chunked,gzip")) == "gzip"
    assert content_coding(headers(content_encoding="gzip")) == "gzip"


def stream(wire, who, fields, step=50_000, fail_at=None):
    """The asynchronous skin: (body, sizes of pieces, number of runs in a thread)."""
    runs = 0

    async def chunks():
        for start in range(0, len(wire), step):
            if fail_at is not None and start >= fail_at:
                raise BodyIncomplete("the client went away")
            yield wire[start : start + step]

    async def run(function):
        nonlocal runs
        runs += 1
        return await anyio.to_thread.run_sync(function)

    async def main():
        proof = BodyProof(read_expected(who, fields), who)
        return [piece async for piece in decoded_chunks(chunks(), proof, run)]

    pieces = anyio.run(main)
    return b"".join(pieces), [len(piece) for piece in pieces], runs


def test_a_body_that_nothing_frames_passes_as_it_comes():
    data = random.Random(1).randbytes(1_000_000)
    body, sizes, runs = stream(data, verified(PayloadMode.UNSIGNED), headers(content_length=len(data)))
    assert body == data
    assert sizes == [50_000] * 20
    assert runs == 0


def test_a_large_body_with_framing_passes_in_large_pieces():
    data = random.Random(1).randbytes(1_000_000)
    wire = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
    fields = headers(x_amz_decoded_content_length=len(data))
    body, sizes, runs = stream(wire, verified(PayloadMode.UNSIGNED_TRAILER), fields)
    assert body == data
    assert max(sizes) < 400_000
    assert len(sizes) == 4
    assert runs == 0


def test_chunk_signatures_of_large_bodies_are_checked_off_the_loop():
    data = random.Random(1).randbytes(1_000_000)
    wire = sealed_body([data[i : i + 100_000] for i in range(0, len(data), 100_000)])
    fields = headers(x_amz_decoded_content_length=len(data))
    body, _, runs = stream(wire, verified(PayloadMode.CHUNKED), fields)
    assert body == data
    assert runs == 4


def test_a_client_that_goes_away_never_ends_a_stream():
    data = bytes(400_000)
    with pytest.raises(BodyIncomplete):
        stream(data, verified(PayloadMode.UNSIGNED), headers(transfer_encoding="chunked"), fail_at=350_000)


def test_nothing_is_proved_before_the_end_was_seen():
    proof = BodyProof(Expected(PayloadMode.UNSIGNED, None), verified(PayloadMode.UNSIGNED))
    proof.feed(STATE)
    with pytest.raises(BodyIncomplete):
        proof.prove(len(STATE), b"", b"")
    proof.finish()
    with pytest.raises(BodyIncomplete):
        proof.prove(len(STATE) - 1, b"", b"")
    proof.prove(len(STATE), b"", b"")


def test_a_small_body_over_its_limit_is_refused():
    async def chunks():
        for _ in range(10):
            yield b"x" * 10

    assert anyio.run(whole_body, chunks(), 100) == b"x" * 100
    with pytest.raises(BodyTooLarge):
        anyio.run(whole_body, chunks(), 99)
