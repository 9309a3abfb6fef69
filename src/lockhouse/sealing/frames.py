"""The format of sealed bytes: a header, AES-256-GCM frames of 1 MiB that open without each other, and an end.

    sealed = header, frame 0, frame 1, …, end
    header = "LHS1", 20 (the frame's size as a power of two), 3 zero bytes, salt (24 random bytes)
    frame  = AES-256-GCM(frame key, nonce of its number, plain bytes), 16 bytes of tag last; no associated data
    end    = AES-256-GCM(frame key, nonce of the end, number of all plain bytes in 8 bytes), 16 bytes of tag last
    frame key = HMAC-SHA256(data key, header)
    nonce of a number = the number (8 bytes), 4 zero bytes; of the end: 8 bytes 255, 3 zero bytes, 1. All big endian

Every frame but the last has 1 MiB of plain bytes, the last has at least one; an empty body has none. So frames that are
changed, moved, repeated, left out or added do not open or do not fit the end, and the key binds them to the header. The
salt makes the frame key another one each time: one data key may seal again what it sealed before in another form (a
body that is packed later). Nothing but a few pieces must be in memory to seal. Random bytes are passed in.
"""

from __future__ import annotations

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import AEADDecryptionContext, AEADEncryptionContext, Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

FRAME_BYTES = 1 << 20
TAG_BYTES = 16
SALT_BYTES = 24
HEADER_BYTES = 32
END_BYTES = 8 + TAG_BYTES
DATA_KEY_BYTES = 32
PIECE_BYTES = 256 * 1024
"""What is best sealed at once: small pieces stay in the processor's cache."""
_PREFIX = b"LHS1\x14\x00\x00\x00"
FRAME_SEALED_BYTES = FRAME_BYTES + TAG_BYTES
_END_NONCE = b"\xff" * 8 + b"\0\0\0\1"


class Damaged(Exception):
    """Sealed bytes that do not open: changed, cut off, or under another key. Nothing of them may be used."""


def make_header(salt: bytes) -> bytes:
    """`salt`: `SALT_BYTES` random bytes, never used again with the same data key."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")
    return _PREFIX + salt


def plain_size(sealed_size: int) -> int:
    """How many plain bytes sealed bytes of this length hold. Damaged when there can be none of this length."""
    rest = sealed_size - HEADER_BYTES - END_BYTES
    count = -(-rest // FRAME_SEALED_BYTES)
    size = rest - count * TAG_BYTES
    if rest < 0 or (count > 0 and size <= (count - 1) * FRAME_BYTES):
        raise Damaged("its length is impossible")
    return size


def frame_count(size: int) -> int:
    """Of `size` plain bytes."""
    return -(-size // FRAME_BYTES)


def frame_offset(number: int) -> int:
    """Where a frame begins in the sealed bytes."""
    return HEADER_BYTES + number * FRAME_SEALED_BYTES


class Frames:
    """The frames under one data key and header."""

    def __init__(self, data_key: bytes, header: bytes) -> None:
        """Damaged when the header is not one of this format."""
        if len(header) != HEADER_BYTES or not header.startswith(_PREFIX):
            raise Damaged("it does not begin as sealed bytes do")
        self._key = hmac.digest(data_key, header, "sha256")
        self._cipher = AESGCM(self._key)

    def seal(self, number: int, plain: bytes | memoryview) -> bytes:
        return self._cipher.encrypt(_nonce(number), plain, None)

    def seal_end(self, size: int) -> bytes:
        return self._cipher.encrypt(_END_NONCE, size.to_bytes(8, "big"), None)

    def begin(self, number: int) -> AEADEncryptionContext:
        """To seal one frame piece by piece."""
        return Cipher(AES(self._key), GCM(_nonce(number))).encryptor()

    def begin_open(self, number: int) -> AEADDecryptionContext:
        """To open one frame piece by piece; nothing of it may be used before `finalize_with_tag`."""
        return Cipher(AES(self._key), GCM(_nonce(number))).decryptor()

    def open(self, number: int, sealed: bytes | memoryview) -> bytes:
        """The plain bytes of a frame, or Damaged."""
        try:
            return self._cipher.decrypt(_nonce(number), sealed, None)
        except InvalidTag:
            raise Damaged(f"its frame {number} was changed, or sealed under another key") from None

    def open_into(self, number: int, sealed: memoryview, room: memoryview) -> None:
        """The plain bytes of a frame into a room of their size, or Damaged; then nothing in it may be used."""
        try:
            self._cipher.decrypt_into(_nonce(number), sealed, None, room)
        except InvalidTag:
            raise Damaged(f"its frame {number} was changed, or sealed under another key") from None

    def check_end(self, sealed: bytes | memoryview, size: int) -> None:
        """Damaged unless these are the last bytes of `size` plain ones."""
        try:
            said = self._cipher.decrypt(_END_NONCE, sealed, None)
        except InvalidTag:
            raise Damaged("its end is missing, was changed, or was sealed under another key") from None
        if said != size.to_bytes(8, "big"):
            raise Damaged("it is not as long as it was")


def seal(data_key: bytes, salt: bytes, plain: bytes) -> bytes:
    """All of a body at once."""
    header, size = make_header(salt), len(plain)
    frames = Frames(data_key, header)
    if size <= FRAME_BYTES:
        sealed = [frames.seal(0, plain)] if size else []
    else:
        view = memoryview(plain)
        sealed = [frames.seal(number, _piece(view, number)) for number in range(frame_count(size))]
    return b"".join([header, *sealed, frames.seal_end(size)])


def unseal(data_key: bytes, sealed: bytes) -> bytes:
    """The plain bytes of a whole sealed body, or Damaged."""
    size = plain_size(len(sealed))
    frames = Frames(data_key, sealed[:HEADER_BYTES])
    view = memoryview(sealed)[:-END_BYTES]
    frames.check_end(sealed[-END_BYTES:], size)
    plain = [
        frames.open(number, view[frame_offset(number) : frame_offset(number + 1)])
        for number in range(frame_count(size))
    ]
    return plain[0] if len(plain) == 1 else b"".join(plain)


def _piece(plain: memoryview, number: int) -> memoryview:
    return plain[number * FRAME_BYTES : (number + 1) * FRAME_BYTES]


def _nonce(number: int) -> bytes:
    return number.to_bytes(8, "big") + b"\0\0\0\0"
