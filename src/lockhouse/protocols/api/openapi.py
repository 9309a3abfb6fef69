"""The OpenAPI 3.1 description, made from the route table and the documents' types: it cannot differ from them."""

from __future__ import annotations

import re
from typing import Any

import msgspec

import lockhouse
from lockhouse.protocols.api import wire
from lockhouse.protocols.api.call import Download
from lockhouse.protocols.api.routes import PREFIX, ROUTES, Access, Route

_REFERENCE = "#/components/schemas/{name}"
_NUMBERS = frozenset({"limit", "before", "days"})
_SWITCHES = frozenset({"exact", "force"})


def document() -> bytes:
    """The description as JSON."""
    kinds: list[Any] = [wire.ErrorDocument]
    for route in ROUTES:
        kinds += [kind for kind in (route.answer, route.body) if kind is not None and kind is not Download]
    unique = list(dict.fromkeys(kinds))
    schemas, components = msgspec.json.schema_components(unique, ref_template=_REFERENCE)
    references = dict(zip(unique, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, references)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Lockhouse",
                "version": lockhouse.__version__,
                "description": "Administration of states, versions, locks, parked writes, keys and namespaces.",
            },
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer", "description": "An API token."},
                    "key": {
                        "type": "http",
                        "scheme": "basic",
                        "description": "An access key id with its secret, or any name with an API token.",
                    },
                },
            },
        }
    )


def _operation(route: Route, references: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.operation.__module__.rpartition('.')[2]}_{route.operation.__name__}",
        "responses": {
            str(route.status if route.answer is not None else 204): _answer(route, references),
            "default": {
                "description": "A problem; `error.code` says which.",
                "content": {"application/json": {"schema": references[wire.ErrorDocument]}},
            },
        },
        "security": [] if route.access is Access.PROOF else [{"token": []}, {"key": []}],
    }
    names = re.findall(r"\{(\w+)\}", route.path)
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    parameters += [_parameter(name, required=name == "key" and "namespace" in names) for name in route.query]
    if parameters:
        described["parameters"] = parameters
    if route.takes_bytes:
        described["requestBody"] = {
            "required": False,
            "content": {"application/octet-stream": {"schema": {"type": "string", "contentEncoding": "binary"}}},
        }
    if route.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": references[route.body]}},
        }
    return described


def _parameter(name: str, *, required: bool) -> dict[str, Any]:
    kind = "integer" if name in _NUMBERS else "boolean" if name in _SWITCHES else "string"
    return {"name": name, "in": "query", "required": required, "schema": {"type": kind}}


def _answer(route: Route, references: dict[Any, Any]) -> dict[str, Any]:
    if route.answer is None:
        return {"description": "Done."}
    if route.answer is Download:
        schema = {"type": "string", "contentEncoding": "binary"}
        return {"description": "The bytes.", "content": {"application/octet-stream": {"schema": schema}}}
    return {"description": "Done.", "content": {"application/json": {"schema": references[route.answer]}}}
