"""One request for each row of every routing table, and for each thing that a row may be asked about.

A row whose path or body needs more than names is told here how; a row that is missing here has no probe, which a test
notices.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, replace

from lockhouse.core.needs import Need
from lockhouse.protocols.api import needs as api_needs
from lockhouse.protocols.api.routes import PREFIX
from lockhouse.protocols.dynamodb import needs as dynamodb_needs
from lockhouse.protocols.http import needs as http_needs
from lockhouse.protocols.http.wire import Act
from lockhouse.protocols.s3 import needs as s3_needs
from lockhouse.protocols.s3.routes import ROUTES as S3
from lockhouse.protocols.s3.routes import Place
from lockhouse.protocols.sts import needs as sts_needs
from lockhouse.protocols.tfe import needs as tfe_needs
from tests.wire.access.world import (
    BROWSER,
    EMPTY_TEAM,
    KEY,
    NAMESPACE,
    REVIEW,
    SESSION,
    TABLE,
    WORKSPACE,
    Ask,
    document,
    quoted,
)
from tests.wire.rig import state

LOCK = document({"ID": "mine", "Operation": "OperationTypePlan", "Who": "me@here"})
STATE = state(3, vpc="vpc-1")
ITEM = {"LockID": {"S": "ordinary"}}
LOCK_ITEM = {"LockID": {"S": f"{NAMESPACE}/{KEY}"}, "Info": {"S": LOCK.decode()}}
LOCK_KEY = {"LockID": {"S": f"{NAMESPACE}/{KEY}"}}
DIGEST_KEY = {"LockID": {"S": f"{NAMESPACE}/{KEY}-md5"}}
GRANT = {"namespace": NAMESPACE, "rights": ["read"]}


@dataclass(frozen=True)
class Probe:
    """A request, and what the table of rights says of it."""

    protocol: str
    route: str
    need: Need
    ask: Ask

    def __str__(self) -> str:
        return f"{self.protocol} {self.route} {self.need.on}".strip()


def all_probes() -> list[Probe]:
    """Every one, in the order of the tables."""
    return [*_s3(), *_dynamodb(), *_http(), *_sts(), *_tfe(), *_api()]


def _s3() -> list[Probe]:
    found = []
    for route in S3:
        for need in s3_needs.NEEDS[route.name]:
            key, holding = f"app.{'tfstate' if 'a prefix' not in need.on else ''}", ""
            if "lock" in need.on:
                key, holding = (
                    f"{KEY}.tflock",
                    {"a lock of one's own": "caller", "another's lock": "other"}.get(need.on, ""),
                )
            found.append(Probe("s3", route.name, need, _s3_ask(route, key, holding)))
    return found


def _s3_ask(route, key: str, holding: str) -> Ask:
    path = {Place.SERVICE: "/", Place.BUCKET: f"/{NAMESPACE}", Place.OBJECT: f"/{NAMESPACE}/{key}"}[route.place]
    body, headers, query = b"", (), f"?{route.marker}" if route.marker else ""
    if "uploadId" in route.marker:
        path = f"/{NAMESPACE}/parts.txt"
    match route.name:
        case "CreateBucket":
            path = f"/{NAMESPACE}"
        case "CopyObject":
            query, headers = "", (("x-amz-copy-source", f"/{NAMESPACE}/{KEY}"),)
            path = f"/{NAMESPACE}/copy.txt"
        case "UploadPartCopy":
            query, headers = "?uploadId={upload}&partNumber=1", (("x-amz-copy-source", f"/{NAMESPACE}/{KEY}"),)
        case "UploadPart":
            query, body = "?uploadId={upload}&partNumber=1", b"part"
        case "ListParts" | "AbortMultipartUpload":
            query = "?uploadId={upload}"
        case "CompleteMultipartUpload":
            query = "?uploadId={upload}"
            body = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{hashlib.md5(b'part').hexdigest()}</ETag></Part></CompleteMultipartUpload>".encode()
        case "ListObjectsV2":
            query = "?list-type=2"
        case "PutObject":
            body, headers = (LOCK, (("if-none-match", "*"),)) if key.endswith(".tflock") else (STATE, ())
        case "DeleteObjects":
            body = f"<Delete><Object><Key>{key}</Key></Object></Delete>".encode()
            headers = (("content-md5", _md5(body)),)
        case "PutObjectTagging":
            body = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
            headers = (("content-md5", _md5(body)),)
        case "GetObjectAttributes" | "PutObjectAcl":
            headers = (("x-amz-object-attributes", "ETag,ObjectSize"), ("x-amz-acl", "private"))
        case "PutBucketVersioning":
            body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        case _ if route.method == "PUT" and route.place is Place.BUCKET:
            body = b"<Unread/>"
            headers = (("content-md5", _md5(body)),)
    return Ask(route.method, path + query, body, headers, "s3", holding)


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _dynamodb() -> list[Probe]:
    keys = {"a digest item": DIGEST_KEY, "an ordinary item": ITEM}
    fields: dict[str, dict] = {
        "ListTables": {},
        "DescribeEndpoints": {},
        "DescribeLimits": {},
        "CreateTable": {
            "TableName": f"{TABLE}",
            "AttributeDefinitions": [{"AttributeName": "LockID", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "LockID", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
        "UpdateTable": {"TableName": TABLE, "BillingMode": "PAY_PER_REQUEST"},
        "UpdateTimeToLive": {
            "TableName": TABLE,
            "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ends"},
        },
        "UpdateContinuousBackups": {
            "TableName": TABLE,
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        },
        "TagResource": {"ResourceArn": _arn(), "Tags": [{"Key": "a", "Value": "b"}]},
        "UntagResource": {"ResourceArn": _arn(), "TagKeys": ["a"]},
        "ListTagsOfResource": {"ResourceArn": _arn()},
    }
    found = []
    for action, its_needs in dynamodb_needs.NEEDS.items():
        for need in its_needs:
            key = keys.get(need.on, LOCK_KEY)
            item = key | (
                {"Info": LOCK_ITEM["Info"]}
                if key is LOCK_KEY
                else {"Digest": {"S": "0" * 32}}
                if key is DIGEST_KEY
                else {}
            )
            document_of = {
                "GetItem": {"TableName": TABLE, "Key": key},
                "PutItem": {"TableName": TABLE, "Item": item},
                "DeleteItem": {"TableName": TABLE, "Key": key},
                "UpdateItem": {
                    "TableName": TABLE,
                    "Key": key,
                    "UpdateExpression": "SET a = :a",
                    "ExpressionAttributeValues": {":a": {"S": "b"}},
                },
                "Query": {
                    "TableName": TABLE,
                    "KeyConditionExpression": "LockID = :k",
                    "ExpressionAttributeValues": {":k": key["LockID"]},
                },
                "BatchGetItem": {"RequestItems": {TABLE: {"Keys": [key]}}},
                "BatchWriteItem": {"RequestItems": {TABLE: [{"PutRequest": {"Item": item}}]}},
            }
            body = fields.get(action) if action in fields else document_of.get(action, {"TableName": TABLE})
            headers = (
                ("x-amz-target", f"DynamoDB_20120810.{action}"),
                ("content-type", "application/x-amz-json-1.0"),
            )
            holding = {"a lock of one's own": "caller", "another's lock": "other"}.get(need.on, "")
            ask = Ask("POST", "/", document(body), headers, "dynamodb", holding)
            found.append(Probe("dynamodb", action, need, ask))
    return found


def _arn() -> str:
    return f"arn:aws:dynamodb:us-east-1:000000000000:table/{TABLE}"


def _http() -> list[Probe]:
    path = f"/http/{NAMESPACE}/{KEY}"
    found = []
    for act, its_needs in http_needs.NEEDS.items():
        for need in its_needs:
            holding = {"a lock of one's own": "caller", "another's lock": "other"}.get(need.on, "")
            ask = {
                Act.READ: Ask("GET", path),
                Act.WRITE: Ask("POST", path, STATE),
                Act.DELETE: Ask("DELETE", path),
                Act.LOCK: Ask("LOCK", path, LOCK),
                Act.UNLOCK: Ask("UNLOCK", path, document({"ID": "held"}) if holding == "caller" else b""),
                Act.SHOW_LOCK: Ask("GET", f"{path}/lock"),
            }[act]
            found.append(Probe("http", str(act), need, replace(ask, holding=holding)))
    return found


def _sts() -> list[Probe]:
    found = []
    for name, its_needs in sts_needs.NEEDS.items():
        service, _, action = name.partition(":")
        version = "2011-06-15" if service == "sts" else "2010-05-08"
        form = f"Action={action}&Version={version}"
        if action == "AssumeRole":
            form += "&RoleSessionName=run&RoleArn=" + quoted("arn:aws:iam::000000000000:role/role-of-target")
        headers = (("content-type", "application/x-www-form-urlencoded"),)
        found.append(Probe("sts", name, its_needs[0], Ask("POST", "/", form.encode(), headers, service)))
    return found


def _tfe() -> list[Probe]:
    pair = {"team": {"type": "teams", "id": EMPTY_TEAM}, "workspace": {"type": "workspaces", "id": WORKSPACE}}
    given = {"type": "team-workspaces", "attributes": {"access": "plan"}}
    given["relationships"] = {name: {"data": each} for name, each in pair.items()}
    bodies = {
        "team-workspaces": document({"data": given}),
        "team-workspaces/{id}": document({"data": given}),
        "teams": _data("teams", name="more"),
        "relationships/users": document({"data": [{"type": "users", "id": "target"}]}),
        "authentication-token": _data("authentication-tokens", description="more"),
        "organizations": _data("organizations", name="another"),
        "workspaces": _data("workspaces", name="another"),
        "projects": _data("projects", name="another"),
        "actions/lock": document({"reason": "Locked by Terraform"}),
        "state-versions": _data("state-versions", serial=3, lineage="lin", md5="0" * 32),
        "tag-bindings": document({"data": [{"type": "tag-bindings", "attributes": {"key": "a", "value": "b"}}]}),
        "relationships/tags": document({"data": [{"type": "tags", "attributes": {"name": "a"}}]}),
        "remote-state-consumers": document({"data": [{"type": "workspaces", "id": WORKSPACE}]}),
    }
    found = []
    for route, its_needs in tfe_needs.NEEDS.items():
        method, _, path = route.partition(" ")
        body = b""
        if method in ("POST", "PATCH", "PUT", "DELETE"):
            body = next((bodies[end] for end in bodies if path.endswith(end)), b"")
            if not body and method == "PATCH":
                body = _data("projects" if path.startswith("projects") else "workspaces", description="more")
            if not body and path.endswith("authentication-tokens"):
                body = _data("authentication-tokens", description="more")
        for need in its_needs:
            holding = {"a lock of one's own": "caller", "another's lock": "other"}.get(need.on, "")
            if method in ("POST", "PATCH") and path.endswith("{id}/state-versions"):
                holding = "caller"
            if method == "PATCH" and path.endswith("state-versions"):
                version = {"type": "state-versions", "id": "{version}"}
                body = document(
                    {"data": {"type": "state-versions", "relationships": {"rollback-state-version": {"data": version}}}}
                )
            query = f"?filter%5Bworkspace%5D%5Bid%5D={WORKSPACE}" if route == "GET team-workspaces" else ""
            query += (
                f"?filter%5Borganization%5D%5Bname%5D={NAMESPACE}&filter%5Bworkspace%5D%5Bname%5D=app"
                if path == "state-versions"
                else ""
            )
            ask = Ask(
                method, f"/api/v2/{path}{query}", body, (("content-type", "application/vnd.api+json"),), "", holding
            )
            found.append(Probe("cloud", route, need, ask))
    return found


def _data(kind: str, **attributes: object) -> bytes:
    return document({"data": {"type": kind, "attributes": attributes}})


def _api() -> list[Probe]:
    bodies: dict[str, object] = {
        "POST /backup": {},
        "POST /scrub": {},
        "POST /namespaces": {"name": "another"},
        "PATCH /namespaces/{namespace}": {"require_lock": True},
        "PUT /namespaces/{namespace}/workspaces/{name}": {"key": KEY},
        "POST /principals": {"name": "another", "kind": "team", "grants": [GRANT]},
        "PUT /principals/{name}/link": {},
        "PUT /principals/{name}/teams": {"teams": ["team-of-target"]},
        "POST /keys": {"name": "another", "grants": [GRANT]},
        "POST /keys/{name}/grants": {"grants": [GRANT]},
        "POST /keys/{name}/ungrant": {"grants": [GRANT]},
        "POST /roles": {"name": "another", "grants": [GRANT]},
        "PUT /roles/{name}/trust": {"names": []},
        "POST /tokens": {"name": "target"},
        "POST /access-keys": {"name": "target"},
        "POST /credentials/{id}/rotate": {},
        "PATCH /namespaces/{namespace}/state": {"require_lock": True},
        "POST /namespaces/{namespace}/state/restore": {"key": KEY, "version": "{version}"},
        "POST /namespaces/{namespace}/state/undelete": {"key": KEY, "version": "{version}"},
        "PUT /namespaces/{namespace}/state/tags": {"key": KEY, "version": "{version}", "tags": {"a": "b"}},
        "PUT /namespaces/{namespace}/retention": {"prefix": "", "keep_versions": 10},
        "POST /namespaces/{namespace}/retention/preview": {},
        "POST /namespaces/{namespace}/force-unlock": {"key": KEY, "reason": "because"},
        "POST /namespaces/{namespace}/release-stale": {"key": KEY},
        "PUT /namespaces/{namespace}/stale-locks": {"act": "ask"},
        "POST /webhooks": {"name": "another", "url": "https://hooks.example/here", "namespace": NAMESPACE},
        "PATCH /webhooks/{name}": {"enabled": False},
        "POST /webhooks/{name}/replay": {"after": 0},
        "PUT /namespaces/{namespace}/maintenance": {"reason": "because"},
        "POST /reviews": {
            "schema": "lockhouse.review/1",
            "root": "/src/app",
            "commit": None,
            "services": [],
            "findings": [],
            "searched": {},
        },
    }
    found = []
    for route, its_needs in api_needs.NEEDS.items():
        method, _, path = route.partition(" ")
        query = f"?key={KEY}" if route in _KEYED else ""
        if route == "DELETE /namespaces/{namespace}/state/trash":
            query += "&version={version}"
        if route == "POST /namespaces/{namespace}/import":
            query = f"?about={quoted(_IMPORT)}"
        if route == "DELETE /namespaces/{namespace}/state":
            query += "&force=true"
        if route == "DELETE /namespaces/{namespace}/maintenance":
            query = "?prefix=closed/"
        for need in its_needs:
            holding = "other" if need.on in ("another's lock", "a lock") else ""
            body = document(bodies[route]) if route in bodies else b""
            found.append(Probe("api", route, need, Ask(method, f"{PREFIX}{path}{query}", body, (), "", holding)))
    return found


_IMPORT = json.dumps({"key": "imported.tfstate", "at": 1.0, "source": "s3://elsewhere", "place": "1"})
_KEYED = {
    f"{method} /namespaces/{{namespace}}/{rest}"
    for method, rest in (
        ("GET", "state"),
        ("PATCH", "state"),
        ("DELETE", "state"),
        ("GET", "state/versions"),
        ("GET", "state/body"),
        ("GET", "state/trash"),
        ("DELETE", "state/trash"),
        ("GET", "lock"),
    )
}


_AUTHORIZATION = "&".join(
    (
        "client_id=terraform-cli",
        "code_challenge=" + "A" * 43,
        "code_challenge_method=S256",
        "redirect_uri=http%3A%2F%2Flocalhost%3A10000%2Flogin",
        "response_type=code",
        "state=s",
    )
)
_CODE = "grant_type=authorization_code&client_id=terraform-cli&redirect_uri=http%3A%2F%2Flocalhost%3A10000%2Flogin"
_FORM = (("content-type", "application/x-www-form-urlencoded"),)
_ROLE = quoted("arn:aws:iam::000000000000:role/role-of-target")
OPEN_ASKS: dict[str, Ask] = {
    "GET /healthz": Ask("GET", "/healthz"),
    "GET /readyz": Ask("GET", "/readyz"),
    "GET /metrics": Ask("GET", "/metrics"),
    f"GET {PREFIX}/openapi.json": Ask("GET", f"{PREFIX}/openapi.json"),
    f"POST {PREFIX}/exchange": Ask(
        "POST", f"{PREFIX}/exchange", document({"policy": "role-of-target", "token": "e30.e30.e30"})
    ),
    "GET /.well-known/terraform.json": Ask("GET", "/.well-known/terraform.json"),
    "GET /oauth/authorization": Ask("GET", f"/oauth/authorization?{_AUTHORIZATION}"),
    "POST /oauth/authorization": Ask(
        "POST",
        "/oauth/authorization",
        f"{_AUTHORIZATION}&form_token={{form}}".encode(),
        (*_FORM, ("origin", "https://lock.test")),
    ),
    "POST /oauth/token": Ask("POST", "/oauth/token", f"{_CODE}&code=nothing&code_verifier={'v' * 43}".encode(), _FORM),
    "sts:AssumeRoleWithWebIdentity": Ask(
        "POST",
        "/",
        "&".join(
            (
                "Action=AssumeRoleWithWebIdentity",
                "Version=2011-06-15",
                f"RoleArn={_ROLE}",
                "RoleSessionName=run",
                "WebIdentityToken=e30.e30.e30",
            )
        ).encode(),
        _FORM,
    ),
}
"""One request for each route that asks for no credential, without a proof."""


def _page(path: str) -> Ask:
    return Ask("GET", path, service=BROWSER)


def _sent(path: str, form: str = "") -> Ask:
    return Ask("POST", path, f"form_token={{form}}{form}".encode(), (), BROWSER)


CONSOLE_ASKS: dict[str, Ask] = {
    "GET /console/style.css": _page("/console/style.css"),
    "GET /console/sign-in": _page("/console/sign-in"),
    "POST /console/sign-in": _sent("/console/sign-in", "&user=nobody&token=nothing"),
    "GET /console/sign-in/start": _page("/console/sign-in/start"),
    "GET /console/sign-in/callback": _page("/console/sign-in/callback?state=x&code=y"),
    "POST /console/sign-out": _sent("/console/sign-out"),
    "GET /console/sessions": _page("/console/sessions"),
    "POST /console/sessions/{id}/end": _sent(f"/console/sessions/{SESSION}/end"),
    "GET /console/reviews": _page("/console/reviews"),
    "GET /console/reviews/{id}": _page(f"/console/reviews/{REVIEW}"),
    "GET /console/traffic": _page("/console/traffic"),
}
"""One request of a browser for each page of the console."""
