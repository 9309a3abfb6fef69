"""Every row of the route table: closed to strangers, to the ungranted, and described."""

from __future__ import annotations

import json
import re

import pytest
from openapi_spec_validator import validate

from lockhouse.core.reviews import Review
from lockhouse.errors import ALL_PROBLEMS
from lockhouse.protocols.api import (
    openapi,
    wire,
    wire_access,
    wire_history,
    wire_locks,
    wire_maintenance,
    wire_webhooks,
)
from lockhouse.protocols.api.routes import PREFIX, ROUTES, Access, Route
from tests.unit.protocols.api.desk import NAMESPACE, Desk, state

ROWS = [pytest.param(route, id=f"{route.method} {route.path}") for route in ROUTES]
ASKED_FOR_A_CREDENTIAL = [each for each in ROWS if each.values[0].access is not Access.PROOF]
_BODIES: dict[type[wire.Ask | Review], object] = {
    wire.BackupAsk: {},
    wire.NamespaceAsk: {"name": "another"},
    wire.NamespaceChange: {"require_lock": True},
    wire.WorkspaceAsk: {"key": "app.tfstate"},
    wire_access.KeyAsk: {"name": "another"},
    wire_access.GrantsAsk: {"grants": [{"namespace": "acme", "rights": ["read"]}]},
    wire_access.RoleAsk: {"name": "another", "grants": [{"namespace": "acme", "rights": ["read"]}]},
    wire_access.TrustAsk: {"names": []},
    wire_access.TokenAsk: {"name": "administrator"},
    wire_access.PrincipalAsk: {"name": "another", "kind": "team", "grants": [{"namespace": "acme", "role": "planner"}]},
    wire_access.LinkAsk: {"issuer": "https://id.example", "subject": "1"},
    wire_access.TeamsAsk: {"teams": ["administrator"]},
    wire_access.AccessKeyAsk: {"name": "administrator", "scope": [{"namespace": "acme", "role": "reader"}]},
    wire_access.RotateAsk: {"grace": 0},
    wire.RestoreAsk: {"key": "app.tfstate", "version": "1.x"},
    wire.StateChange: {"require_lock": True},
    wire_history.UndeleteAsk: {"key": "app.tfstate"},
    wire_history.TagsAsk: {"key": "app.tfstate", "tags": {"a": "b"}},
    wire_history.RuleAsk: {"keep_versions": 3},
    wire_history.PreviewAsk: {},
    wire_history.ScrubAsk: {},
    Review: {
        "schema": "lockhouse.review/1",
        "root": "/src/app",
        "commit": None,
        "services": [],
        "findings": [],
        "searched": {},
    },
    wire_webhooks.WebhookAsk: {"name": "another", "url": "https://hooks.example/here"},
    wire_maintenance.MaintenanceAsk: {"reason": "because"},
    wire_webhooks.WebhookChange: {"enabled": False},
    wire_webhooks.ReplayAsk: {"after": 0},
    wire.ForceUnlockAsk: {"key": "app.tfstate", "reason": "because"},
    wire_locks.ReleaseStaleAsk: {"key": "app.tfstate"},
    wire_locks.StaleRuleAsk: {"act": "ask"},
}
OWN = {
    "/status",
    "/namespaces",
    "/keys",
    "/principals",
    "/roles",
    "/parked",
    "/locks",
    "/sessions",
    "/reviews",
    "/traffic/locks",
    "/webhooks",
    "/maintenance",
}
HIDDEN = {
    "access.denied",
    "parked.not_found",
    "principal.not_found",
    "review.not_found",
    "webhook.not_found",
}
"""Lists that answer everybody with what they may see: nothing, here."""


def call(desk: Desk, route: Route, token: str | None = None):
    path = route.path.format(namespace=NAMESPACE, name="administrator", id="nothing", member="administrator")
    query = {"key": "app.tfstate"} if "key" in route.query and "{namespace}" in route.path else {}
    if "about" in route.query:
        query = {"about": json.dumps({"key": "app.tfstate", "at": 1, "source": "one"})}
    return desk.ask(route.method, path, _BODIES[route.body] if route.body else None, token=token, **query)


@pytest.mark.parametrize("route", ASKED_FOR_A_CREDENTIAL)
def test_a_stranger_is_told_nothing(desk: Desk, route: Route):
    for headers in (
        (),
        (("authorization", "Bearer lkh_x"),),
        (("authorization", "Basic !"),),
        (("authorization", ""),),
    ):
        answer = desk.ask(route.method, route.path, None, token="", headers=headers)
        assert answer.status == 401
        assert answer.code == "credential.unknown"
        assert "Bearer" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("route", ASKED_FOR_A_CREDENTIAL)
