"""Where a CI job can be seen: known forms, templates of other issuers, and nothing where a claim is missing."""

from __future__ import annotations

import pytest

from lockhouse.core.federation import GITHUB, run_of

CLAIMS = {"repository": "acme/infra", "run_id": "77", "run_attempt": 2}


@pytest.mark.parametrize(
    ("issuer", "server"),
    [
        (GITHUB, "https://github.com"),
        (f"{GITHUB}/acme-enterprise", "https://github.com"),
        ("https://ghe.example.com/_services/token", "https://ghe.example.com"),
        ("https://token.actions.acme.ghe.com", "https://acme.ghe.com"),
    ],
)
def test_a_run_of_github_is_seen_at_its_server(issuer, server):
    assert run_of(CLAIMS | {"iss": issuer}, "").link == f"{server}/acme/infra/actions/runs/77/attempts/2"


def test_a_job_of_gitlab_is_seen_in_its_project():
    claims = {"iss": "https://gitlab.example.com", "project_path": "group/sub/infra", "job_id": "302"}
    assert run_of(claims, "").link == "https://gitlab.example.com/group/sub/infra/-/jobs/302"


TEMPLATE = "https://ci.example.com/{project}/builds/{build}"


def test_another_issuer_has_a_template_and_claims_are_quoted_into_it():
    claims = {"iss": "https://ci.example.com", "project": "team/app?x#y{z}", "build": 41}
    assert run_of(claims, "", TEMPLATE).link == "https://ci.example.com/team/app%3Fx%23y%7Bz%7D/builds/41"


@pytest.mark.parametrize("build", [None, "", ["41"], "4\n1"])
def test_no_link_is_made_of_a_claim_that_is_missing_or_no_text(build):
    assert run_of({"project": "app", "build": build}, "", TEMPLATE).link == ""


def test_what_is_no_name_of_a_repository_makes_no_link():
    assert run_of(CLAIMS | {"iss": GITHUB, "repository": "acme/infra/../x"}, "").link == ""
