"""Rules, baseline and change: what fails a run and what does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lockhouse.review import rules
from lockhouse.review.review import UnknownService, known_service, review

from .fixtures import FOLDER


@pytest.fixture(scope="module")
def found():
    return review(FOLDER / "origin-shape" / "repo")


def violated(found, **changes) -> list[str]:
    return [v.rule for v in rules.check(found, rules.Rules(**changes))]


def test_a_service_forbidden_to_the_application_does_not_forbid_it_to_terraform(found):
    assert violated(found, forbid=rules.parse_all(["app:aws/dynamodb"])) == []
    assert violated(found, forbid=rules.parse_all(["tooling:aws/dynamodb"])) == ["forbid tooling:aws/dynamodb"]
    assert violated(found, forbid=rules.parse_all(["dynamodb"])) == ["forbid any:aws/dynamodb"]


def test_an_allow_list_holds_for_its_user_alone(found):
    assert violated(found, allow_only=rules.parse_all(["app:aws/s3,supabase,workos,redis"])) == []
    assert violated(found, allow_only=rules.parse_all(["app:aws/*"])) == ["allow-only application"] * 3


def test_an_unknown_counts_as_use_only_when_asked_strictly():
    unknown = review(FOLDER / "dynamic-client" / "repo", ("aws/dynamodb",))
    forbid = rules.parse_all(["app:aws/dynamodb"])
    assert violated(unknown, forbid=forbid) == []
    assert violated(unknown, forbid=forbid, strict=True) == ["forbid application:aws/dynamodb"]


@pytest.mark.parametrize("text", ["nobody:aws/s3", "app:aws/nothing-of-that-name"])
def test_a_rule_that_names_nothing_is_refused(text: str):
    with pytest.raises(rules.RuleInvalid):
        rules.parse_rule(text)


def test_a_rules_file_says_the_same_as_the_options(found):
    wanted = rules.parse_file(
        'forbid = ["tooling:aws/dynamodb"]\nfail_on = ["lock.wildcard_grant"]\n[allow_only]\napp = ["supabase"]\n'
    )
    assert {v.rule for v in rules.check(found, wanted)} == {
        "forbid tooling:aws/dynamodb",
        "allow-only application",
        "lock.wildcard_grant",
    }
    wanted.ignore = [("lock.wildcard_grant", "infrastructure/*")]
    assert "lock.wildcard_grant" not in {v.rule for v in rules.check(found, wanted)}


def test_the_baseline_of_today_is_no_news_and_a_new_use_is(found, tmp_path: Path):
    text = rules.baseline_text(found)
    assert rules.against_baseline(found, text) == ()
    document = json.loads(text)
    document["uses"] = [u for u in document["uses"] if u["service"] != "workos"]
    assert [v.service for v in rules.against_baseline(found, json.dumps(document))] == ["workos"]
    with pytest.raises(rules.RuleInvalid):
        rules.against_baseline(found, "[]")


def test_a_change_says_what_it_adds_and_takes_out():
    before, after = review(FOLDER / "docs-only" / "repo"), review(FOLDER / "wrappers-node" / "repo")
    changes = rules.compare(before, after, "main")
    assert "this change adds Bedrock to the application" in [m for _, _, m in changes.added]
    assert rules.compare(after, before, "x").removed[0][2].startswith("this change takes")


@pytest.mark.parametrize(
    ("asked", "service"),
    [("dynamodb", "aws/dynamodb"), ("DynamoDB", "aws/dynamodb"), ("aws/dynamodb", "aws/dynamodb"), ("cognito-idp", "aws/cognito"),
     ("bedrock-runtime", "aws/bedrock"), ("postgres", "postgresql"), ("Supabase", "supabase"), ("step functions", "aws/stepfunctions"),
     ("eventbridge", "aws/events"), ("alb", "aws/elb")],
)  # fmt: skip
def test_people_may_call_a_service_by_its_usual_names(asked: str, service: str):
    assert known_service(asked) == service


def test_an_unknown_name_is_refused_with_near_ones():
    with pytest.raises(UnknownService) as refused:
        known_service("dynamite")
    assert "aws/dynamodb" in refused.value.hint
