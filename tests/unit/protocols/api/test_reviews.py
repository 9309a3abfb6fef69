"""Reviews that are sent to the server, and what clients really lock through."""

from __future__ import annotations

import json

import pytest

from lockhouse.core import reviews as rule
from tests.unit.protocols.api.desk import NAMESPACE, Desk

READER = {"namespace": NAMESPACE, "rights": ["read"]}
WRITER = {"namespace": "elsewhere", "rights": ["write"]}
AUDITOR = {"namespace": "*", "rights": ["read"]}


def service(
    name: str = "aws/dynamodb", status: str = "used", users: tuple[str, ...] = ("tooling",)
) -> dict[str, object]:
    return {
        "service": name,
        "name": name.upper(),
        "users": list(users),
        "status": status,
        "certainty": "certain",
        "purpose": "state lock table",
        "evidence": [
            {
                "user": "tooling", "role": "lock", "file": "infra/main.tf", "line": 7, "column": 5, "snippet": "x",
                "rule": "terraform.backend", "component": "infra", "link": None,
            }
        ],
        "permissions": {"needed": [], "granted": [], "missing": [], "excessive": []},
        "cost": {"monthly_usd": None, "text": "unknown"},
        "removable": {"answer": "after_steps", "reason": "r", "steps": ["one"], "places": []},
    }  # fmt: skip


def review(*services: dict[str, object], root: str = "/src/app", **more: object) -> dict[str, object]:
    found = {"schema": "lockhouse.review/1", "root": root, "commit": "c0ffee", "services": list(services)}
    return found | {"findings": [], "searched": {"files": 3}} | more


def send(desk: Desk, document: object, token: str | None = None) -> str:
    answer = desk.ask("POST", "/reviews", document, token=token)
    assert answer.status == 201, answer.body
    return answer.json["id"]


def test_a_review_that_was_sent_is_shown_with_what_changed_since_the_one_before(desk: Desk):
    first = send(desk, review(service(), service("aws/s3")))
    desk.now += 60
    second = send(desk, review(service(users=("application", "tooling")), service("aws/sqs", "permission_only", ())))
    shown = desk.ask("GET", f"/reviews/{second}").json
    assert shown["previous"] == first
    assert shown["changes"] == [
        {"service": "aws/dynamodb", "before": "used", "after": "used", "gained": ["application"], "lost": []},
        {"service": "aws/s3", "before": "used", "after": "", "gained": [], "lost": ["tooling"]},
        {"service": "aws/sqs", "before": "", "after": "permission_only", "gained": [], "lost": []},
    ]
    assert shown["about"]["statuses"] == {"used": 1, "permission_only": 1}
    assert shown["review"]["services"][0]["evidence"][0]["file"] == "infra/main.tf"
    assert desk.ask("GET", f"/reviews/{first}").json["previous"] == ""


def test_the_answer_names_the_page_of_the_console(desk: Desk):
    answer = desk.ask("POST", "/reviews", review()).json
    assert answer["url"] == f"/console/reviews/{answer['id']}"


def test_the_list_has_the_newest_of_every_root_and_the_history_of_one(desk: Desk):
    sent = [send(desk, review(root=root)) for root in ("/src/a", "/src/b", "/src/a")]
    assert [each["id"] for each in desk.ask("GET", "/reviews").json["reviews"]] == [sent[2], sent[1]]
    history = desk.ask("GET", "/reviews", root="/src/a", limit="1").json
    assert [each["id"] for each in history["reviews"]] == [sent[2]]
    older = desk.ask("GET", "/reviews", root="/src/a", limit="1", before=str(history["next"])).json
    assert [each["id"] for each in older["reviews"]] == [sent[0]]


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "lockhouse.review/2"},
        {"root": ""},
        {"root": "x" * 5000},
        {"services": {}},
        {"services": [service() | {"status": "maybe"}]},
        {"services": [service() | {"users": ["boss"]}]},
        {"services": [service() | {"service": "<script>"}]},
        {"services": [service() | {"evidence": [{"user": None}]}]},
        {"findings": [{"rule": "r", "level": "fatal", "message": "m", "file": "f", "line": 1}]},
        {"searched": {"files": -1}},
    ],
)
def test_what_is_not_a_review_is_refused(desk: Desk, change: dict[str, object]):
    answer = desk.ask("POST", "/reviews", review() | change)
    assert (answer.status, answer.code) == (400, "request.document")
    assert desk.ask("GET", "/reviews").json["reviews"] == []


def test_what_a_newer_review_says_more_is_dropped(desk: Desk):
    sent = send(desk, review(service() | {"mood": "fine"}, changes={"base": "main", "added": [], "removed": []}))
    shown = desk.ask("GET", f"/reviews/{sent}").json["review"]
    assert "mood" not in shown["services"][0]
    assert "changes" not in shown


def test_a_review_may_have_megabytes_but_not_many(desk: Desk):
    lines = [{"file": "f" * 1000, "reason": "binary"} for _ in range(1000)]
    sent = send(desk, review(skipped=lines))
    assert len(desk.ask("GET", f"/reviews/{sent}").json["review"]["skipped"]) == 1000
    refused = desk.ask("POST", "/reviews", review(skipped=lines * 5))
    assert (refused.status, refused.code) == (413, "body.too_large")