def test_a_caller_without_a_grant_changes_nothing_and_sees_nothing_of_others(desk: Desk, route: Route):
    desk.put("app.tfstate", state(1))
    desk.lock("app.tfstate")
    token = desk.token("nobody", {"namespace": "elsewhere", "rights": ["read"]})
    before = desk.ask("GET", f"/namespaces/{NAMESPACE}/state", key="app.tfstate").body
    answer = call(desk, route, token)
    if route.method == "GET" and route.path in OWN:
        assert answer.status == 200
        assert "app.tfstate" not in answer.body.decode()
        assert "administrator" not in answer.body.decode()
    else:
        assert answer.status in (403, 404), answer.body
        assert answer.code in HIDDEN, answer.body
    assert desk.ask("GET", f"/namespaces/{NAMESPACE}/state", key="app.tfstate").body == before


@pytest.mark.parametrize("route", ROWS)
def test_every_row_has_an_access_a_summary_and_a_place_in_the_description(route: Route):
    assert isinstance(route.access, Access)
    assert route.summary
    described = json.loads(openapi.document())["paths"][PREFIX + route.path][route.method.lower()]
    assert described["summary"] == route.summary
    names = [parameter["name"] for parameter in described.get("parameters", [])]
    assert names == re.findall(r"\{(\w+)\}", route.path) + list(route.query)
    assert ("requestBody" in described) == (route.body is not None or route.takes_bytes)


def test_the_error_table_has_every_problem_and_nothing_else():
    assert wire.STATUSES.keys() == ALL_PROBLEMS.keys()
    assert all(400 <= status < 600 for status in wire.STATUSES.values())


def test_the_description_is_valid_openapi():
    validate(json.loads(openapi.document()))


def test_operation_ids_are_unique():
    paths = json.loads(openapi.document())["paths"]
    ids = [operation["operationId"] for operations in paths.values() for operation in operations.values()]
    assert len(ids) == len(ROUTES)
    assert len(set(ids)) == len(ids)


def test_public_addresses_answer_without_a_credential(desk: Desk):
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert desk.ask("GET", path, token="").status == 200
        assert desk.ask("POST", path, token="").status == 405
    desk.api.draining = True
    assert desk.ask("GET", "/readyz", token="").status == 503


def test_metrics_name_nobody(desk: Desk):
    desk.put("secret/app.tfstate", state(1))
    desk.lock("secret/app.tfstate")
    desk.api.metrics.observe("s3", 200, 0.01)
    text = desk.ask("GET", "/metrics", token="").body.decode()
    assert "lockhouse_locks_held 1.0" in text
    assert 'lockhouse_requests_total{protocol="s3",status="200"} 1.0' in text
    assert "secret" not in text
    assert NAMESPACE not in text


def test_unknown_addresses_methods_parameters_and_fields_are_refused(desk: Desk):
    assert desk.ask("GET", "/nothing").status == 404
    assert desk.ask("GET", "/namespaces/x/state/body/more").status == 404
    wrong = desk.ask("PUT", "/keys")
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, POST")
    assert desk.ask("GET", "/keys", surprise="1").status == 400
    assert desk.ask("POST", "/keys", {"name": "x", "surprise": 1}).code == "request.document"
    for body in (b"", b"{", b"[]", b"\xff", b"null", b"[" * 50_000, b'{"name": 7}'):
        assert desk.ask("POST", "/keys", body).status == 400
    assert desk.ask("POST", "/keys", {"name": "x" * 70_000}).status == 413


def test_limits_and_switches_of_the_query_are_checked(desk: Desk):
    for query in ({"limit": "-1"}, {"limit": "many"}, {"limit": "1001"}, {"limit": "٣"}):
        assert desk.ask("GET", "/namespaces", **query).code == "request.invalid"
    where = f"/namespaces/{NAMESPACE}/state"
    assert desk.ask("DELETE", where, key="a.tfstate", force="yes").code == "request.invalid"
    assert desk.ask("GET", where).code == "request.invalid"


def test_what_nobody_foresaw_is_answered_without_a_word_of_it(desk: Desk, caplog: pytest.LogCaptureFixture):
    desk.house.locking.waiting.queue = lambda address: 1 / 0
    answer = desk.ask("GET", f"/namespaces/{NAMESPACE}/state", key="a.tfstate")
    assert answer.status == 500
    assert answer.code == "internal"
    assert "ZeroDivision" not in answer.body.decode()
    assert "REQUEST1" in answer.json["error"]["hint"]
    assert "REQUEST1" in caplog.text
    assert "ZeroDivision" in caplog.text


NAMED = [each for each in ASKED_FOR_A_CREDENTIAL if "{" in each.values[0].path]


@pytest.mark.parametrize("route", NAMED)
def test_a_name_that_is_no_text_is_refused_in_words(desk: Desk, route: Route):
    answer = desk.ask(route.method, re.sub(r"\{\w+\}", "%ff", route.path), None)
    assert (answer.status, answer.code) == (400, "request.invalid"), answer.body
