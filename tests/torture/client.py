"""A client of the whole server: signed S3 and DynamoDB requests over plain sockets, each tried exactly once."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

TABLE = "torture-locks"


class Refused(Exception):
    """The server answered, and the answer is no."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status} {body[:300]!r}")
        self.status = status
        self.body = body


class Client:
    """One connection. OSError or HTTPException: nobody knows what became of the request."""

    table = TABLE
    patience = 20.0
    """Seconds after which it gives up, with TimeoutError."""

    def __init__(self, access: Mapping[str, str]) -> None:
        self._endpoint = access["endpoint"]
        self._credentials = Credentials(access["access_key_id"], access["secret_access_key"])
        self._connection = http.client.HTTPConnection(urlsplit(self._endpoint).netloc, timeout=self.patience)

    def close(self) -> None:
        self._connection.close()

    def put_object(self, namespace: str, key: str, body: bytes) -> str:
        """Answers the version id."""
        return self._s3("PUT", namespace, key, body)[0]["x-amz-version-id"]

    def get_object(self, namespace: str, key: str, version_id: str = "") -> tuple[str, bytes]:
        headers, body = self._s3("GET", namespace, key, query=f"?versionId={version_id}" if version_id else "")
        return headers["x-amz-version-id"], body

    def create_table(self) -> None:
        self._dynamodb(
            "CreateTable",
            TableName=self.table,
            KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def lock(self, lock_id: str, info: str) -> None:
        self._dynamodb(
            "PutItem",
            TableName=self.table,
            Item={"LockID": {"S": lock_id}, "Info": {"S": info}},
            ConditionExpression="attribute_not_exists(LockID)",
        )

    def holder(self, lock_id: str) -> str:
        """The lock document; empty when the lock is free."""
        answer = self._dynamodb(
            "GetItem",
            TableName=self.table,
            Key={"LockID": {"S": lock_id}},
            ProjectionExpression="LockID, Info",
            ConsistentRead=True,
        )
        return answer["Item"]["Info"]["S"] if answer.get("Item") else ""

    def digest(self, lock_id: str) -> str:
        """The MD5 that the table has for the state; empty when it has none."""
        answer = self._dynamodb(
            "GetItem", TableName=self.table, Key={"LockID": {"S": f"{lock_id}-md5"}}, ConsistentRead=True
        )
        return answer["Item"]["Digest"]["S"] if answer.get("Item") else ""

    def unlock(self, lock_id: str) -> None:
        self._dynamodb("DeleteItem", TableName=self.table, Key={"LockID": {"S": lock_id}})

    def _s3(
        self, method: str, namespace: str, key: str, body: bytes = b"", query: str = ""
    ) -> tuple[dict[str, str], bytes]:
        path = f"/{namespace}/{quote(key)}{query}"
        request = AWSRequest(method, self._endpoint + path, data=body)
        S3SigV4Auth(self._credentials, "s3", "us-east-1").add_auth(request)
        return self._send(method, path, body, request)

    def _dynamodb(self, action: str, **document: object) -> dict:
        body = json.dumps(document).encode()
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{action}"}
        request = AWSRequest("POST", self._endpoint + "/", data=body, headers=headers)
        SigV4Auth(self._credentials, "dynamodb", "us-east-1").add_auth(request)
        return json.loads(self._send("POST", "/", body, request)[1])

    def _send(self, method: str, path: str, body: bytes, request: AWSRequest) -> tuple[dict[str, str], bytes]:
        try:
            self._connection.request(method, path, body, dict(request.headers.items()))
            answer = self._connection.getresponse()
            given = answer.read()
        except BaseException:
            self._connection.close()
            raise
        if answer.status >= 300:
            raise Refused(answer.status, given)
        return {name.lower(): value for name, value in answer.getheaders()}, given