def test_only_a_writer_sends_and_sees_its_own(desk: Desk):
    writer, reader = desk.token("writer", WRITER), desk.token("reader", READER)
    auditor, other = desk.token("auditor", AUDITOR), desk.token("other", WRITER)
    sent = send(desk, review(service()), writer)
    for token in (reader, auditor):
        assert desk.ask("POST", "/reviews", review(), token=token).code == "access.denied"
    for token, sees in ((writer, True), (auditor, True), (None, True), (reader, False), (other, False)):
        assert [each["id"] for each in desk.ask("GET", "/reviews", token=token).json["reviews"]] == [sent] * sees
        answer = desk.ask("GET", f"/reviews/{sent}", token=token)
        assert answer.status == 200 if sees else answer.code == "review.not_found"
    for token in (reader, other):
        assert desk.ask("DELETE", f"/reviews/{sent}", token=token).code == "review.not_found"
    assert desk.ask("DELETE", f"/reviews/{sent}", token=auditor).code == "access.denied"
    assert desk.ask("DELETE", f"/reviews/{sent}", token=writer).status == 204
    assert desk.ask("GET", f"/reviews/{sent}").code == "review.not_found"


def test_the_one_before_is_never_that_of_a_sender_who_is_not_seen(desk: Desk):
    writer, other = desk.token("writer", WRITER), desk.token("other", WRITER)
    send(desk, review(service("aws/secret")), other)
    mine = send(desk, review(service()), writer)
    shown = desk.ask("GET", f"/reviews/{mine}", token=writer)
    assert shown.json["previous"] == ""
    assert "secret" not in shown.body.decode()


def test_the_oldest_of_a_root_goes_and_another_sender_pushes_nothing_out(desk: Desk):
    writer = desk.token("writer", WRITER)
    kept = send(desk, review(), writer)
    sent = [send(desk, review()) for _ in range(rule.MAX_PER_ROOT + 2)]
    mine = [each["id"] for each in desk.ask("GET", "/reviews", root="/src/app").json["reviews"]]
    assert mine == [*reversed(sent[2:]), kept]
    assert desk.ask("GET", f"/reviews/{sent[0]}").status == 404


def test_the_reviews_of_one_sender_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rule, "MAX_PER_SENDER", 3)
    sent = [send(desk, review(root=f"/src/{number}")) for number in range(5)]
    assert [each["id"] for each in desk.ask("GET", "/reviews").json["reviews"]] == sent[:1:-1]


def test_traffic_says_who_still_locks_through_the_table(desk: Desk):
    token = desk.token("ci", {"namespace": NAMESPACE, "rights": ["lock", "read"]})
    desk.lock("a.tfstate", "one", token)
    desk.now += 60
    desk.lock("b.tfstate", "two", token)
    desk.lock("c.tfstate", "three")
    found = desk.ask("GET", "/traffic/locks").json
    assert found["complete"] is True
    ci = next(each for each in found["clients"] if each["name"] == "ci")
    assert (ci["namespace"], ci["facet"], ci["locks"], ci["states"]) == (NAMESPACE, "table", 2, 2)
    assert ci["first_at"] < ci["last_at"]
    assert ci["who"] == "alice@laptop"
    desk.now += 86_400
    assert desk.ask("GET", "/traffic/locks", days="1").json["clients"][0]["locks"] == 1
    desk.now += 86_400
    assert desk.ask("GET", "/traffic/locks", days="1").json["clients"] == []
    assert len(desk.ask("GET", "/traffic/locks", days="3").json["clients"]) == 2


def test_traffic_names_the_version_of_the_lock_document(desk: Desk):
    desk.lock("a.tfstate", version="1.9.8")
    desk.lock("b.tfstate", version="1.15.5")
    assert desk.ask("GET", "/traffic/locks").json["clients"][0]["versions"] == ["1.15.5", "1.9.8"]


def test_traffic_shows_only_what_the_caller_may_see(desk: Desk):
    desk.lock("team/a.tfstate")
    blind = desk.token("blind", {"namespace": NAMESPACE, "prefix": "other/", "rights": ["read"]})
    assert desk.ask("GET", "/traffic/locks", token=blind).json["clients"] == []
    sighted = desk.token("sighted", {"namespace": NAMESPACE, "prefix": "team/", "rights": ["read"]})
    assert len(desk.ask("GET", "/traffic/locks", token=sighted).json["clients"]) == 1


def test_traffic_over_its_bound_says_since_when_it_is_complete(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lockhouse.runtime.traffic.MAX_EVENTS", 2)
    monkeypatch.setattr("lockhouse.runtime.traffic.PAGE", 1)
    for number in range(4):
        desk.now += 1
        desk.lock(f"{number}.tfstate", f"lock-{number}")
    found = desk.ask("GET", "/traffic/locks").json
    assert found["complete"] is False
    assert found["clients"][0]["locks"] == 2
    assert found["since"] == found["clients"][0]["first_at"]


def test_a_sent_review_is_what_the_description_says(desk: Desk):
    described = json.loads(desk.ask("GET", "/openapi.json", token="").body)
    body = described["paths"]["/lockhouse/v1/reviews"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Review"}
