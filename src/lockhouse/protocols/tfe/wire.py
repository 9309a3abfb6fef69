"""JSON:API as HCP Terraform speaks it: documents, errors, pages, queries. Pure.

Sources: JSON:API 1.0; PROTOCOLS 4.4 and 4.5 (what clients read, and which mistakes are fatal to them). The one error
table of this room is `STATUSES`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from lockhouse.core.times import timestamp
from lockhouse.errors import DocumentMalformed, Problem, RequestInvalid
from lockhouse.protocols.web import unescape

Json = dict[str, object]
CONTENT_TYPE = b"application/vnd.api+json"
API_VERSION = b"2.6"
"""Below 2.5 `cloud {}` refuses the server; from 2.6 on it may import."""
APP_NAME = b"HCP Terraform"
"""Clients replace any other name by this one."""
SNAPSHOT_SECONDS = 30
"""How often a long apply saves what it has, so that a killed client loses little (PROTOCOLS 4.6)."""
MAX_PAGE = 100
PAGE = 20
_INDEXED = re.compile(r"filter\[tagged\]\[(\d{1,3})\]\[(key|value)\]")

STATUSES: Mapping[str, int] = {
    "lock.held": 409,
    "lock.maintenance": 409,
    "lock.mismatch": 409,
    "lock.not_found": 409,
    "write.locked": 409,
    "write.maintenance": 409,
    "write.fenced": 409,
    "write.lock_required": 409,
    "write.serial": 409,
    "write.lineage": 409,
    "body.invalid": 422,
    "body.too_large": 413,
    "body.incomplete": 400,
    "body.digest": 422,
    "body.digest_invalid": 422,
    "body.length_missing": 411,
    "delete.locked": 409,
    "delete.resources": 409,
    "state.not_found": 404,
    "state.deleted": 404,
    "version.not_found": 404,
    "parked.not_found": 404,
    "review.not_found": 404,
    "webhook.exists": 422,
    "webhook.not_found": 404,
    "maintenance.not_found": 404,
    "namespace.not_found": 404,
    "namespace.exists": 422,
    "namespace.invalid": 422,
    "namespace.not_empty": 422,
    "namespace.conflict": 422,
    "namespace.document_not_found": 404,
    "upload.not_found": 404,
    "upload.part_invalid": 422,
    "condition.failed": 412,
    "table.not_found": 404,
    "table.exists": 422,
    "workspace.not_found": 404,
    "workspace.exists": 422,
    "workspace.ambiguous": 422,
    "project.not_found": 404,
    "project.exists": 422,
    "access.denied": 403,
    "credential.unknown": 401,
    "credential.expired": 401,
    "signature.missing": 401,
    "signature.malformed": 400,
    "signature.unsupported": 400,
    "signature.mismatch": 403,
    "signature.skewed": 403,
    "signature.expired": 403,
    "principal.not_found": 404,
    "principal.exists": 422,
    "principal.needed": 422,
    "request.invalid": 422,
    "request.document": 400,
    "request.method": 405,
    "request.unsupported": 422,
    "range.unsatisfiable": 416,
    "encryption.key": 400,
    "provider.unavailable": 503,
    "slow_down": 429,
    "storage.full": 503,
    "storage.unavailable": 503,
}
"""The answer to each problem, by its code. A 404 on a name makes clients create it: `access.denied` is always 403."""

TITLES: Mapping[int, str] = {
    400: "bad request",
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    405: "method not allowed",
    409: "conflict",
    411: "length required",
    412: "precondition failed",
    413: "payload too large",
    416: "range not satisfiable",
    422: "unprocessable entity",
    429: "too many requests",
    500: "internal error",
    503: "service unavailable",
}


class Query:
    """Decoded query parameters; the first of each name counts. `+` is a space here (form encoding)."""

    def __init__(self, raw: bytes) -> None:
        self._pairs: dict[str, str] = {}
        for piece in raw.replace(b"+", b"%20").split(b"&"):
            name, _, value = piece.partition(b"=")
            self._pairs.setdefault(_clean(unescape(name)), _clean(unescape(value)))

    def get(self, name: str) -> str:
        return self._pairs.get(name, "")

    def words(self, name: str) -> tuple[str, ...]:
        """A comma list."""
        return tuple(word.strip() for word in self.get(name).split(",") if word.strip())

    def includes(self, name: str) -> bool:
        return name in (word.replace("-", "_") for word in self.words("include"))

    @property
    def narrows(self) -> bool:
        """Whether anything but a plain page in name order was asked for."""
        return any(
            value and (name.startswith(("search[", "filter[")) or name == "sort") for name, value in self._pairs.items()
        )

    def tagged(self) -> list[tuple[str, str | None]]:
        """The pairs of `filter[tagged][N][key]` and `[value]`; without a value any will do."""
        found: dict[int, dict[str, str]] = {}
        for name, value in self._pairs.items():
            match = _INDEXED.fullmatch(name)
            if match:
                found.setdefault(int(match[1]), {})[match[2]] = value
        return [(each["key"], each.get("value")) for _, each in sorted(found.items()) if "key" in each]

    def page(self) -> tuple[int, int]:
        """(number from 1, size). Errors: `request.invalid`."""
        number, size = self._number("page[number]", 1), self._number("page[size]", PAGE)
        return number, min(size, MAX_PAGE)

    def _number(self, name: str, default: int) -> int:
        text = self.get(name)
        if not text:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
            raise RequestInvalid(
                f"cannot use {name}={text[:20]}: it must be a number from 1", hint=f"{name}=1", argument=name
            )
        return int(text)


def _clean(text: str) -> str:
    """What was no UTF-8 becomes U+FFFD, so that it can be looked for (and is not found)."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class Document:
    """A request document: the attributes and relationships of its `data`, each checked where it is asked for."""

    def __init__(self, body: bytes) -> None:
        try:
            top = msgspec.json.decode(body, type=dict[str, object]) if body.strip() else {}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise DocumentMalformed(
                "cannot read the request: it is not a JSON:API document",
                hint="send application/vnd.api+json with data, its type and its attributes",
            ) from None
        self.top = top
        data = top.get("data")
        self.data = data if isinstance(data, dict) else {}
        self.items = [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []
        attributes = self.data.get("attributes")
        self.attributes: Json = attributes if isinstance(attributes, dict) else {}

    def text(self, name: str, default: str = "") -> str:
        """A text attribute; null counts as absent. Errors: `request.invalid`."""
        value = self.attributes.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise RequestInvalid(
                f"cannot use the attribute {name}: it must be a text", hint="put it in quotation marks", argument=name
            )
        return value

    def number(self, name: str) -> int:
        value = self.attributes.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
            raise RequestInvalid(
                f"cannot use the attribute {name}: it must be a whole number",
                hint="leave the quotation marks out",
                argument=name,
            )
        return value

    def flag(self, name: str) -> bool:
        return self.attributes.get(name) is True

    def related(self, name: str) -> list[Json] | None:
        """The resource identifiers of a relationship, or None when the document does not name it."""
        relationships = self.data.get("relationships")
        relation = relationships.get(name) if isinstance(relationships, dict) else None
        if not isinstance(relation, dict) or "data" not in relation:
            return None
        data = relation["data"]
        if isinstance(data, dict):
            return [data]
        return [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []

    def related_id(self, name: str) -> str | None:
        found = self.related(name)
        if found is None:
            return None
        value = found[0].get("id") if found else ""
        return value if isinstance(value, str) else ""


def attribute(resource: Json, name: str) -> str:
    """A text attribute of a resource inside a list; empty when absent."""
    attributes = resource.get("attributes")
    value = attributes.get(name) if isinstance(attributes, dict) else None
    return value if isinstance(value, str) else ""


def bindings_of(resources: Sequence[Json]) -> dict[str, str]:
    """Tag bindings as a map. Errors: `request.invalid` for one without a key."""
    found = {attribute(each, "key"): attribute(each, "value") for each in resources}
    if "" in found:
        raise RequestInvalid(
            "cannot use a tag binding without a key", hint="give each binding a key", argument="tag-bindings"
        )
    return found


def encode(document: Json) -> bytes:
    return msgspec.json.encode(document)


def resource(kind: str, resource_id: str, attributes: Json, relationships: Json | None = None, path: str = "") -> Json:
    """A resource object."""
    found: Json = {"id": resource_id, "type": kind, "attributes": attributes}
    if relationships:
        found["relationships"] = relationships
    if path:
        found["links"] = {"self": path}
    return found


def to_one(kind: str, resource_id: str | None) -> Json:
    return {"data": {"id": resource_id, "type": kind} if resource_id else None}


def to_many(kind: str, ids: Sequence[str]) -> Json:
    return {"data": [{"id": each, "type": kind} for each in ids]}


def page_of(found: Sequence[Json], query: Query, total: int, included: Sequence[Json] | None = None) -> Json:
    """One page of a list that was cut already, with `meta.pagination`."""
    number, size = query.page()
    pages = max(1, -(-total // size))
    document: Json = {
        "data": list(found),
        "meta": {
            "pagination": {
                "current-page": number,
                "page-size": size,
                "prev-page": number - 1 if number > 1 else None,
                "next-page": number + 1 if number < pages else None,
                "total-pages": pages,
                "total-count": total,
            }
        },
    }
    if included is not None:
        document["included"] = unique(included)
    return document


def unique(resources: Sequence[Json]) -> list[Json]:
    """Each (type, id) once (JSON:API, "Compound Documents")."""
    return list({(str(each["type"]), str(each["id"])): each for each in resources}.values())


def moment(at: float) -> str:
    """As HCP writes times: RFC 3339 in UTC, milliseconds at most, always `Z`."""
    return timestamp(int(at * 1000) / 1000)


def encode_problem(problem: Problem) -> tuple[int, bytes]:
    status = STATUSES[problem.code]
    detail = problem.message if not problem.hint else f"{problem.message} ({problem.hint})"
    return status, encode_error(status, detail)


def encode_error(status: int, detail: str = "") -> bytes:
    error: Json = {"status": str(status), "title": TITLES.get(status, "error")}
    if detail:
        error["detail"] = detail
    return encode({"errors": [error]})
