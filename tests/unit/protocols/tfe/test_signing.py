"""Signed addresses and codes: read by who made them, for the purpose they were made for, byte for byte."""

from __future__ import annotations

import base64
import hmac

import pytest

from lockhouse.protocols.tfe.signing import LoginCode, Purpose, Signer, UploadKind, UploadPass

MASTER = bytes(range(32))
PASS = UploadPass("upload-1", UploadKind.STATE, "p-1", "key-1", 7, "0" * 32, 1000, 1234.5)
UPLOADS = Signer(MASTER, Purpose.UPLOAD, UploadPass)


def sealed(payload: bytes) -> str:
    key = hmac.digest(MASTER, Purpose.UPLOAD.encode(), "sha256")
    return base64.urlsafe_b64encode(hmac.digest(key, payload, "sha256") + payload).decode().rstrip("=")


def test_a_value_comes_back_as_it_was_signed_in_letters_that_an_address_may_have():
    for number in range(40):
        given = UploadPass("u" * number, UploadKind.JSON, "p", "k", number, "0" * 32, 1000, 1.0)
        text = UPLOADS.sign(given)
        assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        assert UPLOADS.read(text) == given


def test_another_servers_value_and_one_for_another_purpose_are_not_ours():
    code = LoginCode("p-1", "session-1", "challenge", "http://localhost:1/", "terraform-cli", "nonce", 1.0)
    assert Signer(bytes(32), Purpose.UPLOAD, UploadPass).read(UPLOADS.sign(PASS)) is None
    assert UPLOADS.read(Signer(MASTER, Purpose.LOGIN, LoginCode).sign(code)) is None
    assert Signer(MASTER, Purpose.LOGIN, UploadPass).read(UPLOADS.sign(PASS)) is None


def test_a_value_of_which_any_byte_was_changed_is_not_ours():
    text = UPLOADS.sign(PASS)
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    for at in range(len(raw)):
        bent = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        assert UPLOADS.read(base64.urlsafe_b64encode(bent).decode().rstrip("=")) is None, at
    for size in range(len(raw)):
        assert UPLOADS.read(base64.urlsafe_b64encode(raw[:size]).decode().rstrip("=")) is None, size


@pytest.mark.parametrize("text", ["", "A", "AAAAA", "ä", "a b", "+/+/", "A" * 4097, "A" * 4096])
def test_what_is_no_signed_value_is_nobodys(text):
    assert UPLOADS.read(text) is None


def test_a_value_of_another_form_is_nobodys_though_the_signature_is_ours():
    assert UPLOADS.read(sealed(b"")) is None
    assert UPLOADS.read(sealed(b"\x91\xa1x")) is None


def test_a_value_of_up_to_4096_letters_is_read():
    def of(size: int) -> UploadPass:
        return UploadPass("u" * size, UploadKind.STATE, "p", "k", 1, "0" * 32, 1000, 1.0)

    longest = next(size for size in range(2000, 4000) if len(UPLOADS.sign(of(size + 1))) > 4096)
    assert UPLOADS.read(UPLOADS.sign(of(longest))) == of(longest)
    assert UPLOADS.read(UPLOADS.sign(of(longest + 1))) is None
