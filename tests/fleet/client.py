"""A client that can hold a lock in each protocol's words: table item, lock object, http. One try for each request."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest

from tests.torture.client import Client, Refused

TABLE = "terraform-locks"


class Protocol(StrEnum):
    """How the lock is taken."""

    TABLE = "table"
    LOCKFILE = "lockfile"
    HTTP = "http"


class LockClient(Client):
    """One connection to one endpoint, as one user. Raises as `Client` does."""

    table = TABLE

    def __init__(self, access: Mapping[str, str], protocol: Protocol) -> None:
        super().__init__(access)
        self.protocol = protocol
        pair = f"{access['access_key_id']}:{access['secret_access_key']}".encode()
        self._basic = {"Authorization": "Basic " + base64.b64encode(pair).decode()}

    def take(self, namespace: str, key: str, lock_id: str) -> None:
        """Refused (400 of a table, 412, 423) while another has it."""
        info = json.dumps({"ID": lock_id, "Operation": "OperationTypeApply", "Who": "me", "Path": key})
        match self.protocol:
            case Protocol.TABLE:
                self.lock(f"{namespace}/{key}", info)
            case Protocol.LOCKFILE:
                self._signed("PUT", f"/{namespace}/{quote(key)}.tflock", info.encode(), {"If-None-Match": "*"})
            case Protocol.HTTP:
                self._plain("LOCK", f"/http/{namespace}/{quote(key)}", info.encode())

    def leave(self, namespace: str, key: str, lock_id: str) -> None:
        match self.protocol:
            case Protocol.TABLE:
                self.unlock(f"{namespace}/{key}")
            case Protocol.LOCKFILE:
                self._signed("DELETE", f"/{namespace}/{quote(key)}.tflock")
            case Protocol.HTTP:
                info = json.dumps({"ID": lock_id}).encode()
                self._plain("UNLOCK", f"/http/{namespace}/{quote(key)}", info)

    def put(self, namespace: str, key: str, body: bytes, lock_id: str) -> None:
        if self.protocol is Protocol.HTTP:
            self._plain("POST", f"/http/{namespace}/{quote(key)}?ID={lock_id}", body)
        else:
            self.put_object(namespace, key, body)

    def get(self, namespace: str, key: str) -> bytes:
        """Empty when there is none."""
        try:
            if self.protocol is Protocol.HTTP:
                return self._plain("GET", f"/http/{namespace}/{quote(key)}")
            return self.get_object(namespace, key)[1]
        except Refused as refusal:
            if refusal.status == 404:
                return b""
            raise

    def _signed(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
        request = AWSRequest(method, self._endpoint + path, data=body, headers=dict(headers or {}))
        S3SigV4Auth(self._credentials, "s3", "us-east-1").add_auth(request)
        return self._send(method, path, body, request)[1]

    def _plain(self, method: str, path: str, body: bytes = b"") -> bytes:
        request = AWSRequest(method, self._endpoint + path, data=body, headers=dict(self._basic))
        return self._send(method, path, body, request)[1]
