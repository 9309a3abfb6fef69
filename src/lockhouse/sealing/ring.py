"""The ring of key-encryption keys: the newest wraps, all unwrap.

A key-encryption key is 32 random bytes and is named after its own hash, so no other bytes can pass for it. In text it
is `lhkek_` and 43 letters of base64url. A data key is wrapped with AES-256-GCM together with the hash of its place
(`core.data_keys`); its id is authenticated with it:

    wrapped = nonce (12 random bytes), AES-256-GCM(key-encryption key, nonce, data key || SHA-256(place), data key id)

Wrapping anew, for a new key-encryption key, needs no place and no body. A ring may be used by many threads.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lockhouse.core.data_keys import DataKey
from lockhouse.errors import FROM_A_BACKUP, StorageUnavailable
from lockhouse.sealing.frames import DATA_KEY_BYTES

KEK_BYTES = 32
PREFIX = "lhkek_"
RELOAD_SECONDS = 5.0
"""A key that is not known is looked for at its source at most this often."""
_NONCE = 12


def key_id(kek: bytes) -> str:
    """`kek-` and 16 hex digits of the key's hash."""
    return "kek-" + hashlib.sha256(b"lockhouse:key-encryption-key\0" + kek).hexdigest()[:16]


def key_text(kek: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(kek).decode().rstrip("=")


def read_keys(text: str) -> list[bytes]:
    """The keys in a text, oldest first: separated by spaces, commas or lines; what follows `#` in a line is a remark.

    ValueError says what is wrong, without the key."""
    keys: list[bytes] = []
    for line in text.splitlines():
        for word in line.partition("#")[0].replace(",", " ").split():
            try:
                kek = base64.urlsafe_b64decode(word.removeprefix(PREFIX) + "=")
            except (binascii.Error, ValueError):
                kek = b""
            if not word.startswith(PREFIX) or len(kek) != KEK_BYTES or key_text(kek) != word:
                raise ValueError(f"key {len(keys) + 1} is not {PREFIX} and 43 letters of base64url")
            if kek not in keys:
                keys.append(kek)
    return keys


class Ring:
    """The keys that this process has."""

    def __init__(
        self,
        keys: Sequence[bytes],
        look_again: Callable[[], Sequence[bytes]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`keys` oldest first, at least one. `look_again` reads them from their source, where others may have added
        one."""
        self._look_again = look_again
        self._clock = clock
        self._looked = float("-inf")
        self._changing = threading.Lock()
        self._ciphers: dict[str, AESGCM] = {}
        self._keys: dict[str, bytes] = {}
        self.newest = ""
        self.replace(keys)

    def replace(self, keys: Iterable[bytes]) -> None:
        """Use these keys from now on, oldest first; those that are known already stay. The newest is the last one that
        was not known: what was read while another key came does not make an older one the newest again."""
        with self._changing:
            ciphers = dict(self._ciphers)
            newest = self.newest
            for kek in keys:
                name = key_id(kek)
                if name not in ciphers:
                    newest, ciphers[name], self._keys[name] = name, AESGCM(kek), kek
            self._ciphers, self.newest = ciphers, newest

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self._ciphers)

    @property
    def keys(self) -> list[bytes]:
        """All of them, oldest first: only for their source, which may have lost them."""
        return list(self._keys.values())

    def wrap(self, secret: bytes, new_id: bytes, place: bytes) -> DataKey:
        """A data key, for one place. `new_id` is the id of no other key."""
        return self._wrapped(secret + hashlib.sha256(place).digest(), new_id, place)

    def unwrap(self, key: DataKey) -> bytes:
        """The data key, at its place. Errors: `storage.unavailable` when its key-encryption key is missing, when it was
        changed, destroyed or belongs to another place."""
        content = self._content(key)
        if not hmac.compare_digest(content[DATA_KEY_BYTES:], hashlib.sha256(key.place).digest()):
            raise StorageUnavailable("cannot open a body: its data key belongs to another version", hint=FROM_A_BACKUP)
        return content[:DATA_KEY_BYTES]

    def rewrap(self, key: DataKey) -> DataKey:
        """The same data key under the newest key-encryption key. Errors as `unwrap`, but the place is not looked at."""
        return self._wrapped(self._content(key), key.id, key.place)

    def _wrapped(self, content: bytes, new_id: bytes, place: bytes) -> DataKey:
        nonce, newest = os.urandom(_NONCE), self.newest
        return DataKey(new_id, newest, nonce + self._ciphers[newest].encrypt(nonce, content, new_id), place)

    def _content(self, key: DataKey) -> bytes:
        if not key.kek:
            raise StorageUnavailable("cannot open a body: its data key is gone", hint=FROM_A_BACKUP)
        cipher = self._ciphers.get(key.kek) or self._found_again(key.kek)
        if cipher is None:
            raise StorageUnavailable(
                f"cannot open a body: the key-encryption key {key.kek} is missing",
                hint="bring that key back: docs/guide/encryption.md",
            )
        try:
            return cipher.decrypt(key.wrapped[:_NONCE], key.wrapped[_NONCE:], key.id)
        except (InvalidTag, ValueError):
            raise StorageUnavailable("cannot open a body: its data key is damaged", hint=FROM_A_BACKUP) from None

    def _found_again(self, kek: str) -> AESGCM | None:
        with self._changing:
            if self._look_again is None or self._clock() - self._looked < RELOAD_SECONDS:
                return self._ciphers.get(kek)
            self._looked = self._clock()
        try:
            self.replace(self._look_again())
        except Exception:  # noqa: BLE001 - whatever the source raises, the key is still missing, and that is said
            return None
        return self._ciphers.get(kek)
