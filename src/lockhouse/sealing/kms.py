"""Key-encryption keys that AWS KMS encrypts: the database keeps them encrypted, and only KMS can open them.

`GenerateDataKey` makes a key; what KMS returned encrypted is its record, and `Decrypt` opens it when a server starts.
No request needs KMS. Both name an encryption context, so a key made for something else does not open here. Signed with
AWS Signature Version 4. Sources: AWS KMS API Reference; AWS General Reference, "Signature Version 4".
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import msgspec

from lockhouse.core.data_keys import KeyRecord
from lockhouse.errors import SettingInvalid, StorageUnavailable
from lockhouse.sealing.ring import KEK_BYTES, key_id

CONTEXT = {"lockhouse": "key-encryption-key"}
TIMEOUT_SECONDS = 10.0
_SERVICE = "kms"


class Identity(msgspec.Struct, frozen=True):
    """Who asks."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""


class _Answer(msgspec.Struct, frozen=True, rename="pascal"):
    plaintext: str
    ciphertext_blob: str = ""


class _ContainerAnswer(msgspec.Struct, frozen=True, rename="pascal"):
    access_key_id: str
    secret_access_key: str
    token: str = ""


@dataclass(frozen=True)
class KmsKeys:
    """`sealing.sources.Source` with AWS KMS. `before` has keys from before KMS was used, if there are any."""

    key: str
    """Id, ARN or alias."""
    region: str
    endpoint: str
    environment: Mapping[str, str]
    before: Callable[[], list[bytes]] = list
    kind: str = "aws-kms"

    def load(self, records: Sequence[KeyRecord]) -> list[bytes]:
        found = self.before()
        for record in records:
            if record.source == self.kind:
                answer = self._ask(
                    "Decrypt",
                    {
                        "CiphertextBlob": base64.b64encode(record.wrapped).decode(),
                        "EncryptionContext": CONTEXT,
                        "KeyId": record.wrapped_by,
                    },
                )
                found.append(base64.b64decode(answer.plaintext))
        return found

    def make(self, now: float, known: Sequence[bytes] = ()) -> tuple[bytes, KeyRecord]:  # noqa: ARG002 - in the database
        answer = self._ask(
            "GenerateDataKey", {"KeyId": self.key, "NumberOfBytes": KEK_BYTES, "EncryptionContext": CONTEXT}
        )
        kek = base64.b64decode(answer.plaintext)
        return kek, KeyRecord(key_id(kek), now, self.kind, base64.b64decode(answer.ciphertext_blob), self.key)

    def where(self) -> str:
        return f"AWS KMS key {self.key}"

    def _ask(self, action: str, document: Mapping[str, object]) -> _Answer:
        body = json.dumps(document).encode()
        endpoint = self.endpoint or f"https://kms.{self.region}.amazonaws.com"
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "host": urlsplit(endpoint).netloc,
            "x-amz-target": f"TrentService.{action}",
        }
        try:
            who = find_identity(self.environment)
            signed = sign(headers, body, who, self.region, dt.datetime.now(dt.UTC))
            response = httpx.post(f"{endpoint}/", content=body, headers=signed, timeout=TIMEOUT_SECONDS)
        except httpx.HTTPError as error:
            raise StorageUnavailable(
                f"cannot ask {self.where()}: {type(error).__name__}", hint="states stay sealed until it answers"
            ) from error
        if response.status_code != 200:
            try:
                said = str(response.json().get("__type", "")).rpartition("#")[2]
            except ValueError:
                said = ""
            raise StorageUnavailable(
                f"cannot open the keys with {self.where()}: {action} was answered {response.status_code} {said}"[:300],
                hint="may this server use kms:GenerateDataKey and kms:Decrypt with it?",
            )
        try:
            return msgspec.json.decode(response.content, type=_Answer)
        except msgspec.DecodeError as error:
            raise StorageUnavailable(
                f"cannot read the answer of {self.where()}",
                hint="is the endpoint that of AWS KMS? docs/guide/encryption.md",
            ) from error


def find_identity(environment: Mapping[str, str]) -> Identity:
    """From AWS_… variables, or the container's own address for credentials. Errors: SettingInvalid."""
    if "AWS_ACCESS_KEY_ID" in environment and "AWS_SECRET_ACCESS_KEY" in environment:
        return Identity(
            environment["AWS_ACCESS_KEY_ID"],
            environment["AWS_SECRET_ACCESS_KEY"],
            environment.get("AWS_SESSION_TOKEN", ""),
        )
    relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "")
    address = f"http://169.254.170.2{relative}" if relative else environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if address:
        token = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        response = httpx.get(
            address, headers={"authorization": token} if token else {}, timeout=TIMEOUT_SECONDS
        ).raise_for_status()
        found = msgspec.json.decode(response.content, type=_ContainerAnswer)
        return Identity(found.access_key_id, found.secret_access_key, found.token)
    raise SettingInvalid(
        "cannot ask AWS KMS: there are no credentials",
        hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the container a role",
        setting="encryption_key",
    )


def sign(headers: Mapping[str, str], body: bytes, who: Identity, region: str, now: dt.datetime) -> dict[str, str]:
    """The headers of a POST to `/` with their signature."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    every = dict(headers) | {"x-amz-date": stamp}
    if who.session_token:
        every["x-amz-security-token"] = who.session_token
    names = ";".join(sorted(every))
    canonical = "\n".join(
        [
            "POST",
            "/",
            "",
            *(f"{name}:{every[name]}" for name in sorted(every)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{stamp[:8]}/{region}/{_SERVICE}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{who.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{who.access_key_id}/{scope}"
    every["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return every
